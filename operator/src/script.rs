//! An API server for unit tests: whatever is called, the script says what is answered.

use std::sync::{Arc, Mutex};

use http::{Method, Request, Response};
use http_body_util::BodyExt;
use kube::{Client, client::Body};
use serde_json::Value;

/// One call, as it was sent.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) path: String,
    pub(crate) body: Value,
}

/// All calls so far.
pub(crate) type Calls = Arc<Mutex<Vec<Call>>>;

/// Status and body of each answer; none: silence.
pub(crate) fn client(
    script: impl Fn(&Call) -> Option<(u16, String)> + Clone + Send + Sync + 'static,
) -> (Client, Calls) {
    let calls = Calls::default();
    let seen = calls.clone();
    let service = tower::service_fn(move |request: Request<Body>| {
        let (script, seen) = (script.clone(), seen.clone());
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let call = Call {
                method: head.method,
                path: head.uri.to_string(),
                body: serde_json::from_slice(&body).unwrap_or_default(),
            };
            seen.lock().unwrap().push(call.clone());
            let Some((status, body)) = script(&call) else {
                return std::future::pending().await;
            };
            let answer = Response::builder().status(status);
            Ok::<_, std::convert::Infallible>(answer.body(Body::from(body.into_bytes())).unwrap())
        }
    });
    (Client::new(service, "default"), calls)
}

/// A refusal as the API server writes it.
pub(crate) fn failure(code: u16, reason: &str) -> Option<(u16, String)> {
    let status = serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": format!("{reason} it is"), "reason": reason, "code": code,
    });
    Some((code, status.to_string()))
}

/// The method of each call with its path, without the query.
pub(crate) fn outline(calls: &Calls) -> Vec<String> {
    let calls = calls.lock().unwrap();
    let line = |call: &Call| {
        let path = call.path.split('?').next().unwrap();
        format!("{} {path}", call.method)
    };
    calls.iter().map(line).collect()
}
