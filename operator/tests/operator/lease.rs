//! The election on the wire: the real kube client against one Lease object, in virtual time.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard},
};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use kube::client::Body;
use operator::{Clock, Monitor, Options, lease::Leadership, options::LeaseOptions};
use operator_core::lease::Term;
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    time::{Duration, Instant, sleep, timeout},
};

/// An API server that has nothing but this Lease.
#[derive(Clone, Default)]
struct Api(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    lease: Option<Value>,
    version: u64,
    mood: Mood,
    writes: usize,
}

#[derive(Default, Clone, Copy, PartialEq)]
enum Mood {
    #[default]
    Answers,
    Forbids,
    /// Somebody else has written before.
    Conflicts,
    Silent,
    /// Stores, and loses the answer.
    Loses,
}

impl Api {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn candidate(&self, identity: &str) -> Leadership {
        self.watched_candidate(identity, Monitor::default())
    }

    fn watched_candidate(&self, identity: &str, monitor: Monitor) -> Leadership {
        let api = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let api = api.clone();
            async move { Ok::<_, Infallible>(api.serve(request).await) }
        });
        let options = Options {
            lease: LeaseOptions {
                identity: identity.to_owned(),
                ..Options::default().lease
            },
            monitor,
            ..Options::default()
        };
        Leadership::start(
            kube::Client::new(service, "default"),
            &options,
            Clock::start(),
        )
    }

    async fn serve(&self, request: Request<Body>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let body = body.collect_bytes().await.unwrap();
        let mood = self.lock().mood;
        let answer = match mood {
            Mood::Silent => std::future::pending().await,
            Mood::Forbids => Err((403, "Forbidden")),
            Mood::Conflicts if parts.method != Method::GET => Err((409, "Conflict")),
            Mood::Answers | Mood::Conflicts | Mood::Loses => {
                self.lock().call(&parts.method, parts.uri.path(), &body)
            }
        };
        if mood == Mood::Loses {
            std::future::pending().await
        }
        let (code, body) = match answer {
            Ok(lease) => (200, lease),
            Err((code, reason)) => (
                code,
                json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": reason, "code": code }),
            ),
        };
        Response::builder()
            .status(code)
            .body(Full::new(Bytes::from(body.to_string())))
            .unwrap()
    }

    fn holder(&self) -> Option<String> {
        let holder = self.spec()["holderIdentity"].clone();
        holder.as_str().map(ToOwned::to_owned)
    }

    fn spec(&self) -> Value {
        self.lock()
            .lease
            .as_ref()
            .map_or(Value::Null, |lease| lease["spec"].clone())
    }
}

impl State {
    fn call(
        &mut self,
        method: &Method,
        path: &str,
        body: &[u8],
    ) -> Result<Value, (u16, &'static str)> {
        let all = "/apis/coordination.k8s.io/v1/namespaces/eniclaim-system/leases";
        let create = *method == Method::POST;
        let name = if create { "" } else { "/eniclaim-operator" };
        assert_eq!(path, format!("{all}{name}"));
        if *method == Method::GET {
            return self.lease.clone().ok_or((404, "NotFound"));
        }
        let mut lease: Value = serde_json::from_slice(body).unwrap();
        match &self.lease {
            Some(_) if create => return Err((409, "AlreadyExists")),
            None if !create => return Err((404, "NotFound")),
            Some(held)
                if held["metadata"]["resourceVersion"] != lease["metadata"]["resourceVersion"] =>
            {
                return Err((409, "Conflict"));
            }
            _ => {}
        }
        self.version += 1;
        self.writes += 1;
        lease["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.lease = Some(lease.clone());
        Ok(lease)
    }
}

async fn leads(terms: &mut watch::Receiver<Term>, expected: bool) {
    let wait = terms.wait_for(|term| (*term != Term::Standby) == expected);
    timeout(Duration::from_mins(1), wait)
        .await
        .expect("the term did not change")
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_of_two_leads_and_the_other_takes_over_at_once_when_it_ends() {
    let api = Api::default();
    let a = api.candidate("a");
    leads(&mut a.terms(), true).await;
    let b = api.candidate("b");
    sleep(Duration::from_secs(61)).await;
    assert_eq!(*b.terms().borrow(), Term::Standby);
    let writes = api.lock().writes;
    assert_eq!(writes, 13, "a renewal every 5 s");
    assert_eq!(api.holder().as_deref(), Some("a"));
    let before = api.spec();
    assert_eq!(
        (&before["leaseDurationSeconds"], &before["leaseTransitions"]),
        (&json!(15), &json!(0))
    );
    assert_ne!(before["acquireTime"], before["renewTime"]);

    let mut of_a = a.terms();
    a.release().await;
    assert_eq!(
        (api.holder(), *of_a.borrow_and_update()),
        (None, Term::Standby)
    );
    let released = Instant::now();
    leads(&mut b.terms(), true).await;
    assert!(released.elapsed() <= Duration::from_secs(2));
    let after = api.spec();
    assert_eq!(
        (&after["leaseTransitions"], &after["holderIdentity"]),
        (&json!(1), &json!("b"))
    );
    assert_eq!(after["acquireTime"], after["renewTime"]);
}

#[tokio::test(start_paused = true)]
async fn a_killed_leader_is_followed_once_its_lease_has_expired() {
    let api = Api::default();
    let a = api.candidate("a");
    leads(&mut a.terms(), true).await;
    let b = api.candidate("b");
    sleep(Duration::from_secs(1)).await;
    let killed = Instant::now();
    drop(a);
    leads(&mut b.terms(), true).await;
    let waited = killed.elapsed().as_secs();
    assert!((14..=17).contains(&waited), "{waited} s");
}

#[tokio::test(start_paused = true)]
async fn a_leader_without_answers_stops_before_anybody_can_follow_and_leaves_in_time() {
    let api = Api::default();
    let a = api.candidate("a");
    leads(&mut a.terms(), true).await;
    api.lock().mood = Mood::Silent;
    let silent = Instant::now();
    leads(&mut a.terms(), false).await;
    // Published after the call that is in flight when the term ends; the term itself says 12 s.
    assert!(
        silent.elapsed() <= Duration::from_secs(15),
        "{:?}",
        silent.elapsed()
    );
    let asked = Instant::now();
    a.release().await;
    assert!(asked.elapsed() <= Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_costs_no_term() {
    let api = Api::default();
    let a = api.candidate("a");
    let mut terms = a.terms();
    leads(&mut terms, true).await;
    api.lock().mood = Mood::Loses;
    sleep(Duration::from_secs(6)).await;
    assert_eq!(
        api.lock().writes,
        2,
        "the renewal came through, its answer did not"
    );
    api.lock().mood = Mood::Answers;
    let stays = timeout(
        Duration::from_mins(1),
        terms.wait_for(|term| *term == Term::Standby),
    );
    assert!(stays.await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_missing_right_is_named_and_forgotten_once_it_is_given() {
    let api = Api::default();
    api.lock().mood = Mood::Forbids;
    let a = api.candidate("a");
    sleep(Duration::from_secs(10)).await;
    assert_eq!(a.health(), Ok(()), "a moment is no trouble");
    sleep(Duration::from_secs(10)).await;
    let why = a.health().unwrap_err();
    assert!(
        why.contains("eniclaim-operator") && why.contains("Forbidden"),
        "{why}"
    );
    api.lock().mood = Mood::Answers;
    leads(&mut a.terms(), true).await;
    assert_eq!(a.health(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn writes_are_counted_by_what_the_api_server_answered() {
    let counted = |monitor: &Monitor, outcome: &str| {
        let series = format!(r#"writes_total{{object="Lease",outcome="{outcome}"}}"#);
        monitor.metrics().contains(&series)
    };
    for (mood, outcome) in [
        (Mood::Forbids, "refused"),
        (Mood::Conflicts, "conflict"),
        (Mood::Silent, "unavailable"),
    ] {
        let (api, monitor) = (Api::default(), Monitor::default());
        let a = api.watched_candidate("a", monitor.clone());
        leads(&mut a.terms(), true).await;
        assert!(counted(&monitor, "success"));
        api.lock().mood = mood;
        let begun = Instant::now();
        while !counted(&monitor, outcome) {
            assert!(begun.elapsed() < Duration::from_mins(1), "{outcome}");
            sleep(Duration::from_secs(1)).await;
        }
        let unavailable = counted(&monitor, "unavailable");
        assert_eq!(unavailable, outcome == "unavailable", "{outcome}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_others_wrote_on_the_lease_stays() {
    let api = Api::default();
    let a = api.candidate("a");
    leads(&mut a.terms(), true).await;
    {
        let mut state = api.lock();
        let lease = state.lease.as_mut().unwrap();
        lease["metadata"]["labels"] = json!({ "team": "net" });
        lease["metadata"]["resourceVersion"] = json!("100");
        state.version = 100;
    }
    sleep(Duration::from_secs(20)).await;
    assert!(api.lock().version > 101, "it is renewed on");
    let lease = api.lock().lease.clone().unwrap();
    assert_eq!(lease["metadata"]["labels"]["team"], "net");
    assert_ne!(*a.terms().borrow(), Term::Standby);
}
