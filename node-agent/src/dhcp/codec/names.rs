//! Lists of domain names (RFC 1035 section 3.1, RFC 3397 section 2, RFC 8415 section 10).

/// No more names are read; the machines take fewer.
const MOST: usize = 64;
/// Characters of a name, of 255 octets (RFC 1035 section 2.3.4).
const LONGEST: usize = 253;
/// Octets of a label.
const LONGEST_LABEL: usize = 63;
/// The two bits with which a pointer begins.
const POINTER: u8 = 0xc0;

/// Whether a name may end with a pointer to an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    /// DHCPv4 (RFC 3397).
    Allowed,
    /// DHCPv6 (RFC 8415 section 10).
    Forbidden,
}

/// The names, without the dot at their end; none if one of them cannot be read.
pub(super) fn read(bytes: &[u8], compression: Compression) -> Vec<String> {
    let mut names = Vec::new();
    let mut at = 0;
    while at < bytes.len() && names.len() < MOST {
        let Some((name, next)) = read_name(bytes, at, compression) else {
            return Vec::new();
        };
        names.push(name);
        at = next;
    }
    names
}

/// The name that begins at `start`, and where the next one does.
fn read_name(bytes: &[u8], start: usize, compression: Compression) -> Option<(String, usize)> {
    let mut name = String::new();
    let (mut part, mut at, mut next) = (start, start, None);
    loop {
        let length = *bytes.get(at)?;
        if length >= POINTER && compression == Compression::Allowed {
            let low = *bytes.get(at + 1)?;
            let target = usize::from(u16::from_be_bytes([length & !POINTER, low]));
            // Each part of a name begins before the one that leads there, so that it ends.
            if target >= part {
                return None;
            }
            next = next.or(Some(at + 2));
            (part, at) = (target, target);
            continue;
        }
        let length = usize::from(length);
        if length == 0 {
            return (!name.is_empty()).then(|| (name, next.unwrap_or(at + 1)));
        }
        let label = bytes.get(at + 1..at + 1 + length)?;
        // As text, a label with a dot in it would be two.
        let readable = |byte: &u8| byte.is_ascii_graphic() && *byte != b'.';
        if length > LONGEST_LABEL || !label.iter().all(readable) {
            return None;
        }
        if !name.is_empty() {
            name.push('.');
        }
        name.extend(label.iter().copied().map(char::from));
        if name.len() > LONGEST {
            return None;
        }
        at += 1 + length;
    }
}

/// The names without compression, but for those that have no such form.
pub(super) fn write(names: &[String]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for name in names {
        let possible = |label: &str| (1..=LONGEST_LABEL).contains(&label.len());
        if !name.split('.').all(possible) {
            continue;
        }
        for label in name.split('.') {
            bytes.extend(u8::try_from(label.len()));
            bytes.extend(label.bytes());
        }
        bytes.push(0);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_both(bytes: &[u8]) -> [Vec<String>; 2] {
        [Compression::Allowed, Compression::Forbidden].map(|allowed| read(bytes, allowed))
    }

    #[test]
    fn the_example_of_rfc_3397_is_read() {
        let bytes = b"\x03eng\x05apple\x03com\x00\x09marketing\xc0\x04";
        let [allowed, forbidden] = read_both(bytes);
        assert_eq!(allowed, ["eng.apple.com", "marketing.apple.com"]);
        assert!(forbidden.is_empty());
    }

    #[test]
    fn a_pointer_that_does_not_lead_back_is_none() {
        let lists: [&[u8]; 6] = [
            b"\xc0\x00",
            b"\x01a\xc0\x00",
            b"\x01a\xc0\x02",
            b"\x01a\x00\x01b\xc0\x03",
            b"\x01a\xc0\x09\x00",
            b"\x01a\xc0",
        ];
        for bytes in lists {
            assert!(read(bytes, Compression::Allowed).is_empty(), "{bytes:?}");
        }
    }

    #[test]
    fn what_is_no_name_is_none() {
        let long = [&[63; 64][..], &[63; 64], &[63; 64], &[63; 64], &[0]].concat();
        let lists: [&[u8]; 7] = [
            b"\x00",
            b"\x01a",
            b"\x05a\x00",
            b"\x03a.b\x00",
            b"\x01\xff\x00",
            b"\x01a\x00\x01 \x00",
            &long,
        ];
        for bytes in lists {
            assert!(read_both(bytes).concat().is_empty(), "{bytes:?}");
        }
    }

    #[test]
    fn whoever_sends_thousands_of_names_gets_a_few_read() {
        let mut bytes = b"\x01a\x00".to_vec();
        bytes.extend([POINTER, 0].repeat(30_000));
        assert_eq!(read(&bytes, Compression::Allowed), vec!["a"; MOST]);
    }
}
