//! Where the parts of a JSON text begin and end: what the plugin hands on stays as it was written, byte for byte.

use std::{fmt, str::Chars};

use serde::de::IgnoredAny;

/// A JSON value as it is written, without white space around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Json<'a>(&'a [u8]);

impl<'a> Json<'a> {
    /// Finds `text` to be one JSON value. Numbers of any size, strings of any bytes and any depth will do.
    pub fn parse(text: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice::<IgnoredAny>(text)?;
        Ok(Self::of(text))
    }

    /// A text that was found to be a JSON value before.
    pub(crate) fn of(text: &'a [u8]) -> Self {
        Self(text.trim_ascii())
    }

    /// The text.
    pub fn text(self) -> &'a [u8] {
        self.0
    }

    /// The text without its brackets or braces, each entry or element with the white space around it; `None` if it has no such.
    pub fn parts(self, open: u8, close: u8) -> Option<Vec<&'a [u8]>> {
        let inside = self.0.strip_prefix(&[open])?.strip_suffix(&[close])?;
        if inside.trim_ascii().is_empty() {
            return Some(Vec::new());
        }
        Some(split(inside, b','))
    }

    /// The keys and values of an object.
    pub fn entries(self) -> Option<Vec<(String, Self)>> {
        let parts = self.parts(b'{', b'}')?;
        Some(parts.into_iter().filter_map(entry).collect())
    }

    /// The elements of a list.
    pub fn elements(self) -> Option<Vec<Self>> {
        let parts = self.parts(b'[', b']')?;
        Some(parts.into_iter().map(Self::of).collect())
    }

    /// The value of a key; of a key that stands there twice, the last one. A null is as good as no key.
    pub fn get(self, key: &str) -> Option<Self> {
        let found = self.entries()?.into_iter().rev().find(|(k, _)| k == key);
        found
            .map(|(_, value)| value)
            .filter(|value| value.0 != b"null")
    }

    /// The string that this is, with what is escaped in it as it is meant (RFC 8259, section 7).
    ///
    /// By hand: the reader of strings that `serde_json` has can read a number as well, for its error, and is 6 kB of the binary.
    pub fn string(self) -> Option<String> {
        let inside = self.0.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        let mut chars = std::str::from_utf8(inside).ok()?.chars();
        let mut text = String::new();
        while let Some(char) = chars.next() {
            text.push(match char {
                '\\' => escaped(&mut chars)?,
                char => char,
            });
        }
        Some(text)
    }
}

/// What the characters behind a backslash stand for.
fn escaped(chars: &mut Chars<'_>) -> Option<char> {
    Some(match chars.next()? {
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'u' => {
            let high = unit(chars)?;
            if let Some(char) = char::from_u32(high.into()) {
                return Some(char);
            }
            // Half of a pair.
            let is_escaped = chars.next() == Some('\\') && chars.next() == Some('u');
            let low = is_escaped.then(|| unit(chars)).flatten()?;
            char::decode_utf16([high, low]).next()?.ok()?
        }
        itself => itself,
    })
}

fn unit(chars: &mut Chars<'_>) -> Option<u16> {
    let mut unit = 0;
    for _ in 0..4 {
        unit = unit << 4 | chars.next()?.to_digit(16)?;
    }
    u16::try_from(unit).ok()
}

impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.0))
    }
}

/// An entry of an object, as [`Json::parts`] finds it.
pub(crate) fn entry(part: &[u8]) -> Option<(String, Json<'_>)> {
    match split(part, b':').as_slice() {
        [key, value] => Some((Json::of(key).string()?, Json::of(value))),
        _ => None,
    }
}

/// Cuts at each `separator` that is in no string, list or object. The text is valid JSON but for what was cut off around it.
fn split(text: &[u8], separator: u8) -> Vec<&[u8]> {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    text.split(|&byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => return depth == 0 && byte == separator,
        }
        false
    })
    .collect()
}
