//! The catalogue of cases: `kind-tests/cases/catalogue.md`.

use std::{fs, io};

use crate::repository;

/// One case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Its id, such as M01.
    pub id: String,
    /// What it is.
    pub what: String,
    /// Why no test covers it; empty where one does.
    pub missing: String,
}

/// All cases, in order.
pub fn catalogue() -> io::Result<Vec<Case>> {
    fs::read_to_string(repository().join("kind-tests/cases/catalogue.md")).map(|text| parse(&text))
}

/// The rows of the catalogue's tables.
pub fn parse(text: &str) -> Vec<Case> {
    text.lines().filter_map(row).collect()
}

fn row(line: &str) -> Option<Case> {
    let mut cells = line.strip_prefix('|')?.strip_suffix('|')?.split('|');
    let mut cell = || cells.next().map(|cell| cell.trim().to_owned());
    let (id, what, missing) = (cell()?, cell()?, cell()?);
    is_id(&id).then_some(Case { id, what, missing })
}

/// A capital letter and two digits.
pub fn is_id(text: &str) -> bool {
    matches!(text.as_bytes(), [letter, tens, ones]
        if letter.is_ascii_uppercase() && tens.is_ascii_digit() && ones.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_and_heads_are_not() {
        let cases = parse(
            "| id | case | |\n|---|---|---|\n| M01 | it moves | |\n| B02 | a bridge | issue I |\n",
        );
        let case = |id: &str, what: &str, missing: &str| Case {
            id: id.into(),
            what: what.into(),
            missing: missing.into(),
        };
        let expected = [
            case("M01", "it moves", ""),
            case("B02", "a bridge", "issue I"),
        ];
        assert_eq!(cases, expected);
    }
}
