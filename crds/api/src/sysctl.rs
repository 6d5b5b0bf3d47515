//! The kernel's settings of an interface that a class may choose: those that concern the interface alone.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

macro_rules! sysctls {
    ($($range:ident { $($name:ident = $key:literal,)+ })+) => {
        /// A setting of an interface, as `Documentation/networking/ip-sysctl.rst` calls it; IFNAME stands for the interface.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        // Each is its key.
        #[allow(missing_docs)]
        pub enum Sysctl {
            $($(#[serde(rename = $key)] $name,)+)+
        }

        impl Sysctl {
            /// Every setting.
            pub const ALL: &[Self] = &[$($(Self::$name,)+)+];

            /// The setting as the class names it.
            pub fn key(self) -> &'static str {
                match self {
                    $($(Self::$name => $key,)+)+
                }
            }

            /// Which values it takes.
            pub fn range(self) -> Range {
                match self {
                    $($(Self::$name => Range::$range,)+)+
                }
            }
        }
    };
}

sysctls! {
    Switch {
        ArpFilter = "net.ipv4.conf.IFNAME.arp_filter",
        ArpNotify = "net.ipv4.conf.IFNAME.arp_notify",
        ForwardingV4 = "net.ipv4.conf.IFNAME.forwarding",
        LogMartians = "net.ipv4.conf.IFNAME.log_martians",
        PromoteSecondaries = "net.ipv4.conf.IFNAME.promote_secondaries",
        ProxyArp = "net.ipv4.conf.IFNAME.proxy_arp",
        SendRedirects = "net.ipv4.conf.IFNAME.send_redirects",
        SrcValidMark = "net.ipv4.conf.IFNAME.src_valid_mark",
        ForwardingV6 = "net.ipv6.conf.IFNAME.forwarding",
        NdiscNotify = "net.ipv6.conf.IFNAME.ndisc_notify",
        ProxyNdp = "net.ipv6.conf.IFNAME.proxy_ndp",
    }
    Level {
        ArpAccept = "net.ipv4.conf.IFNAME.arp_accept",
        ArpAnnounce = "net.ipv4.conf.IFNAME.arp_announce",
        ArpIgnore = "net.ipv4.conf.IFNAME.arp_ignore",
        RpFilter = "net.ipv4.conf.IFNAME.rp_filter",
        AcceptRa = "net.ipv6.conf.IFNAME.accept_ra",
    }
    Number {
        DelayFirstProbeV4 = "net.ipv4.neigh.IFNAME.delay_first_probe_time",
        GcStaleTimeV4 = "net.ipv4.neigh.IFNAME.gc_stale_time",
        McastSolicitV4 = "net.ipv4.neigh.IFNAME.mcast_solicit",
        UcastSolicitV4 = "net.ipv4.neigh.IFNAME.ucast_solicit",
        UnresQlenBytesV4 = "net.ipv4.neigh.IFNAME.unres_qlen_bytes",
        DelayFirstProbeV6 = "net.ipv6.neigh.IFNAME.delay_first_probe_time",
        GcStaleTimeV6 = "net.ipv6.neigh.IFNAME.gc_stale_time",
        McastSolicitV6 = "net.ipv6.neigh.IFNAME.mcast_solicit",
        UcastSolicitV6 = "net.ipv6.neigh.IFNAME.ucast_solicit",
        UnresQlenBytesV6 = "net.ipv6.neigh.IFNAME.unres_qlen_bytes",
    }
    WholeSeconds {
        BaseReachableTimeV4 = "net.ipv4.neigh.IFNAME.base_reachable_time_ms",
        BaseReachableTimeV6 = "net.ipv6.neigh.IFNAME.base_reachable_time_ms",
    }
}

/// Which values a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Range {
    /// Off or on.
    Switch,
    /// Off, or how much of it.
    Level,
    /// A count or a time.
    Number,
    /// Milliseconds; the kernel keeps them in ticks, and of whole seconds says later what was written.
    WholeSeconds,
}

impl Range {
    const ALL: [Self; 4] = [Self::Switch, Self::Level, Self::Number, Self::WholeSeconds];

    fn pattern(self) -> &'static str {
        match self {
            Self::Switch => "^[01]$",
            Self::Level => "^[012]$",
            Self::Number => "^[1-9][0-9]{0,8}$",
            Self::WholeSeconds => "^[1-9][0-9]{0,5}000$",
        }
    }

    fn message(self) -> &'static str {
        match self {
            Self::Switch => "this setting is \"0\" or \"1\"",
            Self::Level => "this setting is \"0\", \"1\" or \"2\"",
            Self::Number => "this setting is a number from \"1\" to \"999999999\"",
            Self::WholeSeconds => {
                "this setting is whole seconds in milliseconds, for example \"30000\""
            }
        }
    }

    /// What the API server checks of the values of this range.
    fn rule(self) -> Value {
        let keys = keys(
            Sysctl::ALL
                .iter()
                .copied()
                .filter(|one| one.range() == self),
        );
        let pattern = self.pattern();
        json!({
            "rule": format!("self.all(k, !(k in [{keys}]) || self[k].matches('{pattern}'))"),
            "message": self.message(),
        })
    }
}

fn keys(of: impl Iterator<Item = Sysctl>) -> String {
    let keys: Vec<String> = of.map(|one| format!("'{}'", one.key())).collect();
    keys.join(", ")
}

/// The schema of a class's settings.
pub(crate) fn sysctls(_: &mut SchemaGenerator) -> Schema {
    let keys = keys(Sysctl::ALL.iter().copied());
    let mut rules = vec![json!({
        "rule": format!("self.all(k, k in [{keys}])"),
        "message": "a class may set only the settings that kubectl explain eniclass.spec.interface.sysctls lists",
    })];
    rules.extend(Range::ALL.map(Range::rule));
    json_schema!({
        "type": "object", "maxProperties": 32,
        "additionalProperties": { "type": "string", "maxLength": 16 },
        "x-kubernetes-validations": rules,
    })
}
