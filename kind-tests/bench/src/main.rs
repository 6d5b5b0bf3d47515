//! Benchmarks: a row for each measurement; the exit status is 0 only if all that ran hold.

mod add;
mod burst;
mod clock;
mod cluster;
mod cni;
mod document;
mod idle;
mod interval;
mod leader;
mod leases;
mod node;
mod pass;
mod plan;
mod process;
mod replaced;
mod row;
mod scale;
mod world;
mod writes;

use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, ValueEnum};
use mimalloc::MiMalloc;

use crate::row::Row;

/// The operator's own: what is compared allocates alike.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[derive(Parser)]
#[command(about = "Benchmarks; without an id, all of them")]
struct Options {
    /// The rows to be measured.
    ids: Vec<Id>,
}

/// What can be measured.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Id {
    /// One decision.
    #[value(name = "b-plan")]
    Plan,
    /// A big fleet.
    #[value(name = "b-scale")]
    Scale,
    /// Many pods at once.
    #[value(name = "b-burst")]
    Burst,
    /// Writes to the API server.
    #[value(name = "b-writes")]
    Writes,
    /// A restart of the whole operator.
    #[value(name = "b-leader")]
    Leader,
    /// The size of the CNI plugin.
    #[value(name = "b-cni")]
    Cni,
    /// A pod that asks for nothing.
    #[value(name = "b-pass")]
    Pass,
    /// The memory of an agent with nothing to do, and what it needs to keep DHCP leases.
    #[value(name = "b-agent")]
    Agent,
    /// An ENI into a pod and back: the rows of b-add and of b-del come from one run.
    #[value(name = "b-add", alias = "b-del")]
    Add,
    /// Configurations of plugins that are replaced, beside the originals.
    #[value(name = "b-replaced")]
    Replaced,
}

impl Id {
    fn rows(self) -> anyhow::Result<Vec<Row>> {
        match self {
            Self::Plan => plan::rows(),
            Self::Scale => scale::rows(),
            Self::Burst => burst::rows(),
            Self::Writes => writes::rows(),
            Self::Leader => leader::rows(),
            Self::Cni => cni::rows(),
            Self::Pass => pass::rows(),
            Self::Agent => Ok([idle::rows()?, leases::rows()?].concat()),
            Self::Add => add::rows(),
            Self::Replaced => replaced::rows(),
        }
    }
}

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    let ids = if options.ids.is_empty() {
        Id::value_variants().to_vec()
    } else {
        options.ids
    };
    let mut rows = Vec::new();
    for id in ids {
        let name = id.to_possible_value();
        let name = name.map_or_else(String::new, |name| name.get_name().to_owned());
        for row in id.rows().with_context(|| format!("measure {name}"))? {
            println!("{row}");
            rows.push(row);
        }
    }
    document::write(&rows)?;
    let short = rows.iter().any(|row| !row.holds());
    Ok(ExitCode::from(u8::from(short)))
}
