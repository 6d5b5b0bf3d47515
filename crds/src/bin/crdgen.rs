//! Prints the CRD of one kind as YAML: `cargo run -p crds --bin crdgen -- EniClaim`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let kind = std::env::args().nth(1).unwrap_or_default();
    let Some(crd) = crds::all()
        .into_iter()
        .find(|crd| crd.spec.names.kind == kind)
    else {
        eprintln!("{kind:?} is not a kind of this project: EniClass, EniClaim or EniNode");
        return ExitCode::FAILURE;
    };
    match serde_saphyr::to_string(&crd) {
        Ok(yaml) => {
            println!(
                "# Generated from crds/src; do not edit. Make it again with: make crds\n---\n{yaml}"
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{kind}: {error}");
            ExitCode::FAILURE
        }
    }
}
