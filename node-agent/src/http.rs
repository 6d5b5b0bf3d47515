//! `/livez`, `/readyz` and `/metrics`.

use std::{
    convert::Infallible,
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener as Listener},
    sync::Arc,
    time::Duration,
};

use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::CONTENT_TYPE,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rustix::{
    io::Errno,
    net::{
        AddressFamily, SocketFlags, SocketType, bind as bind_to, listen as listen_on, socket_with,
        sockopt::{set_ipv6_v6only, set_socket_reuseaddr},
    },
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};

use crate::health::Health;

/// Connections at once: from elsewhere, and from the node itself, so that nobody shuts out kubelet's probes.
const FROM_ELSEWHERE: usize = 56;
const FROM_THE_NODE: usize = 8;
/// A connection serves one request, and ends after this time whatever came of it.
pub const LONGEST: Duration = Duration::from_secs(5);
/// After a connection that could not be accepted: out of descriptors, perhaps.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// While the port is taken it is tried again after the first of these, then twice as long, up to the last.
const BIND_PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
const BACKLOG: i32 = 128;

/// Serves on the port as soon as it is free, until the task is dropped. Pods get their ENIs meanwhile.
pub async fn run(port: u16, health: Health) {
    let mut pause = BIND_PAUSES.0;
    let listener = loop {
        match bind(port).and_then(TcpListener::from_std) {
            Ok(listener) => break listener,
            Err(error) => tracing::error!(
                port,
                %error,
                "/livez, /readyz and /metrics are not served, so the agent's pod is not ready; stop the program that has the port, or set agent.httpPort"
            ),
        }
        sleep(pause).await;
        pause = (pause * 2).min(BIND_PAUSES.1);
    };
    tracing::info!(port, "serving /livez, /readyz and /metrics");
    serve(listener, health, LONGEST).await;
}

/// Listens on every address of the node, of both families where there are two: kubelet probes the node's.
pub fn bind(port: u16) -> io::Result<Listener> {
    match bind_family(AddressFamily::INET6, port) {
        // IPv6 is not there, or forbidden.
        Err(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL | Errno::PERM | Errno::ACCESS) => {
            Ok(bind_family(AddressFamily::INET, port)?)
        }
        outcome => Ok(outcome?),
    }
}

fn bind_family(family: AddressFamily, port: u16) -> Result<Listener, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    set_socket_reuseaddr(&socket, true)?;
    let address = if family == AddressFamily::INET6 {
        // Whatever net.ipv6.bindv6only says.
        set_ipv6_v6only(&socket, false)?;
        SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))
    } else {
        SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))
    };
    bind_to(&socket, &address)?;
    listen_on(&socket, BACKLOG)?;
    Ok(socket.into())
}

/// Serves until the task is dropped. A connection lasts no longer than `longest`.
pub async fn serve(listener: TcpListener, health: Health, longest: Duration) {
    let health = Arc::new(health);
    let elsewhere = Arc::new(Semaphore::new(FROM_ELSEWHERE));
    let node = Arc::new(Semaphore::new(FROM_THE_NODE));
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let own = stream
                    .local_addr()
                    .is_ok_and(|local| local.ip() == peer.ip());
                let free = if own { &node } else { &elsewhere };
                // One too many is closed.
                if let Ok(place) = free.clone().try_acquire_owned() {
                    let conversation = converse(stream, peer, health.clone(), place);
                    tokio::spawn(timeout(longest, conversation));
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn converse(
    stream: TcpStream,
    peer: SocketAddr,
    health: Arc<Health>,
    _place: OwnedSemaphorePermit,
) {
    let service = service_fn(|request| {
        let response = respond(&request, &health);
        async { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%peer, %error, "a connection broke");
    }
}

fn respond(request: &Request<Incoming>, health: &Health) -> Response<Full<Bytes>> {
    let of = |judgement: Result<(), String>| match judgement {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    };
    let (status, body) = match request.uri().path() {
        "/livez" => of(health.live()),
        "/readyz" => of(health.ready()),
        "/metrics" => (StatusCode::OK, health.metrics.text()),
        _ => (
            StatusCode::NOT_FOUND,
            "there is /livez, /readyz and /metrics\n".to_owned(),
        ),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    if request.uri().path() == "/metrics" {
        let text = hyper::header::HeaderValue::from_static(telemetry::CONTENT_TYPE);
        response.headers_mut().insert(CONTENT_TYPE, text);
    }
    response
}
