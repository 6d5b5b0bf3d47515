//! What is set from outside: flags, or the environment.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use api::{cidr, ipnet::IpNet};
use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::SignedDuration;
use operator_core::reserve::Reserve;
use telemetry::log::LogOptions;

use crate::Monitor;

/// Where the chart puts the operator.
const NAMESPACE: &str = "eniclaim-system";
/// Name of the Lease, and of a process that knows no pod name.
const NAME: &str = "eniclaim-operator";
/// Labels that the chart gives the agent's pods.
const AGENT: &str = "app.kubernetes.io/name=eniclaim,app.kubernetes.io/component=agent";
/// A shorter lease is lost by one slow answer; a longer one leaves claims without a leader for as long.
const LEASE: std::ops::RangeInclusive<u64> = 15..=300;

/// Gives pods AWS network interfaces of their own: makes, attaches, detaches and deletes them as `EniClaims` say.
#[derive(Debug, Clone, Parser)]
#[command(name = "eniclaim-operator", version)]
pub struct Flags {
    /// Instead of running the operator.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Name of this cluster in AWS tags; every ENI of ours carries it. Default: the UID of the namespace kube-system.
    #[arg(long, env = "ENICLAIM_CLUSTER_ID", value_parser = cluster_id)]
    pub cluster_id: Option<String>,
    /// Share of EC2's published request rates that this operator may use; the sum over all clusters of an account and
    /// region must stay below 1.
    #[arg(long, env = "ENICLAIM_BUDGET_SHARE", default_value_t = 0.6, value_parser = share)]
    pub budget_share: f64,
    /// Whether ENIs of this cluster that no claim owns are deleted.
    #[arg(long, env = "ENICLAIM_SWEEP", default_value = "on")]
    pub sweep: SweepMode,
    /// How many ENIs of each instance are left to others, its own among them: a number, or Auto for what the AWS VPC CNI is set
    /// to take.
    #[arg(long, env = "ENICLAIM_RESERVE", default_value = "Auto", value_parser = reserve)]
    pub reserve: Reserve,
    /// Networks that pods reach by their first interface though a class has `defaultRoute: Primary`, separated by commas: those of Services
    /// where the API server shows no `ServiceCIDR`, and those of pods where the VPC does not know them.
    #[arg(long, env = "ENICLAIM_CLUSTER_CIDRS", value_delimiter = ',', value_parser = cidr::network)]
    pub cluster_cidrs: Vec<IpNet>,
    /// Label selector of the agent's pods, in the operator's own namespace.
    #[arg(long, env = "ENICLAIM_AGENT_SELECTOR", default_value = AGENT)]
    pub agent_selector: String,
    /// Namespace of the operator: of its Lease, and of the agent's pods.
    #[arg(long, env = "POD_NAMESPACE", default_value = NAMESPACE)]
    pub namespace: String,
    /// Name of the operator's pod, as Events and the Lease show it.
    #[arg(long, env = "POD_NAME", default_value = NAME)]
    pub pod_name: String,
    /// Name of the Lease by which one of several operators leads.
    #[arg(long, env = "ENICLAIM_LEASE_NAME", default_value = NAME)]
    pub lease_name: String,
    /// When a leader has been silent for so long, another operator takes over: 15s to 5m.
    #[arg(long, env = "ENICLAIM_LEASE_DURATION", default_value = "15s", value_parser = lease_duration)]
    pub leader_elect_lease_duration: Duration,
    /// Port of /livez, /readyz and /metrics.
    #[arg(long, env = "ENICLAIM_HTTP_PORT", default_value_t = 8080)]
    pub http_port: u16,
    /// What is logged.
    #[command(flatten)]
    pub log: LogOptions,
}

/// What is done once, by hooks of the chart.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Prove that no ENI of this cluster is left, and take eniclaim off the nodes: what comes before `helm uninstall`.
    Drain(Drain),
    /// Wait until every node that is to have an agent has a ready one: `helm test`.
    Check(Check),
}

/// How to drain.
#[derive(Debug, Clone, Args)]
pub struct Drain {
    /// What becomes of pods that have ENIs or wait for one.
    #[arg(long, default_value = "refuse")]
    pub pods: PodsMode,
    /// How long claims and ENIs may take to go.
    #[arg(long, default_value = "2m", value_parser = span)]
    pub timeout: Duration,
}

/// How to check.
#[derive(Debug, Clone, Args)]
pub struct Check {
    /// How long agents may take.
    #[arg(long, default_value = "1m", value_parser = span)]
    pub timeout: Duration,
}

/// What becomes of pods that have ENIs or wait for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PodsMode {
    /// Nothing is uninstalled.
    Refuse,
    /// Their end is awaited.
    Wait,
    /// They stay as they are, and nobody looks after them any more.
    Abandon,
}

/// What becomes of ENIs of this cluster that no claim owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SweepMode {
    /// They are not looked for.
    Off,
    /// They are reported.
    DryRun,
    /// They are reported and deleted.
    On,
}

/// What [`crate::run`] needs besides its clients.
#[derive(Debug, Clone)]
pub struct Options {
    /// Name of this cluster in AWS tags; none: the UID of kube-system.
    pub cluster_id: Option<String>,
    /// Share of EC2's published request rates, above 0 and at most 1.
    pub budget_share: f64,
    /// What becomes of ENIs of this cluster that no claim owns.
    pub sweep: SweepMode,
    /// How many ENIs of each instance are left to others.
    pub reserve: Reserve,
    /// Networks that pods reach by their first interface, beside those of Services that the API server names.
    pub cluster_cidrs: Vec<IpNet>,
    /// Label selector of the agent's pods in `namespace`.
    pub agent_selector: String,
    /// The operator's own namespace.
    pub namespace: String,
    /// Name of the operator's pod: `reportingInstance` of its Events.
    pub instance: String,
    /// How one of several operators becomes the leader.
    pub lease: LeaseOptions,
    /// Where it reports how it is.
    pub monitor: Monitor,
}

/// How one of several operators becomes the leader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseOptions {
    /// Name of the Lease, in the operator's own namespace.
    pub name: String,
    /// Unique to this process: the next start of the same container has another one.
    pub identity: String,
    /// When the leader has been silent for so long, another operator takes over.
    pub duration: Duration,
}

impl Default for Options {
    /// As without flags, for a process that is alone.
    fn default() -> Self {
        Self {
            cluster_id: None,
            budget_share: 0.6,
            sweep: SweepMode::On,
            reserve: Reserve::Auto,
            cluster_cidrs: Vec::new(),
            agent_selector: AGENT.to_owned(),
            namespace: NAMESPACE.to_owned(),
            instance: NAME.to_owned(),
            lease: LeaseOptions {
                name: NAME.to_owned(),
                identity: "test".to_owned(),
                duration: Duration::from_secs(15),
            },
            monitor: Monitor::default(),
        }
    }
}

impl Options {
    /// As the flags say.
    pub fn new(flags: Flags, monitor: Monitor) -> Self {
        let Flags {
            cluster_id,
            budget_share,
            sweep,
            reserve,
            cluster_cidrs,
            agent_selector,
            namespace,
            pod_name,
            lease_name,
            leader_elect_lease_duration,
            http_port: _,
            log: _,
            command: _,
        } = flags;
        // The keys of a hash map are drawn by the system's random source.
        let random = RandomState::new().hash_one(());
        Self {
            cluster_id,
            budget_share,
            sweep,
            reserve,
            cluster_cidrs,
            agent_selector,
            namespace,
            lease: LeaseOptions {
                name: lease_name,
                identity: format!("{pod_name}_{random:016x}"),
                duration: leader_elect_lease_duration,
            },
            instance: pod_name,
            monitor,
        }
    }
}

/// EC2 expands `*` and `?` in the values of filters, and a backslash there: such a name would find other clusters' ENIs.
fn cluster_id(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._:/=+@-".contains(c);
    if (1..=64).contains(&text.len()) && text.chars().all(plain) {
        Ok(text.to_owned())
    } else {
        Err("a cluster id has 1 to 64 characters out of A-Z a-z 0-9 . _ : / = + @ -".to_owned())
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if share > 0.0 && share <= 1.0 => Ok(share),
        _ => Err("a share is a number above 0 and at most 1".to_owned()),
    }
}

fn reserve(text: &str) -> Result<Reserve, String> {
    let enis = text.parse().ok().filter(|enis| *enis > 0);
    match enis {
        Some(enis) => Ok(Reserve::Enis(enis)),
        None if text.eq_ignore_ascii_case("auto") => Ok(Reserve::Auto),
        None => Err(
            "what is left to others is Auto, or a number of ENIs that counts the instance's own"
                .to_owned(),
        ),
    }
}

/// As Go writes it.
fn span(text: &str) -> Result<Duration, String> {
    let span = text.parse::<SignedDuration>().ok();
    span.and_then(|span| Duration::try_from(span).ok())
        .ok_or_else(|| "a duration is a number and a unit, for example 90s or 2m".to_owned())
}

/// The Lease counts whole seconds.
fn lease_duration(text: &str) -> Result<Duration, String> {
    match span(text).ok() {
        Some(d) if d.subsec_nanos() == 0 && LEASE.contains(&d.as_secs()) => Ok(d),
        _ => Err("a lease lasts whole seconds from 15s to 5m, for example 15s".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(args: &[&str]) -> Result<Flags, clap::Error> {
        Flags::try_parse_from([&["eniclaim-operator"], args].concat())
    }

    #[test]
    fn a_cluster_id_that_ec2_would_expand_is_refused() {
        for good in ["a", "prod.eu-west-1", "team/shop:1=+@x_y", &"x".repeat(64)] {
            assert!(flags(&["--cluster-id", good]).is_ok(), "{good}");
        }
        for bad in ["", "*", "prod?", "a b", r"a\b", "ä", &"x".repeat(65)] {
            let error = flags(&["--cluster-id", bad]).unwrap_err().to_string();
            assert!(error.contains("1 to 64 characters"), "{error}");
        }
    }

    #[test]
    fn networks_are_separated_by_commas_and_have_no_host_bits() {
        let networks =
            |text: &str| flags(&["--cluster-cidrs", text]).map(|flags| flags.cluster_cidrs);
        let two: Vec<IpNet> = ["10.96.0.0/12", "fd00:10:96::/112"]
            .map(|one| cidr::network(one).unwrap())
            .into();
        assert_eq!(networks("10.96.0.0/12,fd00:10:96::/112").unwrap(), two);
        let error = networks("10.96.0.1/12").unwrap_err().to_string();
        assert!(error.contains("without host bits"), "{error}");
    }

    #[test]
    fn shares_and_durations_have_bounds() {
        for (share, fits) in [
            ("0.01", true),
            ("1", true),
            ("0", false),
            ("1.1", false),
            ("NaN", false),
            ("-1", false),
            ("much", false),
        ] {
            let share = format!("--budget-share={share}");
            assert_eq!(flags(&[&share]).is_ok(), fits, "{share}");
        }
        for (duration, fits) in [
            ("15s", true),
            ("1m30s", true),
            ("5m", true),
            ("14s", false),
            ("301s", false),
            ("7500ms", false),
            ("-15s", false),
            ("15", false),
        ] {
            let duration = format!("--leader-elect-lease-duration={duration}");
            assert_eq!(flags(&[&duration]).is_ok(), fits, "{duration}");
        }
    }

    #[test]
    fn what_is_left_to_others_is_a_number_or_found_out() {
        for (text, reserve) in [
            ("Auto", Some(Reserve::Auto)),
            ("auto", Some(Reserve::Auto)),
            ("3", Some(Reserve::Enis(3))),
            ("0", None),
            ("-1", None),
            ("some", None),
        ] {
            let flags = flags(&[&format!("--reserve={text}")]);
            assert_eq!(flags.ok().map(|flags| flags.reserve), reserve, "{text}");
        }
    }

    #[test]
    fn no_two_processes_have_the_same_identity() {
        let identity = || {
            let flags = flags(&["--pod-name=p", "--sweep=dry-run"]).unwrap();
            Options::new(flags, Monitor::default()).lease.identity
        };
        let (one, other) = (identity(), identity());
        assert!(one.starts_with("p_") && one.len() == 18, "{one}");
        assert_ne!(one, other);
    }

    #[test]
    fn the_defaults_are_those_of_the_flags() {
        let Options {
            cluster_id,
            budget_share,
            sweep,
            reserve,
            cluster_cidrs,
            agent_selector,
            namespace,
            instance,
            lease,
            monitor: _,
        } = Options::new(flags(&[]).unwrap(), Monitor::default());
        let default = Options::default();
        assert!((budget_share - default.budget_share).abs() < f64::EPSILON);
        assert_eq!((cluster_id, sweep), (default.cluster_id, default.sweep));
        assert_eq!(reserve, default.reserve);
        assert_eq!(cluster_cidrs, default.cluster_cidrs);
        assert_eq!(agent_selector, default.agent_selector);
        assert_eq!((namespace, instance), (default.namespace, default.instance));
        assert_eq!(
            (lease.name, lease.duration),
            (default.lease.name, default.lease.duration)
        );
    }
}
