//! The first process of the guest: it runs the tests and powers the machine off.

mod boot;
mod console;
mod kernel_tests;
mod netns;
mod nic;

use std::env;

use console::Console;
use rustix::system::{RebootCommand, reboot};

fn main() -> anyhow::Result<()> {
    let mut console = boot::mount_all().and_then(|()| Console::open())?;
    if let Err(error) = run(&mut console) {
        console.say(&format!("FAILED: {error:#}"))?;
        console.end(false)?;
    } else {
        console.end(true)?;
    }
    // Without a first process the kernel panics, which ends the machine, too.
    Ok(reboot(RebootCommand::PowerOff)?)
}

/// The kernel hands its further words on as arguments: parts of the names of the tests that are wanted, or none for all.
fn run(console: &mut Console) -> anyhow::Result<()> {
    boot::load_modules()?;
    console.say(&format!("Linux {} is up", boot::release()))?;
    let wanted: Vec<_> = env::args().skip(1).collect();
    let kernel = kernel_tests::run(console, &wanted);
    if !wanted.is_empty() && !wanted.iter().any(|name| name.starts_with("nic")) {
        return kernel;
    }
    kernel.and(nic::run(console.another()?))
}
