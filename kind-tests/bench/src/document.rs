//! docs/benchmarks.md: the last result of each row, with the command that made it.

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::Context;

use crate::row::Row;

const HEAD: &str =
    "| id | ours | peer | ratio (95 % interval) | goal | | how |\n|---|---|---|---|---|---|---|\n";
const BEGIN: &str = "<!-- rows: make bench -->\n";
const END: &str = "<!-- end of rows -->\n";

/// Writes these rows; rows of other ids stay.
pub fn write(rows: &[Row]) -> anyhow::Result<()> {
    let path = path();
    let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let text = replaced(&text, rows)
        .with_context(|| format!("{} lacks the marks around its rows", path.display()))?;
    fs::write(&path, text).with_context(|| format!("write {}", path.display()))
}

fn path() -> PathBuf {
    PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/benchmarks.md"
    ))
}

fn replaced(text: &str, rows: &[Row]) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (table, after) = rest.split_once(END)?;
    let mut lines: BTreeMap<String, String> = table
        .lines()
        .skip(2)
        .map(|line| (id(line), line.to_owned()))
        .collect();
    for row in rows {
        let line = format!("| {} |", row.cells().join(" | "));
        lines.insert(id(&line), line);
    }
    let lines = lines
        .values()
        .fold(String::new(), |text, line| text + line + "\n");
    Some(format!("{before}{BEGIN}{HEAD}{lines}{END}{after}"))
}

fn id(line: &str) -> String {
    line.split('|').nth(1).unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interval::Interval;

    #[test]
    fn a_row_replaces_the_one_of_its_id_and_no_other() {
        let row = |id, ours: &str| Row {
            id,
            ours: ours.to_owned(),
            peer: String::new(),
            ratio: Interval::exact(0.5),
            goal: 1.0,
            how: String::new(),
        };
        let text = replaced(
            &format!("head\n{BEGIN}{END}tail\n"),
            &[row("b", "1"), row("a", "2")],
        );
        let text = replaced(&text.unwrap(), &[row("a", "3")]).unwrap();
        let expected = format!(
            "head\n{BEGIN}{HEAD}| a | 3 |  | 0.500 | ≤ 1 | holds |  |\n| b | 1 |  | 0.500 | ≤ 1 | holds |  |\n{END}tail\n"
        );
        assert_eq!(text, expected);
        assert!(replaced("no marks", &[]).is_none());
    }
}
