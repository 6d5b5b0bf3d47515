//! What a person wants to see when something did not happen in time.

use std::fmt::Write as _;

use crate::{Cluster, process::Daemons, say::say};

/// What the API server knows of a cluster in trouble.
const QUESTIONS: &[(&str, &[&str])] = &[
    ("nodes", &["get", "nodes", "-o", "wide"]),
    ("pods", &["get", "pods", "-A", "-o", "wide"]),
    (
        "events",
        &[
            "get",
            "events",
            "-A",
            "--sort-by=.lastTimestamp",
            "--field-selector=involvedObject.kind!=Node",
        ],
    ),
];
const LINES: usize = 30;

impl Cluster {
    /// Prints the state of the cluster to standard error: nodes, pods, events, and the end of the logs of what has
    /// ended, or of all components when the API server does not answer.
    pub fn dump(&self) {
        let mut text = format!(
            "---- cluster {}; logs are in {state}/log, once it is down in target/e2e-logs\n",
            self.name(),
            state = self.state_dir().display()
        );
        let answers: Option<Vec<_>> = QUESTIONS
            .iter()
            .map(|(title, question)| self.ask(title, question))
            .collect();
        for (name, process) in self.daemons.all() {
            if answers.is_none() || !process.is_running() {
                let state = if process.is_running() {
                    "runs"
                } else {
                    "has ended"
                };
                describe(&mut text, &self.daemons, &name, state);
            }
        }
        text.extend(answers.unwrap_or_default());
        say(format_args!("{text}----"));
    }

    fn ask(&self, title: &str, question: &[&str]) -> Option<String> {
        let output = self
            .kubectl(&[question, &["--request-timeout=5s"]].concat())
            .ok()?;
        if !output.status.success() {
            return None;
        }
        let answer = String::from_utf8_lossy(&output.stdout);
        let lines: Vec<_> = answer.lines().collect();
        let last = lines
            .get(lines.len().saturating_sub(LINES)..)
            .unwrap_or_default()
            .join("\n");
        Some(format!("-- {title}\n{last}\n"))
    }
}

fn describe(text: &mut String, daemons: &Daemons, name: &str, state: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "-- {name} {state}; its log ends with\n{}",
        daemons.tail(name, LINES)
    );
}
