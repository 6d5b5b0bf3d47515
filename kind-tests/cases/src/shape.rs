//! The shape of an interface, and the page of those that tests prove.

use std::{collections::BTreeMap, fmt};

use crate::source::Test;

/// One cell of the matrix. What a doc comment leaves out is the default.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shape {
    /// `IPv4`, `IPv6` or `IPv4+IPv6`.
    pub family: String,
    /// Addresses of each family.
    pub addresses: u32,
    /// Delegated prefixes of each family.
    pub prefixes: u32,
    /// Interfaces of the pod.
    pub interfaces: u32,
    /// The default route.
    pub route: String,
    /// The plugin's place in the chain.
    pub place: String,
}

const FAMILIES: &[&str] = &["IPv4", "IPv6", "IPv4+IPv6"];
const ROUTES: &[&str] = &["Never", "Fallback", "Primary"];
const PLACES: &[&str] = &[KERNEL, CLUSTER, "after host-device", "first", "IPAM"];

/// Where kernel tests are, unless they say otherwise: behind an interface that the test made, as ptp and bridge make theirs.
pub const KERNEL: &str = "chained";
/// Where scenarios are, unless they say otherwise: the first network of the clusters is that of the real ptp.
pub const CLUSTER: &str = "after ptp";

impl Shape {
    fn usual(place: &str) -> Self {
        Self {
            family: "IPv4".to_owned(),
            addresses: 1,
            prefixes: 0,
            interfaces: 1,
            route: "Never".to_owned(),
            place: place.to_owned(),
        }
    }

    /// What stands behind `Shape:` in a doc comment of a test whose usual place this is, or the word that says nothing. `1 or 2
    /// interfaces, Never or Primary` are four shapes.
    pub fn parse(text: &str, place: &str) -> Result<Vec<Self>, String> {
        let mut shapes = vec![Self::usual(place)];
        for word in text.trim().trim_end_matches('.').split(',').map(str::trim) {
            let choices: Vec<&str> = word.split(" or ").collect();
            // What is counted stands once, at the end.
            let last = choices.last().and_then(|last| last.split_once(' '));
            let noun = last.map(|(_, noun)| noun);
            let with = |choice: &str| {
                let each = shapes.iter().map(|shape| shape.with(choice, noun));
                each.collect::<Result<Vec<_>, _>>()
            };
            let all = choices.into_iter().map(with);
            shapes = all.collect::<Result<Vec<_>, _>>()?.concat();
        }
        Ok(shapes)
    }

    /// The same but for one word, which may be a number of what `noun` names.
    fn with(&self, word: &str, noun: Option<&str>) -> Result<Self, String> {
        let mut shape = self.clone();
        let number = word.split(' ').next().unwrap_or_default().parse();
        match (number, noun) {
            (Ok(number), Some("address" | "addresses")) => shape.addresses = number,
            (Ok(number), Some("prefix" | "prefixes")) => shape.prefixes = number,
            (Ok(number), Some("interface" | "interfaces")) => shape.interfaces = number,
            _ if FAMILIES.contains(&word) => word.clone_into(&mut shape.family),
            _ if ROUTES.contains(&word) => word.clone_into(&mut shape.route),
            _ if PLACES.contains(&word) => word.clone_into(&mut shape.place),
            _ => return Err(format!("{word:?} says nothing of a shape")),
        }
        Ok(shape)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            family,
            addresses,
            prefixes,
            interfaces,
            route,
            place,
        } = self;
        write!(
            f,
            "{family} | {addresses} | {prefixes} | {interfaces} | {route} | {place}"
        )
    }
}

/// The page: each shape with the tests among `tests` that prove it.
pub fn page<'a>(tests: impl Iterator<Item = &'a Test>) -> String {
    let mut cells: BTreeMap<&Shape, [Vec<String>; 2]> = BTreeMap::new();
    for test in tests {
        for shape in &test.shapes {
            let [kernel, cluster] = cells.entry(shape).or_default();
            let list = if test.is_scenario() { cluster } else { kernel };
            list.push(format!("`{}`", test.path));
        }
    }
    let mut text = "# Shapes of an interface\n\n<!-- Generated: make shapes -->\n\n\
         Each row is a shape that tests prove: what an interface has in its pod is compared with what the kernel says \
         (`node-agent/tests`), and where traffic decides, a pod on a real cluster sends it (`kind-tests/e2e`).\n\n\
         `chained` is behind an interface that the test made itself. All other places are those of [Where the plugin can stand](../cni.md) with \
         upstream's own plugins; `after ptp` is also how the clusters' first network is.\n\n\
         | family | addresses | prefixes | interfaces | default route | place | kernel test | scenario |\n\
         |---|---|---|---|---|---|---|---|\n"
        .to_owned();
    text.extend(cells.iter().map(|(shape, [kernel, cluster])| {
        let (kernel, cluster) = (kernel.join("<br>"), cluster.join("<br>"));
        format!("| {shape} | {kernel} | {cluster} |\n")
    }));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        let shapes = Shape::parse(text, KERNEL).unwrap();
        shapes.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_left_out_is_the_default_and_an_unknown_word_is_refused() {
        assert_eq!(
            read(" IPv4+IPv6, 2 addresses, 1 prefix, after ptp."),
            ["IPv4+IPv6 | 2 | 1 | 1 | Never | after ptp"]
        );
        assert_eq!(read("IPv4"), ["IPv4 | 1 | 0 | 1 | Never | chained"]);
        assert_eq!(
            Shape::parse("IPv4", CLUSTER),
            Shape::parse("after ptp", KERNEL)
        );
        for (text, word) in [
            ("IPv5", "\"IPv5\""),
            ("IPv4 or IPv5", "\"IPv5\""),
            ("1 or two interfaces", "\"two interfaces\""),
            ("1 or 2", "\"1\""),
        ] {
            let said = Shape::parse(text, KERNEL).unwrap_err();
            assert!(said.contains(word), "{text}: {said}");
        }
    }

    #[test]
    fn choices_are_a_shape_each() {
        assert_eq!(
            read("IPv6, 1 or 4 interfaces, Never or Primary"),
            [
                "IPv6 | 1 | 0 | 1 | Never | chained",
                "IPv6 | 1 | 0 | 4 | Never | chained",
                "IPv6 | 1 | 0 | 1 | Primary | chained",
                "IPv6 | 1 | 0 | 4 | Primary | chained",
            ]
        );
        assert_eq!(read("after ptp or after host-device").len(), 2);
    }
}
