//! A leader that is asked to end while it is busy: it begins nothing more, ends in time, and another one finishes the work.

use kube_api::json::text;
use operator::{Options, options::LeaseOptions};
use tokio::time::{Duration, sleep};
use tokio_util::sync::CancellationToken;

use super::{
    faults::Faults,
    story::tell_with,
    world::{State, World},
};

/// After SIGTERM; kubelet allows 30 s.
const IN_TIME: u128 = 25_000;
/// Two for each of six nodes: every slot there is.
const PODS: usize = 12;

/// What falls silent at the moment at which the operator is asked to end.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Silent {
    Nobody,
    ApiServer,
    Everybody,
}

/// What was in flight when the operator was asked to end, and arrived all the same.
#[derive(Default)]
struct Landed {
    calls: usize,
    writes: usize,
}

fn named(identity: &str) -> Options {
    let options = Options::default();
    Options {
        lease: LeaseOptions {
            identity: identity.to_owned(),
            ..options.lease.clone()
        },
        ..options
    }
}

fn holder(state: &State) -> &str {
    let lease = state.all("leases").next();
    lease.map_or("", |lease| text(lease, "spec.holderIdentity"))
}

fn ready(state: &State) -> usize {
    let claims = state.all("eniclaims");
    claims
        .filter(|claim| text(claim, "status.phase") == "Ready")
        .count()
}

/// Changes that began after that, renewals of the Lease apart.
fn begun_after(state: &State, asked: u128) -> Vec<&String> {
    let is_change = |line: &&String| {
        let (at, what) = line.trim_start().split_once(' ').unwrap();
        let call = what.starts_with("ec2 ") && !what.starts_with("ec2 Describe");
        let write = ["POST ", "PUT ", "PATCH ", "DELETE "];
        let write = write.iter().any(|method| what.starts_with(method));
        at.parse::<u128>().unwrap() > asked
            && !what.contains("/leases")
            && (write || (call && !what.contains(" -> ")))
    };
    state.trace.iter().filter(is_change).collect()
}

/// The leader is asked to end so many milliseconds after its first Create was answered.
async fn asked_to_end(world: &World, moment: u64, silent: Silent) -> Landed {
    world.with(|state| (3..=6).for_each(|n| state.add_node(&format!("n{n}"))));
    let shutdown = CancellationToken::new();
    let first = world.operator(named("first"), shutdown.clone());
    let first = async {
        let ended = first.await;
        (ended, world.lock().elapsed())
    };
    let work = async {
        sleep(Duration::from_secs(5)).await;
        world.with(|state| (0..PODS).for_each(|n| state.make_pod(&format!("p{n}"), "app")));
        let made = |state: &State| state.vpc.leaks().count() > 0;
        world.until("a Create", made).await;
        sleep(Duration::from_millis(moment)).await;
        let mut state = world.lock();
        assert!(ready(&state) < PODS, "it has nothing to do any more");
        if silent != Silent::Nobody {
            state.faults.api_silence = 1000;
        }
        if silent == Silent::Everybody {
            state.faults.ec2_silence = 1000;
        }
        state.note("* asked to end", "");
        shutdown.cancel();
        (state.elapsed(), state.effects.len())
    };
    let ((ended, at), (asked, effects)) = tokio::join!(first, work);
    ended.unwrap();
    let landed = {
        let state = world.lock();
        let tail = state.tail();
        assert!(at <= asked + IN_TIME, "{} ms\n{tail}", at - asked);
        assert_eq!(begun_after(&state, asked), [] as [&String; 0], "{tail}");
        let held = if silent == Silent::Nobody {
            ""
        } else {
            "first"
        };
        assert_eq!(holder(&state), held, "{tail}");
        let (writes, calls): (Vec<_>, Vec<_>) = state.effects[effects..]
            .iter()
            .partition(|e| e.contains(' '));
        Landed {
            calls: calls.len(),
            writes: writes.len(),
        }
    };
    another_finishes(world).await;
    landed
}

async fn another_finishes(world: &World) {
    world.lock().faults = Faults::default();
    let second = world.operator(named("second"), CancellationToken::new());
    let finish = async {
        world.until("all Ready", |state| ready(state) == PODS).await;
        world.with(|state| (0..PODS).for_each(|n| state.delete_pod(&format!("p{n}"))));
        let gone =
            |state: &State| state.all("eniclaims").count() == 0 && state.vpc.leaks().count() == 0;
        world.until("the end", gone).await;
    };
    tokio::select! {
        ended = second => panic!("the second one ended: {ended:?}"),
        () = finish => {}
    }
}

fn at_many_moments(silent: Silent) -> Landed {
    let mut all = Landed::default();
    for n in 0..5 {
        let story = async move |world: &World| asked_to_end(world, n * 400, silent).await;
        let nobody = async |_| std::future::pending().await;
        let Landed { calls, writes } = tell_with(n + 1, nobody, story);
        all.calls += calls;
        all.writes += writes;
    }
    all
}

#[test]
fn a_busy_leader_ends_in_time_and_another_one_finishes() {
    let Landed { calls, writes } = at_many_moments(Silent::Nobody);
    // Otherwise nothing was in flight, or it was not awaited.
    assert!(calls > 0 && writes > 0, "{calls} calls, {writes} writes");
}

#[test]
fn it_ends_in_time_though_the_api_server_falls_silent() {
    let Landed { calls, writes } = at_many_moments(Silent::ApiServer);
    assert!(calls > 0 && writes == 0, "{calls} calls, {writes} writes");
}

#[test]
fn it_ends_in_time_though_everybody_falls_silent() {
    let Landed { calls, writes } = at_many_moments(Silent::Everybody);
    assert_eq!((calls, writes), (0, 0));
}
