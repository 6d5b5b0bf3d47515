//! Where a page ended, as a text that only the call that got it can use.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::Query;
use crate::{Ec2Error, filters::Described};

/// Where a page ended. EC2's tokens are opaque; that one is bound to ids and filters, and not to `MaxResults`, is unverified.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Token {
    /// The id of the last resource before.
    pub(super) last: String,
    /// Whether the next page is one without items.
    pub(super) empty_page: bool,
}

impl Token {
    /// The token of a query, if it has one; refused if it was made for another one.
    pub(super) fn of<T: Described>(query: &Query) -> Result<Option<Self>, Ec2Error> {
        let Some(text) = &query.next_token else {
            return Ok(None);
        };
        let token = Self::read(text).filter(|token| token.write::<T>(query) == *text);
        let refused = || Ec2Error::InvalidNextToken(text.clone());
        token.ok_or_else(refused).map(Some)
    }

    /// The token as text: a seal over all that it is bound to, and what it says, in hexadecimal digits.
    pub(super) fn write<T: Described>(&self, query: &Query) -> String {
        let mut seal = DefaultHasher::new();
        (self, T::ACTION, &query.ids, &query.filters).hash(&mut seal);
        let last: Vec<String> = self
            .last
            .bytes()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let (seal, empty_page) = (seal.finish(), u8::from(self.empty_page));
        format!("{seal:016x}{empty_page:02x}{}", last.concat())
    }

    fn read(text: &str) -> Option<Self> {
        let digits = text.get(16..)?;
        let byte = |at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
        let bytes = (0..digits.len()).step_by(2).map(byte);
        let bytes = bytes.collect::<Option<Vec<u8>>>()?;
        let (empty_page, last) = bytes.split_first()?;
        Some(Self {
            last: String::from_utf8(last.to_vec()).ok()?,
            empty_page: *empty_page == 1,
        })
    }
}
