//! An API server that serves one list, its watch, and patches of a status.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::StreamExt;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Frame;
use kube::{Client, client::Body};
use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc};

const DEADLINE: Duration = Duration::from_mins(1);

pub struct ApiServer {
    events: mpsc::UnboundedSender<Value>,
    patches: mpsc::UnboundedReceiver<Value>,
    client: Client,
}

/// What one connection after the other works with.
struct State {
    list: Value,
    field: &'static str,
    failures: usize,
    watched: Option<mpsc::UnboundedReceiver<Value>>,
    sent: mpsc::UnboundedSender<Value>,
}

impl State {
    async fn answer(&mut self, request: Request<Body>) -> Answer {
        if request.method() == Method::PATCH {
            assert!(request.uri().path().ends_with("/status"));
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let body: Value = serde_json::from_slice(&body).unwrap();
            self.sent.send(body.clone()).unwrap();
            if self.failures > 0 {
                self.failures -= 1;
                return answer(StatusCode::INTERNAL_SERVER_ERROR, &json!({}));
            }
            return answer(StatusCode::OK, &body);
        }
        let query = request.uri().query().unwrap();
        let wanted = format!("fieldSelector={}", self.field.replace('=', "%3D"));
        assert!(query.contains(&wanted), "{query}");
        if query.contains("watch=true") {
            stream(self.watched.take().expect("a second watch"))
        } else {
            answer(StatusCode::OK, &self.list)
        }
    }
}

impl ApiServer {
    /// Serves `list` to whoever selects by `field`, and refuses the first `failures` patches.
    pub fn new(list: Value, field: &'static str, failures: usize) -> Self {
        let (events, watched) = mpsc::unbounded_channel();
        let (sent, patches) = mpsc::unbounded_channel();
        let state = Arc::new(Mutex::new(State {
            list,
            field,
            failures,
            watched: Some(watched),
            sent,
        }));
        let service = tower::service_fn(move |request| {
            let state = state.clone();
            async move { Ok::<_, Infallible>(state.lock().await.answer(request).await) }
        });
        Self {
            events,
            patches,
            client: Client::new(service, "default"),
        }
    }

    /// What the watch tells next.
    pub fn event(&self, kind: &str, object: &Value) {
        self.events
            .send(json!({ "type": kind, "object": object }))
            .unwrap();
    }

    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// No patch came that was not asked about.
    pub fn is_quiet(&mut self) -> bool {
        self.patches.try_recv().is_err()
    }

    /// The status of the next patch.
    pub async fn patched(&mut self) -> Value {
        let patch = tokio::time::timeout(DEADLINE, self.patches.recv()).await;
        patch.expect("nothing was said").unwrap()["status"].take()
    }
}

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

fn answer(status: StatusCode, body: &Value) -> Answer {
    let body = http_body_util::Full::from(body.to_string()).boxed_unsync();
    Response::builder().status(status).body(body).unwrap()
}

fn stream(watched: mpsc::UnboundedReceiver<Value>) -> Answer {
    let lines = futures::stream::unfold(watched, |mut watched| async {
        Some((watched.recv().await?, watched))
    });
    let frames = lines.map(|line| Ok(Frame::data(Bytes::from(format!("{line}\n")))));
    Response::new(StreamBody::new(frames.boxed()).boxed_unsync())
}
