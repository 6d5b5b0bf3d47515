//! A pod that talks over its ENI all the time, and how it fares.

use anyhow::{Context, bail, ensure};
use cluster::Background;

use super::{PEER, PORT, SOON, Space};

/// One new connection after the other, each from an address of the ENI.
pub struct Traffic {
    watch: Background,
}

impl Space<'_> {
    /// Lets a pod talk over its ENI, and waits until it does.
    pub fn traffic(&self, pod: &str) -> anyhow::Result<Traffic> {
        self.traffic_from(pod, &self.eni_address(pod)?)
    }

    /// The same from one of its addresses.
    pub fn traffic_from(&self, pod: &str, address: &str) -> anyhow::Result<Traffic> {
        let traffic = self.tries(pod, address, PEER)?;
        self.world
            .wait("traffic", SOON, || Ok(traffic.answered()? > 5))?;
        Ok(traffic)
    }

    /// Lets a pod try to reach a probe from one of its addresses, again and again, whether anything answers or not.
    pub fn tries(&self, pod: &str, address: &str, probe: &str) -> anyhow::Result<Traffic> {
        let target = format!("{probe}:{PORT}");
        let watch = self.world.cluster.kubectl_spawn(
            &format!("traffic-{}-{pod}-{address}-{probe}", self.name()),
            &[
                "-n",
                self.name(),
                "exec",
                pod,
                "--",
                "/probe",
                "watch",
                &target,
                "--from",
                address,
            ],
        )?;
        Ok(Traffic { watch })
    }
}

impl Traffic {
    /// How many connections were answered; an error when one failed.
    pub fn answered(&self) -> anyhow::Result<usize> {
        let said = self.watch.output()?;
        let failed: Vec<_> = said.lines().filter(|line| is_failure(line)).collect();
        ensure!(failed.is_empty(), "connections failed: {failed:?}");
        Ok(said.lines().filter(|line| *line == "ok").count())
    }

    /// How many connections failed.
    pub fn failed(&self) -> anyhow::Result<usize> {
        let said = self.watch.output()?;
        Ok(said.lines().filter(|line| is_failure(line)).count())
    }

    /// Whether the last connection was answered; none before the first was tried.
    pub fn is_answered(&self) -> anyhow::Result<Option<bool>> {
        let said = self.watch.output()?;
        // The last line may be half written.
        let whole = said.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let mut tried = whole.lines().rev();
        Ok(tried.find_map(|line| match line {
            "ok" => Some(true),
            line => is_failure(line).then_some(false),
        }))
    }

    /// Ends it.
    pub fn end(self) -> anyhow::Result<()> {
        Ok(self.watch.end()?)
    }
}

fn is_failure(line: &str) -> bool {
    line.starts_with("failed")
}

impl Space<'_> {
    /// How many TCP segments of a pod were retransmitted since its namespace was made.
    pub fn retransmitted(&self, pod: &str) -> anyhow::Result<u64> {
        let said = self.exec(pod, &["/bin/busybox", "grep", "Tcp:", "/proc/net/snmp"])?;
        let mut rows = said.lines().map(|line| line.split_whitespace());
        let (Some(names), Some(values)) = (rows.next(), rows.next()) else {
            bail!("no counters of TCP: {said}");
        };
        let found = names.zip(values).find(|(name, _)| *name == "RetransSegs");
        let count = found.and_then(|(_, value)| value.parse().ok());
        count.with_context(|| format!("no RetransSegs: {said}"))
    }
}
