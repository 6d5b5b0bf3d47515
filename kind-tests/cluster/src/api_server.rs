//! A control plane alone: etcd and an API server, for tests that compare answers.

use std::process::Command;

use crate::{
    Cluster, Result,
    bring_up::LIMIT,
    control_plane::{self, ADDRESS},
    made::Made,
    pki::Authority,
    process::feed,
    vpc::make_netns,
};

impl Cluster {
    /// Brings up etcd and an API server and nothing else: no VPC, no node, no controller that would write meanwhile.
    /// It ends as every cluster does.
    pub fn api_server(name: &str) -> Result<Self> {
        let cluster = Self::claim(name, 0)?;
        cluster.make_folders()?;
        cluster.address_alone()?;
        let authority = Authority::new(&control_plane::url())?;
        cluster.plane().start_api(&authority)?;
        cluster.poll("the API server to be ready", LIMIT, || {
            cluster.answers(&["get", "--raw", "/readyz"])
        })?;
        Ok(cluster)
    }

    /// A network namespace with the control plane's address and no way out.
    fn address_alone(&self) -> Result<()> {
        let name = self.control_plane();
        make_netns(&Made::of(&self.state), &name)?;
        let setup = format!("link set lo up\naddr add {ADDRESS}/32 dev lo\n");
        feed(
            Command::new("ip").args(["-n", &name, "-batch", "-"]),
            &setup,
        )
    }
}
