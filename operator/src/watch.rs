//! Streams of Kubernetes objects, turned into facts.

mod guarded;
mod served;
mod stream;

use std::{sync::Arc, time::Duration};

use kube::{Api, Client, runtime::watcher::Config};
use operator_core::{Fact, order::About};
use tokio::{sync::mpsc::Sender, task::JoinSet};

use crate::{Options, convert, watch::stream::Stream};

/// The API server ends a watch after this time. One that has not ended a little later runs over a dead connection
/// (kube-runtime, `next_with_idle_timeout`): so that is noticed within a minute.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(45);
/// Objects in one page of a list; so many are held as the API server sent them.
const PAGE: u32 = 500;

/// Starts all watches; each tries again for ever, with back-off.
pub(crate) fn start(
    client: &Client,
    options: &Options,
    facts: &Sender<Fact>,
    watches: &mut JoinSet<()>,
) {
    let every = Config::default()
        .timeout(u32::try_from(TIMEOUT.as_secs()).unwrap_or(u32::MAX))
        .page_size(PAGE);
    pods(client, options, &every, facts, watches);
    cluster(client, &every, facts, watches);
    ours(client, &every, facts, watches);
    neighbours(client, &every, facts, watches);
}

fn pods(
    client: &Client,
    options: &Options,
    every: &Config,
    facts: &Sender<Fact>,
    watches: &mut JoinSet<()>,
) {
    let asking = Stream {
        fact: Fact::Pods,
        key: |pod| convert::key_of(pod),
        convert: |pod| convert::pod(&pod),
        about: |key, uid| Some(About::Pod(key, uid.into())),
    };
    let labelled = every.clone().labels(api::name::CLASS);
    watches.spawn(asking.follow(Api::all(client.clone()), labelled, facts.clone()));

    let agents = Stream {
        fact: Fact::AgentPods,
        key: |pod| convert::key_of(pod),
        convert: |pod| convert::agent_pod(&pod),
        about: |key, uid| Some(About::Pod(key, uid.into())),
    };
    let namespace = Api::namespaced(client.clone(), &options.namespace);
    let selected = every.clone().labels(&options.agent_selector);
    watches.spawn(agents.follow(namespace, selected, facts.clone()));
}

fn cluster(client: &Client, every: &Config, facts: &Sender<Fact>, watches: &mut JoinSet<()>) {
    let nodes = Stream {
        fact: Fact::Nodes,
        key: |node| convert::name_of(node),
        convert: |node| convert::node(&node),
        about: |key, uid| Some(About::Node(key.name.clone().into(), uid.into())),
    };
    watches.spawn(nodes.follow(Api::all(client.clone()), every.clone(), facts.clone()));

    let namespaces = Stream {
        fact: Fact::Namespaces,
        key: |namespace| convert::name_of(namespace),
        convert: |namespace| convert::namespace(&namespace),
        about: |_, _| None,
    };
    watches.spawn(namespaces.follow(Api::all(client.clone()), every.clone(), facts.clone()));

    // Kubernetes 1.33 and later serve them.
    let services = Stream {
        fact: Fact::ServiceCidrs,
        key: |service| convert::name_of(service),
        convert: |service| convert::service_cidr(&service),
        about: |_, _| None,
    };
    let all = Api::all(client.clone());
    watches.spawn(services.follow_where_served(all, every.clone(), facts.clone()));
}

fn ours(client: &Client, every: &Config, facts: &Sender<Fact>, watches: &mut JoinSet<()>) {
    let classes = Stream {
        fact: Fact::Classes,
        key: |class| convert::name_of(class),
        convert: convert::class,
        about: |key, uid| Some(About::Class(key.name.clone().into(), uid)),
    };
    watches.spawn(classes.follow(Api::all(client.clone()), every.clone(), facts.clone()));

    let claims = Stream {
        fact: Fact::Claims,
        key: |claim| convert::claim_id(claim),
        convert: |claim| convert::claim(claim).map(Arc::new),
        about: |key, uid| Some(About::Claim(key, uid.into())),
    };
    watches.spawn(claims.follow(Api::all(client.clone()), every.clone(), facts.clone()));

    let reports = Stream {
        fact: Fact::Reports,
        key: |report| convert::name_of(report),
        convert: convert::report,
        about: |key, uid| Some(About::Report(key.name.clone().into(), uid)),
    };
    watches.spawn(reports.follow(Api::all(client.clone()), every.clone(), facts.clone()));
}

fn neighbours(client: &Client, every: &Config, facts: &Sender<Fact>, watches: &mut JoinSet<()>) {
    let cni = Stream {
        fact: Fact::VpcCni,
        key: |set| convert::key_of(set),
        convert: |set| convert::vpc_cni(&set),
        about: |_, _| None,
    };
    let namespace = Api::namespaced(client.clone(), convert::KUBE_SYSTEM);
    let named = every
        .clone()
        .fields(&format!("metadata.name={}", convert::AWS_NODE));
    watches.spawn(cni.follow_where_served(namespace, named, facts.clone()));

    let nodes = Stream {
        fact: Fact::CniNodes,
        key: |node| convert::name_of(node),
        convert: |node: convert::CniNode| convert::cni_node(&node),
        about: |_, _| None,
    };
    let all = Api::all(client.clone());
    watches.spawn(nodes.follow_where_served(all, every.clone(), facts.clone()));
}
