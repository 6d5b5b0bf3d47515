//! Random scripts: whatever people, accidents and faults do, no invariant breaks, and without faults all comes to rest.

use std::env;

use kube_api::json::{at, text};
use serde_json::{Value, json};
use tokio::time::{Duration, sleep};
use vpc::{Eni, world as aws};

use super::{
    actors::Agent,
    faults::Faults,
    story::{rests, tell},
    users::SHOP,
    world::{State, World},
};

/// Something that happens, and how often compared with the others.
type Act = (u64, &'static str, fn(&mut State));

/// How many items a page of EC2 holds, with an empty page after each; `None` fills pages.
const PAGES: [Option<usize>; 4] = [None, Some(1), Some(2), Some(5)];

/// What users do all day.
const WORK: &[Act] = &[
    (8, "make a pod", make_a_pod),
    (5, "delete a pod", |state| {
        with_a_pod(state, State::delete_pod)
    }),
    (2, "delete a pod by force", |state| {
        with_a_pod(state, State::force_delete_pod)
    }),
];

/// What users should not do, and may.
const MISCHIEF: &[Act] = &[
    (2, "delete a claim", delete_a_claim),
    (1, "make a claim for the same owner", make_a_second_claim),
    (1, "take a pod's label", take_a_label),
    (1, "take a class's namespaces", |state| {
        select(state, Value::Null)
    }),
    (2, "give a class all namespaces", |state| {
        select(state, json!({}))
    }),
    (1, "detach an ENI in EC2", detach_an_eni),
    (1, "delete an ENI in EC2", delete_an_eni),
    (2, "edit a class's groups", edit_groups),
    (2, "change an ENI's groups in EC2", change_groups),
];

/// What happens to nodes and agents.
const ACCIDENTS: &[Act] = &[
    (2, "an agent goes", |state| {
        set_an_agent(
            state,
            Agent {
                away: true,
                delay: 0,
            },
        )
    }),
    (2, "an agent is slow", |state| {
        set_an_agent(
            state,
            Agent {
                away: false,
                delay: 20_000,
            },
        )
    }),
    (4, "an agent is as it should be", |state| {
        set_an_agent(state, Agent::default())
    }),
    (1, "a kubelet restarts", |state| {
        with_a_node(state, State::restart_kubelet)
    }),
    (1, "an instance is terminated", |state| {
        with_a_node(state, State::terminate)
    }),
    (1, "a node is replaced under its name", |state| {
        with_a_node(state, State::replace_node)
    }),
    (1, "a report is deleted", delete_a_report),
];

/// What happens to the API server.
const SERVER: &[Act] = &[(1, "old versions are forgotten", |state| state.api.compact())];

fn make_a_pod(state: &mut State) {
    let name = format!("p{}", state.roll(1_000_000));
    if state.all("pods").count() < 8 {
        state.make_pod(&name, "app");
    }
}

fn name_of_a(state: &mut State, plural: &str, namespace: &str) -> Option<String> {
    let within = |object: &&Value| text(object, "metadata.namespace") == namespace;
    let objects = state.all(plural).filter(within);
    let names: Vec<String> = objects
        .map(|o| text(o, "metadata.name").to_owned())
        .collect();
    let at = state.roll(names.len().max(1) as u64);
    names.get(usize::try_from(at).unwrap()).cloned()
}

fn with_a_pod(state: &mut State, act: fn(&mut State, &str)) {
    if let Some(name) = name_of_a(state, "pods", SHOP) {
        act(state, &name);
    }
}

fn with_a_node(state: &mut State, act: fn(&mut State, &str)) {
    if let Some(name) = name_of_a(state, "nodes", "") {
        act(state, &name);
    }
}

fn set_an_agent(state: &mut State, agent: Agent) {
    if let Some(name) = name_of_a(state, "nodes", "") {
        state.set_agent(&name, agent);
    }
}

fn delete_a_claim(state: &mut State) {
    if let Some(name) = name_of_a(state, "eniclaims", SHOP) {
        state.delete_claim(&name);
    }
}

fn make_a_second_claim(state: &mut State) {
    let Some(pod) = name_of_a(state, "pods", SHOP) else {
        return;
    };
    let mut pods = state.all("pods");
    let uid = pods
        .find(|p| text(p, "metadata.name") == pod)
        .map(|p| text(p, "metadata.uid").to_owned());
    drop(pods);
    state.make_claim(
        &format!("{pod}-again"),
        "app",
        &pod,
        &uid.unwrap_or_default(),
    );
}

fn take_a_label(state: &mut State) {
    if let Some(pod) = name_of_a(state, "pods", SHOP) {
        state.label("pods", SHOP, &pod, crds::CLASS, Value::Null);
    }
}

/// One of the ENIs of pods that fit.
fn an_eni(state: &mut State, fits: fn(&Eni) -> bool) -> Option<Eni> {
    let made = |eni: &&Eni| eni.tags.contains_key(crds::tag::CLAIM_UID) && fits(eni);
    let enis: Vec<Eni> = state.vpc.enis().filter(made).cloned().collect();
    let at = state.roll(enis.len().max(1) as u64);
    enis.get(usize::try_from(at).unwrap()).cloned()
}

/// Another client of EC2 takes the device from its node, and from the pod that has it.
fn detach_an_eni(state: &mut State) {
    let eni = an_eni(state, |eni| eni.attachment().is_some());
    let Some(id) = eni.and_then(|eni| eni.attachment().map(|a| a.id.clone())) else {
        return;
    };
    let now = state.now();
    let detach = vpc::Request::DetachNetworkInterface(vpc::Detach::from(id.clone()));
    // Refused while it is on its way there or back.
    if state.vpc.call(detach, now).is_ok() {
        state.actors.devices.remove(id.as_str());
    }
}

/// Another client of EC2 deletes an ENI that is attached nowhere.
fn delete_an_eni(state: &mut State) {
    if let Some(eni) = an_eni(state, |eni| eni.attachment().is_none()) {
        let now = state.now();
        let _ = state
            .vpc
            .call(vpc::Request::DeleteNetworkInterface(eni.id), now);
    }
}

fn a_group(state: &mut State) -> &'static str {
    let groups = [aws::GROUP_APP, aws::GROUP_DEFAULT, "sg-0123456789abcdef0"];
    groups[usize::try_from(state.roll(3)).unwrap()]
}

fn edit_groups(state: &mut State) {
    let group = a_group(state);
    state.set_groups("app", &[group]);
}

/// Another client of EC2 changes the groups of an ENI.
fn change_groups(state: &mut State) {
    if let Some(eni) = an_eni(state, |_| true) {
        let change = vpc::Change::Groups([aws::GROUP_PEER.into()].into());
        let now = state.now();
        let request = vpc::Request::ModifyNetworkInterfaceAttribute(eni.id, change);
        let _ = state.vpc.call(request, now);
    }
}

fn select(state: &mut State, namespaces: Value) {
    state.patch(
        "eniclasses",
        "",
        "app",
        json!({ "spec": { "namespaceSelector": namespaces } }),
    );
}

fn delete_a_report(state: &mut State) {
    if let Some(name) = name_of_a(state, "eninodes", "") {
        let id = kube_api::Id::new("eninodes.eniclaim.io", "", &name);
        state.delete(&id);
    }
}

/// Anything goes for a while; then nothing goes wrong any more, every pod runs, all go, and nothing moves.
async fn script(world: &World, acts: Vec<Act>, faults: Faults) {
    world.with(|state| {
        state.faults = faults;
        let at = usize::try_from(state.roll(PAGES.len() as u64)).unwrap();
        state.vpc.settings.page_items = PAGES[at];
    });
    let sum = acts.iter().map(|(weight, ..)| weight).sum();
    for _ in 0..40 {
        let pause = world.lock().roll(10_000);
        sleep(Duration::from_millis(pause)).await;
        world.with(|state| {
            let mut at = state.roll(sum);
            for (weight, what, act) in &acts {
                if at < *weight {
                    state.note(&format!("* {what}"), "");
                    return act(state);
                }
                at -= weight;
            }
        });
    }
    world.with(|state| {
        state.note("* no more faults", "");
        state.faults = Faults::default();
        select(state, json!({}));
        state.set_groups("app", &[aws::GROUP_APP]);
        let correct = json!({ "spec": { "driftPolicy": "Correct" } });
        state.patch("eniclasses", "", "app", correct);
        for node in ["n1", "n2"] {
            state.set_agent(node, Agent::default());
            if !state.is_alive(node) {
                state.replace_node(node);
            }
        }
    });
    world
        .until("each pod on its node", |state| state.all("pods").all(runs))
        .await;
    world
        .until("each ENI has the groups of its class", State::groups_follow)
        .await;
    // Instances are read every five minutes: what somebody else took from one changes its node's report only then.
    sleep(Duration::from_mins(6)).await;
    world.with(|state| {
        let names = state
            .all("pods")
            .filter(|p| text(p, "metadata.namespace") == SHOP);
        let names: Vec<String> = names.map(|p| text(p, "metadata.name").to_owned()).collect();
        for name in names {
            state.delete_pod(&name);
        }
    });
    rests(world).await;
}

/// Whether a pod runs, or cannot: without a node for want of slots, or because it goes.
fn runs(pod: &Value) -> bool {
    text(pod, "status.phase") == "Running"
        || at(pod, "spec.nodeName").is_null()
        // Who takes the label from a pod that did not start yet takes its interface.
        || at(pod, "metadata.labels").get(crds::CLASS).is_none()
}

/// As many seeds as `ENICLAIM_SEEDS` says, beginning with `ENICLAIM_SEED`.
pub fn seeds(otherwise: u64) -> std::ops::Range<u64> {
    let read = |name: &str| env::var(name).ok().and_then(|n| n.parse::<u64>().ok());
    let first = read("ENICLAIM_SEED").unwrap_or(1);
    first..first + read("ENICLAIM_SEEDS").unwrap_or(otherwise)
}

fn run(acts: &[&[Act]], faults: Faults) {
    let mut later_pages = 0;
    for seed in seeds(5) {
        let acts = acts.concat();
        println!("seed {seed}");
        later_pages += tell(seed, async move |world| {
            script(world, acts, faults).await;
            world.lock().later_pages
        });
    }
    // One seed alone may have full pages.
    let few = seeds(5).count() < PAGES.len();
    assert!(few || later_pages > 0, "no page went on");
}

#[test]
fn work_without_faults_converges_and_rests() {
    run(&[WORK], Faults::default());
}

/// Cases: A03.
#[test]
fn work_under_faults_converges_and_rests() {
    run(&[WORK, SERVER], Faults::swarm());
}

#[test]
fn mischief_under_faults_converges_and_rests() {
    run(&[WORK, SERVER, MISCHIEF], Faults::swarm());
}

#[test]
fn accidents_under_faults_converge_and_rest() {
    run(&[WORK, SERVER, ACCIDENTS], Faults::swarm());
}

#[test]
fn everything_at_once_converges_and_rests() {
    run(&[WORK, SERVER, MISCHIEF, ACCIDENTS], Faults::swarm());
}

#[test]
fn versions_that_go_back_are_survived() {
    for seed in seeds(5) {
        tell(seed, async |world| {
            world.with(|state| state.make_pod("a", "app"));
            world
                .until("a is Ready", |state| state.phase("a") == "Ready")
                .await;
            world.with(|state| state.make_pod("b", "app"));
            // Claims that the backup does not know would leave their interfaces to nobody.
            world
                .until("b's ENI", |state| state.vpc.leaks().count() == 2)
                .await;
            let pause = world.lock().roll(5_000);
            sleep(Duration::from_millis(pause)).await;
            let backup = world.lock().api.snapshot();
            world.with(|state| state.delete_pod("a"));
            let pause = world.lock().roll(40_000);
            sleep(Duration::from_millis(pause)).await;
            world.with(|state| state.restore(backup));
            // Who restores a backup starts again what watches: a version from the future waits for ever.
            world.crash();
            sleep(Duration::from_mins(3)).await;
            world.with(|state| {
                state.delete_pod("a");
                state.delete_pod("b");
            });
            rests(world).await;
        });
    }
}
