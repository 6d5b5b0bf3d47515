//! The CNI plugin: environment and stdin in, one CNI JSON document out.

use std::{env, io, process::ExitCode};

use cni::plugin;

fn main() -> ExitCode {
    let program = env::args_os().next().unwrap_or_default();
    let outcome = plugin::run(&program, |name| env::var_os(name), &mut io::stdin().lock());
    if outcome.print(&mut io::stdout().lock()).is_ok() && outcome.is_success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
