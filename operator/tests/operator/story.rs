//! Stories: each is a short function of a world, told by a seed, with a crash after each effect, and twice.

use std::{collections::BTreeMap, env, process::Command, thread};

use kube_api::json::{at, text};
use serde_json::Value;
use tokio::time::{Duration, sleep};
use vpc::world as aws;

use super::{
    actors, lasting,
    random::seeds,
    world::{State, World, kinds},
};

/// All that the operator changes while two nodes come up and a pod comes and goes. Of the writes eight are for the nodes,
/// one is for the class, and eleven for the pod: its claim is made, gets five statuses (bound, made, attaching, ready, released) and loses its
/// finalizer, the pod gets its addresses and its condition, and its node's report is brought up to date twice. With two of
/// the agent and the deletion of the claim a pod's life has fourteen.
const ORDINARY_LIFE: &[(&str, usize)] = &[
    ("AttachNetworkInterface", 1),
    ("CreateNetworkInterface", 1),
    ("DeleteNetworkInterface", 1),
    ("DetachNetworkInterface", 1),
    // `DeleteOnTermination`
    ("ModifyNetworkInterfaceAttribute", 1),
    ("PATCH eniclaims", 1),
    ("PATCH eniclaims/status", 5),
    ("PATCH eniclasses/status", 1),
    ("PATCH eninodes/status", 2 + 2),
    ("PATCH nodes", 2),
    ("PATCH nodes/status", 2),
    // What is on the pod: its addresses, and that it is ready.
    ("PATCH pods/status", 2),
    ("POST eniclaims", 1),
    ("POST eninodes", 2),
];
/// How much more there may be when the operator ended after one of these: what it did not hear of is looked at again, and
/// some of it is written again; a pod that comes meanwhile may say once that it waits.
const AGAIN: usize = 4;

/// What is left of a story once it was told.
struct Told {
    hash: u64,
    effects: Vec<String>,
    events: Vec<String>,
}

/// Tells a story of the operator on a thread of its own, whose time and randomness follow from the seed.
pub fn tell<T: Send + 'static>(
    seed: u64,
    story: impl AsyncFnOnce(&World) -> T + Send + 'static,
) -> T {
    tell_with(seed, World::operate, story)
}

/// Tells a story in a world in which `operators` run for ever.
pub fn tell_with<T: Send + 'static>(
    seed: u64,
    operators: impl AsyncFnOnce(World) + Send + 'static,
    story: impl AsyncFnOnce(&World) -> T + Send + 'static,
) -> T {
    // Compiled before the thread's randomness is taken from the seed.
    kinds();
    let run = move || {
        determinism::begin(seed);
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let world = World::new(seed);
            world.lock().seed();
            tokio::select! {
                biased;
                () = world.judged() => unreachable!(),
                () = operators(world.clone()) => unreachable!(),
                () = actors::act(world.clone()) => unreachable!(),
                told = story(&world) => {
                    assert_eq!(world.lock().vpc.violations(), [], "rules of EC2");
                    told
                }
            }
        })
    };
    match thread::Builder::new()
        .name(format!("seed {seed}"))
        .spawn(run)
        .unwrap()
        .join()
    {
        Ok(told) => told,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Once everything came to its end: nothing is left, the slots are free again, and nothing moves any more.
pub async fn rests(world: &World) {
    rests_for(world, Duration::from_mins(10)).await;
}

pub async fn rests_for(world: &World, span: Duration) {
    world
        .until("the end", |state| {
            state.all("eniclaims").count() == 0 && state.vpc.leaks().count() == 0
        })
        .await;
    // A watch that fell silent is noticed within a minute, a report may wait for half of one.
    sleep(Duration::from_mins(2)).await;
    let calm = world.lock().effects.len();
    sleep(span).await;
    let state = world.lock();
    assert_eq!(
        state.effects[calm..],
        [] as [String; 0],
        "it does not rest\n{}",
        state.tail()
    );
}

async fn a_pod_comes_and_goes(world: &World, span: Duration) {
    sleep(Duration::from_secs(2)).await;
    world.with(|state| state.make_pod("web", "app"));
    world
        .until("Ready", |state| state.phase("web") == "Ready")
        .await;
    assert_eq!(world.lock().vpc.leaks().count(), 1, "one ENI");
    world
        .until("the class says that it is Ready", |state| {
            state.all("eniclasses").all(is_ready)
        })
        .await;
    world
        .until("DeleteOnTermination", |state| {
            let marked = |eni: &vpc::Eni| eni.attachment().is_some_and(|a| a.delete_on_termination);
            state.vpc.leaks().all(marked)
        })
        .await;
    world.with(|state| state.delete_pod("web"));
    rests_for(world, span).await;
}

/// Whether the object's condition Ready is True, as observed of its present generation.
fn is_ready(object: &Value) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    let mut ready = conditions.into_iter().flatten();
    let generation = &object["metadata"]["generation"];
    ready.any(|c| {
        c["type"] == "Ready" && c["status"] == "True" && c["observedGeneration"] == *generation
    })
}

async fn two_pods_move_on(world: &World, span: Duration) {
    world.with(|state| {
        state.make_pod("a", "app");
        state.make_pod("b", "app");
    });
    world
        .until("a is Ready", |state| state.phase("a") == "Ready")
        .await;
    world.with(|state| state.delete_pod("a"));
    world
        .until("b is Ready", |state| state.phase("b") == "Ready")
        .await;
    world.with(|state| state.make_pod("c", "app"));
    world
        .until("c is Ready", |state| state.phase("c") == "Ready")
        .await;
    world.with(|state| {
        state.delete_pod("b");
        state.delete_pod("c");
    });
    rests_for(world, span).await;
}

async fn a_class_changes_its_groups(world: &World, span: Duration) {
    world.with(|state| {
        state.make_pod("a", "app");
        state.make_pod("b", "app");
    });
    world
        .until("both are Ready", |state| {
            state.phase("a") == "Ready" && state.phase("b") == "Ready"
        })
        .await;
    world.with(|state| state.set_groups("app", &[aws::GROUP_DEFAULT, aws::GROUP_PEER]));
    world
        .until("their ENIs have the groups", State::groups_follow)
        .await;
    world.with(|state| {
        state.delete_pod("a");
        state.delete_pod("b");
    });
    rests_for(world, span).await;
}

async fn a_pod_goes_before_it_is_ready(world: &World, span: Duration) {
    world.with(|state| state.make_pod("web", "app"));
    world
        .until("an ENI", |state| state.vpc.leaks().count() == 1)
        .await;
    world.with(|state| state.delete_pod("web"));
    rests_for(world, span).await;
}

/// Tells one of the stories; afterwards the operator's effects are those of it alone.
fn told(seed: u64, crash_after: Option<usize>, story: usize) -> Told {
    tell(seed, async move |world| {
        world.lock().crash_after = crash_after;
        // Each of many runs rests for less.
        let span = Duration::from_mins(if crash_after.is_some() { 2 } else { 10 });
        match story {
            0 => a_pod_comes_and_goes(world, span).await,
            1 => two_pods_move_on(world, span).await,
            2 => a_class_changes_its_groups(world, span).await,
            3 => lasting::moves(world, span).await,
            4 => lasting::outlives_its_node(world, span).await,
            _ => a_pod_goes_before_it_is_ready(world, span).await,
        }
        let state = world.lock();
        let published = |node: &Value| {
            at(node, "status.allocatable")
                .get(crds::RESOURCE)
                .is_some_and(|n| n == "2")
        };
        assert!(state.all("nodes").all(published), "slots are free again");
        let events = state
            .all("events")
            .chain(state.api.all("events.events.k8s.io"));
        let event = |event: &Value| {
            let about = [
                text(event, "regarding.kind"),
                text(event, "involvedObject.kind"),
            ]
            .concat();
            format!("{about} {}", text(event, "reason"))
        };
        Told {
            hash: state.hash(),
            effects: state.effects.clone(),
            events: events.map(event).collect(),
        }
    })
}

/// Cases: A01.
#[test]
fn a_pod_comes_and_goes_and_leaves_nothing() {
    let Told {
        effects, events, ..
    } = told(1, None, 0);
    let mut counts = BTreeMap::<&str, usize>::new();
    for effect in &effects {
        *counts.entry(effect).or_default() += 1;
    }
    assert_eq!(counts, ORDINARY_LIFE.iter().copied().collect());
    assert_eq!(
        events,
        [] as [String; 0],
        "an ordinary life is worth no Event"
    );
}

/// A region of 25 small nodes: the last ENI of fifty has the groups ten seconds after the class was edited.
#[test]
fn fifty_pods_follow_their_class_within_ten_seconds() {
    tell(1, async |world| {
        world.with(|state| {
            for n in 3..=25 {
                state.add_node(&format!("n{n}"));
            }
        });
        sleep(Duration::from_mins(1)).await;
        world.with(|state| (0..50).for_each(|n| state.make_pod(&format!("p{n}"), "app")));
        world
            .until("all are Ready", |state| ready(state) == 50)
            .await;
        sleep(Duration::from_mins(1)).await;
        let calls = calls(&world.lock().effects);
        let writes = class_writes(&world.lock().effects);
        world.with(|state| state.set_groups("app", &[aws::GROUP_APP, aws::GROUP_PEER]));
        let edited = world.lock().elapsed();
        world
            .until("the class says that it has begun", |state| {
                let said = rollout(state);
                at(said, "total") == 50 && at(said, "updated").as_u64() < Some(50)
            })
            .await;
        world.until("all follow", State::groups_follow).await;
        let took = world.lock().elapsed() - edited;
        assert!(took <= 10_000, "{took} ms");
        world
            .until("the class says no more of it", |state| {
                rollout(state).is_null()
            })
            .await;
        let written = class_writes(&world.lock().effects) - writes;
        assert!(written <= 4, "{written} writes of the class");
        assert_eq!(self::calls(&world.lock().effects), calls + 50);
        assert_eq!(ready(&world.lock()), 50);
    });
}

/// Cases: A06.
#[test]
fn a_crash_after_each_effect_converges() {
    thread::scope(|scope| {
        for story in 0..6 {
            scope.spawn(move || seeds(1).for_each(|seed| crash_after_each_effect(seed, story)));
        }
    });
}

fn crash_after_each_effect(seed: u64, story: usize) {
    let plain = told(seed, None, story).effects;
    for n in 1..=plain.len() {
        let again = told(seed, Some(n), story).effects;
        assert!(
            again.len() <= plain.len() + AGAIN && calls(&again) <= calls(&plain) + 1,
            "story {story}, seed {seed}, crash after effect {n}: {plain:#?}, then {again:#?}"
        );
    }
}

/// How many claims are Ready.
fn ready(state: &State) -> usize {
    let claims = state.all("eniclaims");
    claims
        .filter(|claim| text(claim, "status.phase") == "Ready")
        .count()
}

/// What the class says of its rollout.
fn rollout(state: &State) -> &Value {
    let class = state.all("eniclasses").next();
    class.map_or(&Value::Null, |class| at(class, "status.rollout"))
}

fn class_writes(effects: &[String]) -> usize {
    let writes = effects.iter();
    writes.filter(|e| *e == "PATCH eniclasses/status").count()
}

/// How many of the effects are changes of EC2; writes of Kubernetes name their resource.
fn calls(effects: &[String]) -> usize {
    effects.iter().filter(|e| !e.contains(' ')).count()
}

/// Prints what one seed's story comes to; the test below runs it in processes of its own.
#[test]
fn one_seed_tells_one_story() {
    let seed = env::var("ENICLAIM_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(1);
    println!("trace {:016x}", told(seed, None, 0).hash);
}

/// What the comparison of two processes sees: not only which calls there were and when.
#[test]
fn traces_that_differ_in_one_byte_of_a_body_differ() {
    let hash = |line, body| {
        tell_with(
            1,
            |_| std::future::pending(),
            async move |world| {
                world.lock().note(line, body);
                world.lock().hash()
            },
        )
    };
    assert_eq!(hash("GET pods", "a body"), hash("GET pods", "a body"));
    assert_ne!(hash("GET pods", "a body"), hash("GET pods", "a bodY"));
    assert_ne!(hash("GET pods", "a body"), hash("GET nodes", "a body"));
}

/// Also when the operator makes no call afterwards.
#[test]
#[should_panic(expected = "rules of EC2")]
fn what_ec2_must_never_show_ends_a_story() {
    tell_with(
        1,
        |_| std::future::pending(),
        async |world| {
            let asked = vpc::Ec2Error::NotModelled("a call".to_owned());
            world.with(|state| drop(state.vpc.noted(asked)));
        },
    );
}

#[test]
fn one_seed_is_the_same_bit_for_bit_in_two_processes() {
    let trace = |seed: &str| {
        let mut child = Command::new(env::current_exe().unwrap());
        let output = child
            .args(["--exact", "story::one_seed_tells_one_story", "--nocapture"])
            .env("ENICLAIM_SEED", seed)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines()
            .find_map(|line| line.strip_prefix("trace ").map(str::to_owned))
            .unwrap_or_else(|| panic!("no trace: {text}"))
    };
    for seed in ["7", "8", "9"] {
        assert_eq!(trace(seed), trace(seed), "seed {seed}");
    }
    assert_ne!(trace("7"), trace("8"));
}
