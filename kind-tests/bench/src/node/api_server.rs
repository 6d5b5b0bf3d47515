//! The simulated API server over HTTP, in the network namespace where it is started.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use anyhow::Context;
use bytes::Bytes;
use futures::stream;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Request, Response, StatusCode,
    body::{Frame, Incoming},
    header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::Timestamp;
use kube_api::{Api, Kinds, Method, Request as Call, Watch};
use serde_json::Value;
use tokio::{net::TcpListener, sync::watch};

/// A watch looks at the clock so often, for its end and its bookmarks.
const TICK: Duration = Duration::from_secs(1);

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A running API server. It serves until the process ends.
#[derive(Clone)]
pub struct ApiServer(Arc<State>);

struct State {
    api: Mutex<Api>,
    /// Tells watches that something was written.
    written: watch::Sender<()>,
    /// How many watches of each path were opened.
    watched: Mutex<BTreeMap<String, usize>>,
}

impl ApiServer {
    /// A server of our kinds, and the address where it listens.
    pub fn start() -> anyhow::Result<(Self, String)> {
        let definitions = crds::all().map(serde_json::to_value);
        let definitions = definitions.into_iter().collect::<Result<Vec<_>, _>>()?;
        let server = Self(Arc::new(State {
            api: Mutex::new(Api::new(Arc::new(Kinds::new(&definitions)))),
            written: watch::Sender::default(),
            watched: Mutex::default(),
        }));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"));
        let listener = listener.context("listen")?;
        let address = format!("http://{}", listener.local_addr()?);
        let serving = server.clone();
        thread::spawn(move || runtime.block_on(accept(&serving, &listener)));
        Ok((server, address))
    }

    /// A request of somebody whom we do not measure; it must succeed.
    pub fn call(&self, request: &Call) -> anyhow::Result<Value> {
        let answer = self.api().call(request, Timestamp::now());
        anyhow::ensure!(answer.is_success(), "{}: {}", request.path, answer.body);
        self.0.written.send_replace(());
        Ok(answer.body)
    }

    /// How many watches of a path were opened.
    pub fn watches(&self, path: &str) -> usize {
        let watched = self.0.watched.lock();
        let watched = watched.unwrap_or_else(PoisonError::into_inner);
        watched.get(path).copied().unwrap_or_default()
    }

    fn api(&self) -> MutexGuard<'_, Api> {
        self.0.api.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self, call: &Call) -> Response<Body> {
        let opened = self.api().watch(call, Timestamp::now());
        let watch = match opened {
            Ok(watch) => watch,
            Err(refusal) => return answer(refusal.code, &refusal.status()),
        };
        let watched = self.0.watched.lock();
        let mut watched = watched.unwrap_or_else(PoisonError::into_inner);
        *watched.entry(call.path.clone()).or_default() += 1;
        let written = self.0.written.subscribe();
        let shown = stream::unfold(Some((self.clone(), watch, written)), show);
        with_type(Response::new(StreamBody::new(shown).boxed_unsync()))
    }
}

/// A watch, until it ends.
type Showing = Option<(ApiServer, Watch, watch::Receiver<()>)>;

/// The next events of a watch.
async fn show(state: Showing) -> Option<(Result<Frame<Bytes>, Infallible>, Showing)> {
    let (server, mut watch, mut written) = state?;
    loop {
        written.borrow_and_update();
        let shown = server.api().poll(&mut watch, Timestamp::now());
        if shown.ended || !shown.events.is_empty() {
            let lines = shown.events.iter().map(|event| format!("{event}\n"));
            let frame = Frame::data(Bytes::from(lines.collect::<String>()));
            let next = (!shown.ended).then_some((server, watch, written));
            return Some((Ok(frame), next));
        }
        // A time-out is no failure: the watch's own time may be over.
        let _ = tokio::time::timeout(TICK, written.changed()).await;
    }
}

async fn accept(server: &ApiServer, listener: &TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        let server = server.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| respond(&server, request));
            // The agent is killed amid its calls.
            let _ = http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn respond(
    server: &ApiServer,
    request: Request<Incoming>,
) -> Result<Response<Body>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let text = |name: HeaderName| {
        let value = head.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let call = Call {
        method: method(&head.method),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        content_type: text(CONTENT_TYPE),
        accept: text(ACCEPT),
        user_agent: text(USER_AGENT),
        body: serde_json::from_slice(&body).unwrap_or_default(),
    };
    if call.is_watch() {
        return Ok(server.open(&call));
    }
    let answered = server.api().call(&call, Timestamp::now());
    if call.is_write() {
        server.0.written.send_replace(());
    }
    Ok(answer(answered.status, &answered.body))
}

fn method(method: &hyper::Method) -> Method {
    match *method {
        hyper::Method::POST => Method::Post,
        hyper::Method::PUT => Method::Put,
        hyper::Method::PATCH => Method::Patch,
        hyper::Method::DELETE => Method::Delete,
        _ => Method::Get,
    }
}

fn answer(status: u16, value: &Value) -> Response<Body> {
    let mut response = Response::new(Full::new(value.to_string().into()).boxed_unsync());
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    with_type(response)
}

fn with_type(mut response: Response<Body>) -> Response<Body> {
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}
