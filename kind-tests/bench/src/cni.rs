//! b-cni: the size of the plugin, which is copied to every node and started for every pod.

use std::fs;

use crate::{interval::Interval, process, row::Row};

/// In bytes.
const GOAL: f64 = 500_000.0;

/// How the plugin is built.
pub const BUILD: &str = "cargo build --package cni --profile cni";
/// Where it is in the target folder.
pub const PLUGIN: &str = "cni/eniclaim";

/// The size of one file.
pub fn rows() -> anyhow::Result<Vec<Row>> {
    let plugin = process::built(PLUGIN, BUILD)?;
    let size = u32::try_from(fs::metadata(&plugin)?.len())?;
    Ok(vec![Row {
        id: "b-cni",
        ours: format!("{size} bytes"),
        peer: format!("{GOAL} bytes"),
        ratio: Interval::exact(f64::from(size) / GOAL),
        goal: 1.0,
        how: "the static binary of profile cni".to_owned(),
    }])
}
