//! HTTP in front of the three endpoints: EC2, instance metadata, and control.

use std::{
    convert::Infallible,
    io,
    net::{IpAddr, Ipv4Addr},
};

use bytes::Bytes;
use futures::{FutureExt, future::ready};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode, body::Incoming, server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, UnixListener},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    control, ec2, imds,
    state::{World, now_ms},
};

const MAX_BODY: usize = 1 << 20;

/// What is behind a listener.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Endpoint {
    /// The EC2 Query API.
    Ec2,
    /// Instance metadata.
    Imds,
    /// `/sim/*`.
    Control,
}

/// Why a connection ends without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the reply is lost")]
struct ReplyLost;

/// Answers every connection until the process ends.
pub(crate) async fn serve_tcp(
    world: World,
    endpoint: Endpoint,
    listener: TcpListener,
) -> Infallible {
    serve(world, endpoint, listener, |stream| ready(Some(stream))).await
}

/// The same over TLS. A caller that does not trust the certificate goes away.
pub(crate) async fn serve_tls(
    world: World,
    endpoint: Endpoint,
    listener: TcpListener,
    acceptor: TlsAcceptor,
) -> Infallible {
    let shake_hands = |stream| acceptor.accept(stream).map(Result::ok);
    serve(world, endpoint, listener, shake_hands).await
}

/// The same over whatever `secure` makes of a connection.
async fn serve<S, F>(
    world: World,
    endpoint: Endpoint,
    listener: TcpListener,
    secure: impl Fn(TcpStream) -> F,
) -> Infallible
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
    F: Future<Output = Option<S>> + 'static,
{
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let peer = peer.ip().to_canonical();
                spawn(&world, endpoint, peer, secure(stream));
            }
            Err(error) => rest(&error).await,
        }
    }
}

/// Answers every connection until the process ends.
pub(crate) async fn serve_unix(world: World, listener: UnixListener) -> Infallible {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let here = Ipv4Addr::LOCALHOST.into();
                spawn(&world, Endpoint::Control, here, ready(Some(stream)));
            }
            Err(error) => rest(&error).await,
        }
    }
}

/// Accepting fails for want of file descriptors, which other connections give back.
async fn rest(error: &io::Error) {
    tracing::warn!(%error, "a connection could not be accepted");
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
}

fn spawn<S: AsyncRead + AsyncWrite + Unpin + 'static>(
    world: &World,
    endpoint: Endpoint,
    peer: IpAddr,
    stream: impl Future<Output = Option<S>> + 'static,
) {
    let world = world.clone();
    tokio::task::spawn_local(async move {
        let Some(stream) = stream.await else {
            return;
        };
        let service = service_fn(|request| respond(&world, endpoint, peer, request));
        // A caller that goes away, and a reply that shall be lost, both end here.
        let _ = http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(stream), service)
            .await;
    });
}

async fn respond(
    world: &World,
    endpoint: Endpoint,
    from: IpAddr,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, ReplyLost> {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
        return Ok(text(StatusCode::PAYLOAD_TOO_LARGE, String::new()));
    };
    let body = body.to_bytes();
    let body = String::from_utf8_lossy(&body);
    let answer = match endpoint {
        Endpoint::Ec2 => ec2::respond(world, &head, &body).await.ok_or(ReplyLost),
        Endpoint::Imds => Ok(metadata(
            world,
            from,
            &head.method,
            head.uri.path(),
            &head.headers,
        )),
        Endpoint::Control => Ok(control::respond(world, &head.method, &head.uri, &body).await),
    };
    world.keep();
    answer
}

fn metadata(
    world: &World,
    from: IpAddr,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
) -> Response<Full<Bytes>> {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let question = imds::Question {
        from,
        method: method.as_str(),
        path,
        ttl: header("x-aws-ec2-metadata-token-ttl-seconds"),
        token: header("x-aws-ec2-metadata-token"),
    };
    let (status, body) = world.look(|sim| imds::answer(&sim.vpc, &question, now_ms()));
    text(StatusCode::from_u16(status).unwrap_or_default(), body)
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response
}
