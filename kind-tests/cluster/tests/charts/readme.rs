//! The table of values in the chart's README, generated from the comments of `values.yaml`.

use std::{env, fmt::Write, fs};

use super::helm::chart;

const END_OF_TEXT: &str = "--test charts readme -->\n";

/// One row a value; a group of values has one if there is something to say about it.
fn table(values: &str) -> String {
    let mut table = "\n| value | default | |\n|---|---|---|\n".to_owned();
    let (mut groups, mut comment) = (Vec::<(usize, &str)>::new(), Vec::new());
    for line in values.lines() {
        let text = line.trim_start();
        if let Some(words) = text.strip_prefix("# ") {
            comment.push(words);
            continue;
        }
        let about = std::mem::take(&mut comment).join(" ");
        let Some((key, default)) = text.split_once(':') else {
            continue;
        };
        let indent = line.len() - text.len();
        groups.retain(|(outer, _)| *outer < indent);
        groups.push((indent, key));
        let name: Vec<_> = groups.iter().map(|(_, key)| *key).collect();
        let default = match default.trim() {
            "" if about.is_empty() => continue,
            "" => String::new(),
            default => format!("`{default}`"),
        };
        writeln!(table, "| `{}` | {default} | {about} |", name.join(".")).unwrap();
    }
    table
}

#[test]
fn the_readme_has_every_value() {
    let path = chart("eniclaim").join("README.md");
    let readme = fs::read_to_string(&path).unwrap();
    let text = readme.split_once(END_OF_TEXT).unwrap().0;
    let values = fs::read_to_string(chart("eniclaim").join("values.yaml")).unwrap();
    let generated = format!("{text}{END_OF_TEXT}{}", table(&values));
    if env::var_os("ENICLAIM_WRITE").is_some() {
        fs::write(&path, &generated).unwrap();
    }
    assert!(
        readme == generated || env::var_os("ENICLAIM_WRITE").is_some(),
        "{} is old; make it again with: ENICLAIM_WRITE=1 cargo test --package cluster --test charts readme",
        path.display()
    );
}
