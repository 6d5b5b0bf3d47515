//! File systems and modules, before anything else can run.

use std::{
    ffi::CString,
    fs::{self, File},
    io,
};

use anyhow::Context;
use rustix::{
    mount::{MountFlags, mount},
    system::{finit_module, uname},
};

const MOUNTS: &[(&str, &str)] = &[
    ("proc", "/proc"),
    ("sysfs", "/sys"),
    ("devtmpfs", "/dev"),
    ("tmpfs", "/run"),
    ("tmpfs", "/tmp"),
];

pub fn mount_all() -> anyhow::Result<()> {
    for (kind, path) in MOUNTS {
        mount(*kind, *path, *kind, MountFlags::empty(), None)
            .with_context(|| format!("mount {kind} on {path}"))?;
    }
    Ok(())
}

/// Loads what `/modules/list` names, in its order; a line is a file's name and the module's parameters.
pub fn load_modules() -> anyhow::Result<()> {
    for line in fs::read_to_string("/modules/list")?.lines() {
        let (file, parameters) = line.split_once(' ').unwrap_or((line, ""));
        load(file, parameters).with_context(|| format!("load the module {file}"))?;
    }
    Ok(())
}

fn load(file: &str, parameters: &str) -> io::Result<()> {
    let module = File::open(format!("/modules/{file}"))?;
    Ok(finit_module(module, &CString::new(parameters)?, 0)?)
}

/// The version of the kernel.
pub fn release() -> String {
    uname().release().to_string_lossy().into_owned()
}
