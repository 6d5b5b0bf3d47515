//! A pod that talks over its ENIs all the time, and how it fares.

use std::collections::BTreeSet;

use anyhow::{Context, bail, ensure};
use cluster::Background;

use super::{PEER, PEER_V6, PORT, SOON, Space, World};

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
        let traffic = self.tries(pod, address, peer(address))?;
        self.world
            .wait("traffic", SOON, || Ok(traffic.answered()? > 5))?;
        Ok(traffic)
    }

    /// Lets a pod try to reach a probe from one of its addresses, again and again, whether anything answers or not.
    pub fn tries(&self, pod: &str, address: &str, probe: &str) -> anyhow::Result<Traffic> {
        let target = serving(probe);
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

/// Where the peer serves in the family of an address.
pub fn peer_of(address: &str) -> String {
    serving(peer(address))
}

/// The peer's address in the family of another one.
fn peer(address: &str) -> &'static str {
    if address.contains(':') { PEER_V6 } else { PEER }
}

/// Where a probe serves, by its address.
pub fn serving(probe: &str) -> String {
    if probe.contains(':') {
        format!("[{probe}]:{PORT}")
    } else {
        format!("{probe}:{PORT}")
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

/// Numbered packets from addresses of a pod to the peer, twenty a second from each; the peer sends each back.
pub struct Packets {
    watch: Background,
    from: Vec<String>,
}

impl Space<'_> {
    /// Lets a pod send packets from these addresses, and waits until they come back.
    pub fn packets(&self, pod: &str, from: Vec<String>) -> anyhow::Result<Packets> {
        let ping = |from: &String| {
            let peer = peer(from);
            let busybox = "/bin/busybox ping -i 0.05";
            format!(
                "{busybox} -I {from} {peer} | while read -r line; do echo \"{from} $line\"; done &"
            )
        };
        let script = from.iter().map(ping).collect::<String>() + "wait";
        let exec = ["exec", pod, "--", "/bin/sh", "-c", &script];
        let watch = self.world.cluster.kubectl_spawn(
            &format!("packets-{}-{pod}", self.name()),
            &[&["-n", self.name()][..], &exec].concat(),
        )?;
        let packets = Packets { watch, from };
        packets.go_on(self.world)?;
        Ok(packets)
    }
}

impl Packets {
    /// Waits until some more have come back to each address, and all of those before; an error when one was lost.
    pub fn go_on(&self, world: &World) -> anyhow::Result<()> {
        let before = self.returned().unwrap_or_default();
        world.wait("packets to come back", SOON, || {
            let now = self.returned()?;
            let more = |(n, now): (usize, &usize)| *now > before.get(n).unwrap_or(&0) + 20;
            Ok(now.iter().enumerate().all(more))
        })
    }

    /// How many have come back to each address; an error when a later one did and an earlier one did not.
    fn returned(&self) -> anyhow::Result<Vec<usize>> {
        let said = self.watch.output()?;
        let returned = self.from.iter().map(|from| without_gap(&said, from));
        returned.collect()
    }

    /// Ends it after some more packets; gives how many came back in all. None was lost.
    pub fn end(self, world: &World) -> anyhow::Result<usize> {
        self.go_on(world)?;
        let returned = self.returned()?;
        self.watch.end()?;
        Ok(returned.iter().sum())
    }
}

/// How many packets of an address came back, in what its ping has said after the address.
fn without_gap(said: &str, from: &str) -> anyhow::Result<usize> {
    let mut numbers = BTreeSet::new();
    for line in said.lines() {
        let words = line
            .strip_prefix(from)
            .and_then(|rest| rest.strip_prefix(' '));
        // 64 bytes from 10.0.0.20: seq=7 ttl=63 time=0.085 ms
        let number = words.and_then(|words| words.split_once(" seq=")?.1.split(' ').next());
        if let Some(number) = number {
            numbers.insert(number.parse::<usize>().with_context(|| line.to_owned())?);
        }
    }
    let sent = numbers.last().map_or(0, |last| last + 1);
    let lost: Vec<usize> = (0..sent).filter(|n| !numbers.contains(n)).collect();
    ensure!(
        lost.is_empty(),
        "from {from}: of {sent} packets {lost:?} did not come back"
    );
    Ok(sent)
}

#[cfg(test)]
mod tests {
    use super::without_gap;

    #[test]
    fn a_packet_that_did_not_come_back_is_missed() {
        let line = |from: &str, seq: u32| {
            format!("{from} 64 bytes from 10.0.0.20: seq={seq} ttl=63 time=0.1 ms\n")
        };
        let said = format!(
            "10.0.1.5 PING 10.0.0.20 (10.0.0.20) from 10.0.1.5: 56 data bytes\n{}{}{}",
            line("10.0.1.5", 0),
            line("10.0.1.50", 0),
            line("10.0.1.5", 1)
        );
        assert_eq!(without_gap(&said, "10.0.1.5").unwrap(), 2);
        assert_eq!(without_gap(&said, "10.0.1.50").unwrap(), 1);
        assert_eq!(without_gap(&said, "10.0.1.6").unwrap(), 0);
        let lost = said + &line("10.0.1.5", 3);
        let error = without_gap(&lost, "10.0.1.5").unwrap_err().to_string();
        assert_eq!(error, "from 10.0.1.5: of 4 packets [2] did not come back");
        let late = lost + &line("10.0.1.5", 2);
        assert_eq!(without_gap(&late, "10.0.1.5").unwrap(), 4);
    }
}
