//! Prints the CRD of one kind as YAML: `cargo run -p crds --bin crdgen -- EniClaim`.

use std::process::ExitCode;

use kube::CustomResourceExt;

fn main() -> ExitCode {
    let kind = std::env::args().nth(1).unwrap_or_default();
    let crd = match kind.as_str() {
        "EniClass" => crds::EniClass::crd(),
        "EniClaim" => crds::EniClaim::crd(),
        "EniNode" => crds::EniNode::crd(),
        other => {
            eprintln!("{other:?} is not a kind of this project: EniClass, EniClaim or EniNode");
            return ExitCode::FAILURE;
        }
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
