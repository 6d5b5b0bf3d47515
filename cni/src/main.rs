//! The CNI plugin: environment and stdin in, one CNI JSON document out.

use std::{env, io, process::ExitCode};

use cni::plugin;

fn main() -> ExitCode {
    let lookup = |name: &str| env::var_os(name);
    let outcome = plugin::run(lookup, &mut io::stdin().lock(), plugin::Patience::default());
    if outcome.print(&mut io::stdout().lock()).is_err() {
        return ExitCode::FAILURE;
    }
    if outcome.is_success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
