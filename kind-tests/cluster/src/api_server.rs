//! A control plane alone: etcd and an API server, for tests that compare answers.

use std::{
    process::{Command, Stdio},
    sync::atomic::AtomicBool,
};

use crate::{
    Binaries, Cluster, Result,
    bring_up::{LIMIT, check_name},
    control_plane::{self, ADDRESS},
    down,
    pki::Authority,
    process::{Daemons, feed, run},
    signals,
    vpc::Vpc,
};

impl Cluster {
    /// Brings up etcd and an API server and nothing else: no VPC, no node, no controller that would write meanwhile.
    /// It ends as every cluster does.
    pub fn api_server(name: &str) -> Result<Self> {
        check_name(name)?;
        let binaries = Binaries::build()?;
        down::take_down(name)?;
        signals::watch(name);
        let state = down::state_dir(name);
        let cluster = Self {
            nodes: Vec::new(),
            daemons: Daemons::of(&state),
            vpc: Vpc::in_folder(&state.join("vpc")),
            is_down: AtomicBool::new(false),
            name: name.to_owned(),
            binaries,
            state,
        };
        cluster.make_folders()?;
        make_netns(&cluster.control_plane())?;
        let authority = Authority::new(&control_plane::url())?;
        cluster.plane().start_api(&authority)?;
        cluster.poll("the API server to be ready", LIMIT, || {
            cluster.answers(&["get", "--raw", "/readyz"])
        })?;
        Ok(cluster)
    }
}

/// A network namespace with the control plane's address and no way out.
fn make_netns(name: &str) -> Result<()> {
    let gate = signals::gate();
    run(
        Command::new("ip").args(["netns", "add", name]),
        Stdio::null(),
    )?;
    drop(gate);
    let setup = format!("link set lo up\naddr add {ADDRESS}/32 dev lo\n");
    feed(Command::new("ip").args(["-n", name, "-batch", "-"]), &setup)
}
