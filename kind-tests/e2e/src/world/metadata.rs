//! How a pod fares that calls the instance metadata service.

use anyhow::{Context, ensure};

use super::{Space, World};

/// The instance metadata service.
const METADATA: &str = "169.254.169.254:80";
/// The same in IPv6.
const METADATA_V6: &str = "[fd00:ec2::254]:80";
/// How the kernel answers a socket whose way is a black hole: at once, and in no other case here.
const BLACK_HOLE: &str = "Invalid argument";

impl Space<'_> {
    /// Where the class allows it a pod gets through: by the ENI and by its primary network, and by a raw frame. Pods have
    /// no IPv6 in this cluster, but nothing is refused either.
    pub fn metadata_is_reached(&self, pod: &str) -> anyhow::Result<()> {
        for from in self.sources(pod)? {
            self.connect(pod, METADATA, &from)
                .with_context(|| format!("from {from:?}"))?;
        }
        let v6 = self.connect(pod, METADATA_V6, &[]).err();
        ensure!(
            v6.as_ref().is_none_or(|error| !is_black_hole(error)),
            "refused in IPv6: {v6:?}"
        );
        self.raw(pod).map(drop)
    }

    /// No connection of either family, be it by the ENI or by the primary network, and no answer to a raw frame; gives how
    /// they ended.
    pub fn metadata_is_refused(&self, pod: &str) -> anyhow::Result<String> {
        let mut said = Vec::new();
        let v4 = self.sources(pod)?.into_iter().map(|from| (METADATA, from));
        for (to, from) in v4.chain([(METADATA_V6, Vec::new())]) {
            let error = self.connect(pod, to, &from).err();
            let error = error.with_context(|| format!("connected to {to} from {from:?}"))?;
            ensure!(
                is_black_hole(&error),
                "not the block ended the call of {to} from {from:?}: {error:#}"
            );
            said.push(error.to_string());
        }
        let raw = self.raw(pod).err();
        let raw = raw.context("the metadata service answered a raw frame")?;
        let raw = raw.to_string();
        ensure!(
            raw.contains("did not answer a raw frame") || raw.contains("send on eni0"),
            "the raw probe itself failed: {raw}"
        );
        said.push(raw);
        Ok(said.join("\n"))
    }

    /// Any address, that of the ENI, and that of the primary network, as the probe takes them.
    fn sources(&self, pod: &str) -> anyhow::Result<[Vec<String>; 3]> {
        let primary = self.get("pod", pod)?;
        let primary = primary.pointer("/status/podIP");
        let primary = primary.and_then(serde_json::Value::as_str);
        let primary = primary.with_context(|| format!("pod {pod} has no address"))?;
        let from = |address: &str| vec!["--from".to_owned(), address.to_owned()];
        Ok([Vec::new(), from(&self.eni_address(pod)?), from(primary)])
    }

    fn connect(&self, pod: &str, to: &str, from: &[String]) -> anyhow::Result<String> {
        let from: Vec<&str> = from.iter().map(String::as_str).collect();
        let command = ["/probe", "connect", to, "--timeout", "2"];
        self.exec(pod, &[&command[..], &from].concat())
    }

    fn raw(&self, pod: &str) -> anyhow::Result<String> {
        self.exec(pod, &["/probe", "raw-metadata", "--gateway", "10.0.1.1"])
    }

    /// From now on, until this value goes, counts the packets that come out of an ENI for the instance metadata service.
    pub fn count_metadata(&self, eni: &str) -> anyhow::Result<()> {
        let counted = eni.to_owned();
        self.at_end(move |world: &World| world.forget_metadata(&counted));
        self.world.count_metadata(eni)
    }
}

fn is_black_hole(error: &anyhow::Error) -> bool {
    format!("{error:#}").contains(BLACK_HOLE)
}
