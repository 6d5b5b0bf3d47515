//! The page of log lines, and the rules that they keep.

use std::collections::BTreeSet;

use telemetry::field::{ALWAYS, FIELDS, is_known};

use super::{
    code,
    lines::{self, Line},
    page, repository, table,
};

fn all() -> [(&'static str, Vec<Line>); 2] {
    let of = |folders: &[&str]| {
        let folders = folders.iter().map(|folder| repository().join(folder));
        let mut lines: Vec<Line> = folders.flat_map(|f| lines::of_folder(&f)).collect();
        lines.sort();
        lines
    };
    [
        ("Operator", of(&["operator/src", "telemetry/src"])),
        ("Agent", of(&["node-agent/src", "telemetry/src"])),
    ]
}

#[test]
fn the_page_of_logs_is_what_the_programs_log() {
    let mut text = "Both programs log to standard error: as text for people, or with `--log-format json` (which the chart sets) as one flat \
         JSON object a line. `--log-level` says which lines. Lines of libraries have the same four keys, and fields of their own.\n\n\
         ```\n\
         {\"timestamp\":\"2026-01-01T12:00:00.123456Z\",\"level\":\"INFO\",\"target\":\"operator::log\",\"message\":\"EC2 changed\",\
         \"claim\":\"shop/web-0-x7k2p\",\"pod\":\"shop/web-0\",\"node\":\"ip-10-0-1-5\",\"eni\":\"eni-0a1b2c3d4e5f60718\",\
         \"instance\":\"i-0a1b2c3d4e5f60718\",\"action\":\"AttachNetworkInterface\",\"outcome\":\"success\"}\n\
         ```\n\n\
         ## Keys of every line\n\n"
        .to_owned();
    let fields = |fields: &[(&str, &str)]| {
        let rows = fields.iter().map(|(n, m)| vec![code(n), (*m).to_owned()]);
        table(&["key", ""], rows.collect::<Vec<_>>())
    };
    text += &fields(&ALWAYS);
    text += "\n## Keys of the lines that they concern\n\n";
    text += &fields(FIELDS);
    for (program, lines) in all() {
        let lines = lines.iter().filter(|line| !line.message.is_empty());
        let rows: BTreeSet<Vec<String>> = lines
            .map(|line| {
                let fields: Vec<String> = line.fields.iter().map(|f| code(f)).collect();
                vec![
                    line.message.clone(),
                    line.level.to_uppercase(),
                    fields.join(" "),
                ]
            })
            .collect();
        text += &format!("\n## {program}\n\n");
        text += &table(&["message", "level", "keys"], rows);
    }
    page("logs.md", "Log lines", &text);
}

#[test]
fn a_line_has_fields_of_the_vocabulary_and_no_debug_output() {
    for (_, lines) in all() {
        assert!(lines.len() > 20, "{}", lines.len());
        for line in lines {
            assert!(!line.debug, "Debug output for people: {line:?}");
            assert!(!line.message.contains('{'), "not the same words: {line:?}");
            let unknown: Vec<_> = line.fields.iter().filter(|f| !is_known(f)).collect();
            assert!(unknown.is_empty(), "{unknown:?}: {line:?}");
        }
    }
}

#[test]
fn a_line_about_a_claim_names_its_pod() {
    for (_, lines) in all() {
        for line in lines {
            let has = |name: &str| line.fields.iter().any(|field| field == name);
            assert!(!has("claim") || has("pod"), "{line:?}");
        }
    }
}

#[test]
fn every_field_is_one_of_a_line() {
    let all = all();
    let used = |name: &str| {
        let mut lines = all.iter().flat_map(|(_, lines)| lines);
        lines.any(|line| line.fields.iter().any(|field| field == name))
    };
    let unused: Vec<_> = FIELDS.iter().filter(|(name, _)| !used(name)).collect();
    assert!(unused.is_empty(), "{unused:?}");
}

#[test]
fn lines_are_found_wherever_they_are() {
    let text = r#"
        fn f() { select! { x = y() => tracing::warn!(claim = %c, pod, ?z, "a \"b\""), } }
        mod tests { fn g() { tracing::info!("not this"); } }
    "#;
    let lines = lines::of_text(text, "f.rs");
    let [line] = lines.as_slice() else {
        panic!("{lines:?}")
    };
    assert_eq!(
        (line.level.as_str(), line.message.as_str()),
        ("warn", "a \"b\"")
    );
    assert_eq!(line.fields, ["claim", "pod", "z"]);
    assert!(line.debug);
}
