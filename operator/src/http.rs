//! /livez, /readyz and /metrics.

use std::{convert::Infallible, net::Ipv6Addr, time::Duration};

use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::Bytes,
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

use crate::{Error, Monitor};

/// A client that does not send its request in this time is cut off.
const PATIENCE: Duration = Duration::from_secs(10);

/// Serves for ever; ends only if the port cannot be had.
pub async fn serve(port: u16, monitor: Monitor) -> Result<(), Error> {
    let listener = listen(port)
        .await
        .map_err(|source| Error::Port { port, source })?;
    loop {
        // Accept fails for one connection, or while file descriptors are short: neither ends the service.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let monitor = monitor.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                let answer = answer(request.uri().path(), &monitor);
                async move { Ok::<_, Infallible>(answer) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(PATIENCE)
                .serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "probe connection ended");
            }
        });
    }
}

/// Both families where the host has them.
async fn listen(port: u16) -> std::io::Result<TcpListener> {
    match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
        Ok(listener) => Ok(listener),
        Err(_) => TcpListener::bind(("0.0.0.0", port)).await,
    }
}

fn answer(path: &str, monitor: &Monitor) -> Response<Full<Bytes>> {
    let (status, body) = match path {
        "/livez" if monitor.live() => (StatusCode::OK, "ok\n".to_owned()),
        "/livez" => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the owner task does not move\n".to_owned(),
        ),
        "/readyz" => match monitor.ready() {
            Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
            Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
        },
        "/metrics" => (StatusCode::OK, monitor.metrics()),
        _ => (
            StatusCode::NOT_FOUND,
            "there are /livez, /readyz and /metrics\n".to_owned(),
        ),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    if path == "/metrics" {
        let text = HeaderValue::from_static(telemetry::CONTENT_TYPE);
        response.headers_mut().insert(CONTENT_TYPE, text);
    }
    response
}
