//! The flags of logging, the same for every program, and the start of it.

use std::{
    io::{IsTerminal, stderr},
    panic,
};

use clap::{Args, ValueEnum};
use tracing_subscriber::{EnvFilter, fmt};

use crate::line::Lines;

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

fn level(text: &str) -> Result<String, String> {
    match EnvFilter::builder().parse(filter(text)) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!(
            "{error}; a level is off, error, warn, info, debug or trace, or several by module as in info,kube=debug"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_words_of_ours_and_may_differ_by_module() {
        for fits in ["", "off", "warn", "info,kube=debug", "trace"] {
            assert!(level(fits).is_ok(), "{fits}");
        }
        let error = level("info,kube=verbose").unwrap_err();
        assert!(error.contains("info,kube=debug"), "{error}");
    }
}
