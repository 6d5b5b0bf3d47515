//! b-agent: the memory of an agent that has nothing to do.

use std::{fmt::Write, thread, time::Duration};

use crds::interface::DhcpMode;

use crate::{
    interval::Interval,
    node::{
        agent::Agent,
        api_server::ApiServer,
        claims::{self, Pod, Report},
        namespace::Namespace,
    },
    row::Row,
};

/// Claims of its node, each with a device on the host: no instance type takes more ENIs.
const CLAIMS: usize = 50;
/// So long it has had nothing to do.
pub const IDLE: Duration = Duration::from_secs(10);
/// Resident memory, in MiB.
const GOAL: f64 = 12.0;

/// One start of the agent.
pub fn rows() -> anyhow::Result<Vec<Row>> {
    let (host, vpc) = (Namespace::new("host")?, Namespace::new("vpc")?);
    let mut links = String::new();
    for pod in (0..CLAIMS).map(Pod) {
        writeln!(links, "{}", pod.wire(&vpc))?;
    }
    host.ip(&links)?;
    let resident = host.inside(|| {
        let (server, address) = ApiServer::start()?;
        claims::write(&server, (0..CLAIMS).map(Pod), DhcpMode::Maintain)?;
        let mut agent = Agent::start(&server, &address)?;
        claims::wait_for_reports(&server, CLAIMS, Report::Device)?;
        thread::sleep(IDLE);
        agent.resident()
    })?;
    Ok(vec![Row {
        id: "b-agent",
        ours: format!("VmRSS: {resident:.1} MiB"),
        peer: format!("{GOAL} MiB"),
        ratio: Interval::exact(resident / GOAL),
        goal: 1.0,
        how: format!(
            "{CLAIMS} claims of its node with their devices on the host, {} s after the last report",
            IDLE.as_secs()
        ),
    }])
}
