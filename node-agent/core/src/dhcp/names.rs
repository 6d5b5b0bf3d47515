//! Which of the names in a packet may be shown and written to a resolver's configuration.

/// Names in a list; the 256 characters of RFC 1035's limit on one name allow no more in a usual packet.
const MOST: usize = 16;
/// Characters of a name (RFC 1035 section 2.3.4: 255 octets, of which text shows 253).
const LONGEST: usize = 253;
/// Characters of a label.
const LONGEST_LABEL: usize = 63;

/// The domain names among the names that a server sent, each once, without the dot at their end. A server, or a pod that plays one,
/// can send anything.
pub(super) fn domain_names<'a>(names: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for name in names {
        if let Some(name) = domain_name(name)
            && !found.contains(&name)
            && found.len() < MOST
        {
            found.push(name);
        }
    }
    found
}

/// The name without the dot at its end, if it is a domain name.
pub(super) fn domain_name(name: &str) -> Option<String> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let label =
        |label: &str| (1..=LONGEST_LABEL).contains(&label.len()) && label.chars().all(letter);
    (name.len() <= LONGEST && name.split('.').all(label)).then(|| name.to_owned())
}
