//! The annotation by which a pod asks for several interfaces: `eni1=app,eni2=db`, each with its class.

use crate::{
    id::{ClassName, InterfaceName},
    name,
};

/// A pod has no more interfaces than this. The admission policy of the chart says the same number.
pub const MOST: usize = 8;

/// An interface that a pod asks for by name, and its class.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Named {
    /// Its name in the pod.
    pub interface: InterfaceName,
    /// The class that it is of.
    pub class: ClassName,
}

/// Why the annotation asks for nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NotInterfaces {
    /// A part without an interface, a class or the sign between them.
    #[error(
        "{0:?} in the annotation {key} is not <interface>=<class>; the annotation is a list such as eni1=app,eni2=db, without spaces",
        key = name::INTERFACES
    )]
    Part(String),
    /// A name that an interface, or the claim that ends with it, cannot have.
    #[error(
        "interface {0:?} in the annotation {key} cannot have this name: it needs 1 to 15 lower-case letters, digits or '-', with a letter or digit at both ends, and eth0, lo, all and default are taken",
        key = name::INTERFACES
    )]
    Name(String),
    /// A name that stands there twice.
    #[error("interface {0} stands twice in the annotation {key}; give each interface a name of its own", key = name::INTERFACES)]
    Twice(InterfaceName),
    /// More than [`MOST`].
    #[error("the annotation {key} asks for {0} interfaces, and a pod has {MOST} at most", key = name::INTERFACES)]
    TooMany(usize),
    /// The label names another class than the first interface has.
    #[error(
        "the label {key} is {label}, and the first interface of the annotation {list} is of class {first}; make both the same",
        key = name::CLASS,
        list = name::INTERFACES
    )]
    OtherClass {
        /// What the label says.
        label: ClassName,
        /// What the first interface says.
        first: ClassName,
    },
}

/// Reads the annotation: one interface at least, in the order in which they stand there.
pub fn parse(text: &str) -> Result<Vec<Named>, NotInterfaces> {
    let mut found: Vec<Named> = Vec::new();
    for part in text.split(',') {
        let named = named(part)?;
        if found
            .iter()
            .any(|before| before.interface == named.interface)
        {
            return Err(NotInterfaces::Twice(named.interface));
        }
        found.push(named);
    }
    if found.len() > MOST {
        return Err(NotInterfaces::TooMany(found.len()));
    }
    Ok(found)
}

/// The same for a pod whose label names a class: that of the first interface.
pub fn parse_for(label: &ClassName, text: &str) -> Result<Vec<Named>, NotInterfaces> {
    let found = parse(text)?;
    match found.first() {
        Some(first) if first.class != *label => Err(NotInterfaces::OtherClass {
            label: label.clone(),
            first: first.class.clone(),
        }),
        Some(_) | None => Ok(found),
    }
}

fn named(part: &str) -> Result<Named, NotInterfaces> {
    let (interface, class) = part
        .split_once('=')
        .filter(|(_, class)| is_class(class))
        .ok_or_else(|| NotInterfaces::Part(part.to_owned()))?;
    let wrong = || NotInterfaces::Name(interface.to_owned());
    if !is_label(interface) {
        return Err(wrong());
    }
    Ok(Named {
        interface: interface.parse().map_err(|_| wrong())?,
        class: class.into(),
    })
}

/// The end of a claim's name, which is that of an object (RFC 1123).
fn is_label(text: &str) -> bool {
    let ends = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.iter().all(|c| ends(*c) || *c == b'-')
        && bytes.first().is_some_and(|c| ends(*c))
        && bytes.last().is_some_and(|c| ends(*c))
}

/// The name of a class is a label value on pods, and that of an object.
fn is_class(text: &str) -> bool {
    text.len() <= 63 && text.split('.').all(is_label)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn interfaces_stand_in_the_order_of_the_annotation() {
        let found = parse("eni2=app,eni1=db.shop,net-3=app").unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|named| (named.interface.as_str(), named.class.as_str()))
            .collect();
        assert_eq!(
            found,
            [("eni2", "app"), ("eni1", "db.shop"), ("net-3", "app")]
        );
    }

    #[test]
    fn each_refusal_names_its_cause() {
        for (text, part) in [
            ("", "\"\" in the annotation"),
            ("eni1=app,", "\"\" in the annotation"),
            ("eni1", "is not <interface>=<class>"),
            ("eni1=", "is not <interface>=<class>"),
            ("eni1=App", "is not <interface>=<class>"),
            ("eni1=app, eni2=app", "interface \" eni2\""),
            ("=app", "interface \"\""),
            ("Eni1=app", "interface \"Eni1\""),
            ("-eni=app", "interface \"-eni\""),
            ("eni1-=app", "interface \"eni1-\""),
            ("eth0=app", "interface \"eth0\""),
            ("a123456789012345=app", "cannot have this name"),
            ("eni1=app,eni1=db", "interface eni1 stands twice"),
        ] {
            let said = said(text);
            assert!(said.contains(part), "{text:?}: {said}");
        }
        let nine: Vec<_> = (0..9).map(|n| format!("eni{n}=app")).collect();
        assert!(said(&nine.join(",")).contains("asks for 9 interfaces"));
        assert_eq!(parse(&nine[1..].join(",")).unwrap().len(), MOST);
    }

    #[test]
    fn the_label_names_the_class_of_the_first() {
        assert_eq!(
            parse_for(&"app".into(), "eni1=app,eni2=db").unwrap().len(),
            2
        );
        let other = parse_for(&"db".into(), "eni1=app,eni2=db").unwrap_err();
        assert!(other.to_string().contains("is db, and the first interface"));
    }
}
