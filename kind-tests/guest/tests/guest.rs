//! Rung 6: a guest with Linux 6.1 runs the agent's kernel tests and its NIC is plugged and unplugged.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "guest/archive.rs"]
mod archive;
#[path = "guest/initramfs.rs"]
mod initramfs;
#[path = "guest/kernel.rs"]
mod kernel;
#[path = "guest/kernel_tests.rs"]
mod kernel_tests;
#[path = "guest/machine.rs"]
mod machine;
#[path = "guest/modules.rs"]
mod modules;
#[path = "guest/qmp.rs"]
mod qmp;

use std::{env, fs, process::ExitCode, time::Instant};

use anyhow::{Context, ensure};
use machine::Machine;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rung 6: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let start = Instant::now();
    let done = |what: &str| {
        println!(
            "rung 6: {what} after {:.1} s",
            start.elapsed().as_secs_f32()
        );
    };
    // Arguments are parts of test names, as with other tests.
    let wanted: Vec<_> = env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    let kernel = kernel::find_or_download()?;
    done(&format!("{} is there", kernel.package));
    let tests = kernel_tests::build()?;
    done("the agent's tests are built");
    let folder = tempfile::tempdir()?;
    let initramfs = folder.path().join("initramfs");
    fs::write(&initramfs, initramfs::build(&kernel, &tests)?)?;
    done("the guest's files are packed");
    let mut machine = Machine::start(&kernel, &initramfs, &wanted, folder.path())?;
    let passed = drive(&mut machine).with_context(|| machine.last_words())?;
    done("the guest ended");
    ensure!(passed, "a test failed in the guest");
    Ok(())
}

/// Prints what the guest says and does what it asks for, until it says whether all tests passed.
fn drive(machine: &mut Machine) -> anyhow::Result<bool> {
    loop {
        match machine.line()?.as_str() {
            "@plug" => machine.plug_nic()?,
            "@unplug" => machine.unplug_nic()?,
            "@passed" => return machine.wait().map(|()| true),
            "@failed" => return machine.wait().map(|()| false),
            line => {
                ensure!(!line.starts_with('@'), "the guest asks for {line}");
                println!("{line}");
            }
        }
    }
}
