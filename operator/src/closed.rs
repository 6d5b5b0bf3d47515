//! Reads that found their connection closed are sent once more, at once.

use std::{
    error::Error,
    future::{Ready, ready},
    io, mem,
};

use hyper::{Method, Request, Response};
use kube::client::Body;
use tower::{BoxError, retry::Policy};

/// Whether a call failed as its connection was closed. The client's pool has connections that the server closed a moment ago,
/// or that were cut while this process stood still: the first call on each fails.
pub(crate) fn is_closed(error: &(dyn Error + 'static)) -> bool {
    std::iter::successors(Some(error), |&error| error.source()).any(|error| {
        let http = error.downcast_ref::<hyper::Error>();
        let io = error.downcast_ref::<io::Error>().map(io::Error::kind);
        http.is_some_and(|error| error.is_incomplete_message() || error.is_canceled())
            || matches!(
                io,
                Some(
                    io::ErrorKind::ConnectionReset
                        | io::ErrorKind::ConnectionAborted
                        | io::ErrorKind::BrokenPipe
                        | io::ErrorKind::UnexpectedEof
                )
            )
    })
}

/// How Kubernetes' client sends requests again: only a GET, and only once.
#[derive(Debug, Clone, Default)]
pub(crate) struct OnceMore {
    done: bool,
}

impl<B> Policy<Request<Body>, Response<B>, BoxError> for OnceMore {
    type Future = Ready<()>;

    fn retry(
        &mut self,
        _: &mut Request<Body>,
        answer: &mut Result<Response<B>, BoxError>,
    ) -> Option<Ready<()>> {
        let closed = answer.as_ref().err().is_some_and(|e| is_closed(&**e));
        (closed && !mem::replace(&mut self.done, true)).then(|| ready(()))
    }

    fn clone_request(&mut self, request: &Request<Body>) -> Option<Request<Body>> {
        (request.method() == Method::GET).then(|| {
            let mut again = Request::new(Body::empty());
            again.method_mut().clone_from(request.method());
            again.uri_mut().clone_from(request.uri());
            again.headers_mut().clone_from(request.headers());
            again.extensions_mut().clone_from(request.extensions());
            again
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use aws_sdk_ec2::config::{Credentials, Region};
    use k8s_openapi::api::core::v1::Pod;
    use kube::api::{ListParams, PostParams};
    use operator_core::{
        Outcome,
        fact::Found,
        order::{Effect, Lookup},
    };
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
    };

    use super::*;
    use crate::{Monitor, ec2};

    const CALLS: usize = 20;

    /// Answers the first request on each connection, and closes it when the second one comes.
    struct Server {
        uri: String,
        requests: Arc<AtomicUsize>,
    }

    impl Server {
        async fn start(body: &'static str) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let uri = format!("http://{}", listener.local_addr().unwrap());
            let requests = Arc::new(AtomicUsize::new(0));
            let counted = requests.clone();
            tokio::spawn(async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    tokio::spawn(serve(stream, body, counted.clone()));
                }
            });
            Self { uri, requests }
        }

        fn requests(&self) -> usize {
            self.requests.load(Ordering::Relaxed)
        }
    }

    async fn serve(
        mut stream: TcpStream,
        body: &str,
        requests: Arc<AtomicUsize>,
    ) -> io::Result<()> {
        take(&mut stream).await?;
        requests.fetch_add(1, Ordering::Relaxed);
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all((head + body).as_bytes()).await?;
        take(&mut stream).await?;
        requests.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// One request.
    async fn take(stream: &mut TcpStream) -> io::Result<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        let length = head
            .lines()
            .find_map(|l| l.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        stream.read_exact(&mut body).await.map(drop)
    }

    #[tokio::test]
    async fn a_read_of_kubernetes_is_sent_once_more_and_a_write_is_not() {
        let server = Server::start(r#"{"metadata":{},"items":[]}"#).await;
        let config = kube::Config::new(server.uri.parse().unwrap());
        let pods = kube::Api::<Pod>::default_namespaced(crate::client(config).unwrap());
        for _ in 0..CALLS {
            pods.list(&ListParams::default()).await.unwrap();
        }
        let reads = server.requests();
        assert!(reads > CALLS, "no connection was used twice");
        let (parameters, pod, mut failed) = (PostParams::default(), Pod::default(), 0);
        for _ in 0..CALLS {
            failed += usize::from(pods.create(&parameters, &pod).await.is_err());
        }
        assert!(failed > 0, "no connection was used twice");
        assert_eq!(server.requests(), reads + CALLS);
    }

    #[tokio::test]
    async fn a_read_of_ec2_is_sent_once_more_and_a_change_is_not() {
        let server = Server::start("<DescribeSubnetsResponse/>").await;
        let config = aws_sdk_ec2::Config::builder()
            .behavior_version(aws_config::BehaviorVersion::v2026_01_12())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("key", "secret", None, None, "test"))
            .endpoint_url(&server.uri);
        let ec2 = ec2::Ec2::new(ec2::configure(config), &Monitor::default());
        let subnets = Lookup::by_id(vec!["subnet-00000000000000001".parse().unwrap()]);
        for _ in 0..CALLS {
            assert_eq!(
                ec2.subnets(&subnets).await,
                Outcome::Subnets(Found::by_id(vec![]))
            );
        }
        let reads = server.requests();
        assert!(reads > CALLS, "no connection was used twice");
        let eni = "eni-00000000000000001".parse().unwrap();
        let effect = Effect::Delete { eni };
        for _ in 0..CALLS {
            ec2.change(&effect).await;
        }
        assert_eq!(server.requests(), reads + CALLS);
    }
}
