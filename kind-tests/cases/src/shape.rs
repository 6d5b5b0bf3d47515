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

    /// What stands behind `Shape:` in a doc comment of a test whose usual place this is, or the word that says nothing.
    pub fn parse(text: &str, place: &str) -> Result<Self, String> {
        let mut shape = Self::usual(place);
        for word in text.trim().trim_end_matches('.').split(',').map(str::trim) {
            let count = word.split_once(' ');
            let count = count.and_then(|(number, what)| Some((number.parse().ok()?, what)));
            match count {
                Some((number, "address" | "addresses")) => shape.addresses = number,
                Some((number, "prefix" | "prefixes")) => shape.prefixes = number,
                Some((number, "interface" | "interfaces")) => shape.interfaces = number,
                _ if FAMILIES.contains(&word) => word.clone_into(&mut shape.family),
                _ if ROUTES.contains(&word) => word.clone_into(&mut shape.route),
                _ if PLACES.contains(&word) => word.clone_into(&mut shape.place),
                _ => return Err(format!("{word:?} says nothing of a shape")),
            }
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

    #[test]
    fn what_is_left_out_is_the_default_and_an_unknown_word_is_refused() {
        let parse = |text| Shape::parse(text, KERNEL);
        let shape = parse(" IPv4+IPv6, 2 addresses, 1 prefix, after ptp.").unwrap();
        assert_eq!(
            shape.to_string(),
            "IPv4+IPv6 | 2 | 1 | 1 | Never | after ptp"
        );
        assert_eq!(parse("IPv4"), Ok(Shape::usual("chained")));
        assert_eq!(Shape::parse("IPv4", CLUSTER), parse("after ptp"));
        assert!(parse("IPv5").unwrap_err().contains("IPv5"));
    }
}
