//! One server that is both the API server and EC2, for a fleet at rest: lists, empty watches, a Lease, Describe calls.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use bytes::Bytes;
use futures::stream;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Method, Request, Response, StatusCode, Uri,
    body::{Frame, Incoming},
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{ec2::Pages, objects::Lists};

/// The change of EC2 that finishes the planted claim. It is never answered, so that nothing follows from it.
pub const CREATE: &str = "CreateNetworkInterface";

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// What it serves, and what it was asked to change.
pub struct Site {
    /// Objects in all lists.
    pub objects: usize,
    lists: Lists,
    ec2: Pages,
    log: Mutex<Log>,
    changed: Condvar,
}

#[derive(Default)]
struct Log {
    changes: Vec<(String, Instant)>,
    lease: u64,
}

impl Site {
    /// A site that was asked nothing yet.
    pub fn new(lists: Lists, ec2: Pages) -> Self {
        Self {
            objects: lists.objects,
            lists,
            ec2,
            log: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Forgets what it was asked, and the Lease.
    pub fn clear(&self) {
        *self.log() = Log::default();
    }

    /// When the first change of EC2 was asked for; none within the limit.
    pub fn wait_for_change(&self, limit: Duration) -> Option<Instant> {
        let none = |log: &mut Log| log.changes.is_empty();
        let waited = self.changed.wait_timeout_while(self.log(), limit, none);
        let (log, _) = waited.unwrap_or_else(PoisonError::into_inner);
        log.changes.first().map(|(_, at)| *at)
    }

    /// The changes of EC2 that were asked for.
    pub fn changes(&self) -> Vec<String> {
        let log = self.log();
        log.changes
            .iter()
            .map(|(action, _)| action.clone())
            .collect()
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves until the process ends; the address.
pub fn start(site: Arc<Site>) -> anyhow::Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"));
    let listener = listener.context("listen")?;
    let address = format!("http://{}", listener.local_addr()?);
    thread::spawn(move || runtime.block_on(accept(&site, &listener)));
    Ok(address)
}

async fn accept(site: &Arc<Site>, listener: &TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        let site = Arc::clone(site);
        tokio::spawn(async move {
            let service = service_fn(|request| respond(&site, request));
            // The operator is killed amid its calls.
            let _ = http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn respond(site: &Site, request: Request<Incoming>) -> Result<Response<Body>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let path = head.uri.path();
    Ok(if path.contains("/leases") {
        lease(site, &head.method, &body)
    } else if path == "/" {
        call(site, &body).await
    } else if head.method == Method::GET {
        list(site, &head.uri)
    } else {
        json_of(
            StatusCode::SERVICE_UNAVAILABLE,
            &status(503, "ServiceUnavailable"),
        )
    })
}

fn list(site: &Site, uri: &Uri) -> Response<Body> {
    let query = form(uri.query().unwrap_or_default().as_bytes());
    let get = |key: &str| query.get(key).map(String::as_str);
    if get("watch").is_some_and(|watch| watch != "false") {
        let limit = get("timeoutSeconds").and_then(|seconds| seconds.parse().ok());
        return silence(Duration::from_secs(limit.unwrap_or(45)));
    }
    let number = get("continue")
        .and_then(|token| token.parse().ok())
        .unwrap_or(0);
    let pages = site.lists.pages.get(uri.path());
    match pages.and_then(|pages: &Vec<Bytes>| pages.get::<usize>(number)) {
        Some(page) => answer(StatusCode::OK, "application/json", page.clone()),
        None => json_of(StatusCode::NOT_FOUND, &status(404, "NotFound")),
    }
}

/// A watch that shows nothing, and ends.
fn silence(after: Duration) -> Response<Body> {
    let end = async move {
        tokio::time::sleep(after).await;
        Ok(Frame::data(Bytes::new()))
    };
    let body = StreamBody::new(stream::once(end)).boxed_unsync();
    with_type(Response::new(body), "application/json")
}

fn lease(site: &Site, method: &Method, body: &Bytes) -> Response<Body> {
    if *method == Method::GET {
        return json_of(StatusCode::NOT_FOUND, &status(404, "NotFound"));
    }
    let mut log = site.log();
    log.lease += 1;
    let Ok(mut lease) = serde_json::from_slice::<Value>(body) else {
        return json_of(StatusCode::BAD_REQUEST, &status(400, "BadRequest"));
    };
    lease["metadata"]["resourceVersion"] = log.lease.to_string().into();
    lease["metadata"]["uid"] = "lease".into();
    json_of(StatusCode::OK, &lease)
}

async fn call(site: &Site, body: &Bytes) -> Response<Body> {
    let form = form(body);
    if let Some(described) = site.ec2.describe(&form) {
        return answer(StatusCode::OK, "text/xml", described);
    }
    let action = form.get("Action").cloned().unwrap_or_default();
    site.log().changes.push((action, Instant::now()));
    site.changed.notify_all();
    std::future::pending().await
}

fn form(text: &[u8]) -> BTreeMap<String, String> {
    form_urlencoded::parse(text).into_owned().collect()
}

fn status(code: u16, reason: &str) -> Value {
    json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": reason, "reason": reason, "code": code })
}

fn json_of(code: StatusCode, value: &Value) -> Response<Body> {
    answer(code, "application/json", value.to_string().into())
}

fn answer(code: StatusCode, kind: &'static str, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Full::new(body).boxed_unsync());
    *response.status_mut() = code;
    with_type(response, kind)
}

fn with_type(mut response: Response<Body>, kind: &'static str) -> Response<Body> {
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
