//! The flags of logging, the same for every program, and the start of it.

use std::{
    io::{IsTerminal, stderr},
    panic,
};

use clap::{Args, ValueEnum};
use tracing_subscriber::{EnvFilter, fmt};

use crate::line::Lines;

/// What can be said of a module, or of all.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// How log lines look, and which are written. They go to standard error.
#[derive(Debug, Clone, Args)]
pub struct LogOptions {
    /// off, error, warn, info, debug or trace, or several by module, for example info,kube=debug.
    #[arg(long, env = "RUST_LOG", default_value = "info", value_parser = level, global = true)]
    pub log_level: String,
    /// How log lines look.
    #[arg(
        long,
        env = "ENICLAIM_LOG_FORMAT",
        default_value = "text",
        global = true
    )]
    pub log_format: LogFormat,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One flat JSON object a line.
    Json,
}

impl LogOptions {
    /// From now on lines are logged as the options say; a panic is one of them. To be called once. A program that works for
    /// one node names that in each line of JSON.
    pub fn init(&self, node: Option<&str>) {
        let lines = fmt()
            .with_env_filter(EnvFilter::new(filter(&self.log_level)))
            // Colours are for people who look at it now, not for files.
            .with_ansi(stderr().is_terminal())
            .with_writer(stderr);
        match self.log_format {
            LogFormat::Text => lines.init(),
            LogFormat::Json => lines.event_format(Lines::of(node)).init(),
        }
        panic::set_hook(Box::new(|panic| {
            let error = panic.payload_as_str().unwrap_or("no message");
            let location = panic.location().map(tracing::field::display);
            tracing::error!(error, location, "a fault of this program");
        }));
    }
}

/// An empty variable is none.
fn filter(level: &str) -> &str {
    if level.is_empty() { "info" } else { level }
}

/// The filter itself would take a word that is no level for a module, and log all of that.
fn level(text: &str) -> Result<String, String> {
    let is_level = |word: &str| LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word));
    let is_module = |name: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || "_:-".contains(c);
        !name.is_empty() && name.chars().all(fits)
    };
    let fits = |part: &str| match part.split_once('=') {
        Some((module, level)) => is_module(module) && is_level(level),
        None => is_level(part),
    };
    match filter(text).split(',').find(|part| !fits(part)) {
        None => Ok(text.to_owned()),
        Some(part) => Err(format!(
            "{part:?} is no level; a level is off, error, warn, info, debug or trace, or several by module as in info,kube=debug"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_words_of_ours_and_may_differ_by_module() {
        for fits in [
            "",
            "off",
            "warn",
            "INFO",
            "info,kube=debug",
            "operator::log=trace,off",
        ] {
            assert_eq!(level(fits).as_deref(), Ok(fits));
            assert!(EnvFilter::builder().parse(filter(fits)).is_ok(), "{fits}");
        }
        for (wrong, part) in [
            ("loud", "loud"),
            ("3", "3"),
            ("info,loud", "loud"),
            ("info,kube=verbose", "kube=verbose"),
            ("info,kube", "kube"),
            ("info,kube=", "kube="),
            ("=info", "=info"),
            ("info,", ""),
            ("info, kube=debug", " kube=debug"),
            ("kube[request]=debug", "kube[request]=debug"),
        ] {
            let error = level(wrong).unwrap_err();
            let begin = format!("{part:?} is no level; a level is off, error,");
            assert!(error.starts_with(&begin), "{wrong}: {error}");
            assert!(error.contains("info,kube=debug"), "{error}");
        }
    }
}
