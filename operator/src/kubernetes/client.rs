//! The limits of the Kubernetes client.

use std::time::Duration;

use hyper::Request;
use kube::client::{Body, ClientBuilder};
use tower::{buffer::BufferLayer, retry::RetryLayer, timeout::TimeoutLayer};

use crate::{closed::OnceMore, watch};

const CONNECT: Duration = Duration::from_secs(5);
/// Priority and fairness holds a request back for 15 s at most (a quarter of the API server's own limit, `--request-timeout`).
const HEAD: Duration = Duration::from_secs(30);
/// Requests that wait to be sent; what sends them holds none up.
const QUEUE: usize = 1024;

/// A client with our limits: each call is sent once, for the fleet decides when and whether it is sent again (but for a read whose
/// connection had been closed), and a connection on which nothing comes any more is given up although nobody closed it.
///
/// # Errors
/// What the configuration says about TLS or a proxy cannot be used.
pub fn client(config: kube::Config) -> kube::Result<kube::Client> {
    let builder = ClientBuilder::try_from(configure(config))?;
    // The service of the builder cannot be cloned, and who retries needs it twice.
    let builder = builder
        .with_layer(&BufferLayer::<Request<Body>>::new(QUEUE))
        .with_layer(&RetryLayer::new(OnceMore::default()));
    Ok(builder.with_layer(&head_limit()).build())
}

/// An answer that has not begun by then does not come: a list would hold up all decisions for as long as a watch may be silent.
#[must_use]
pub fn head_limit() -> TimeoutLayer {
    TimeoutLayer::new(HEAD)
}

fn configure(mut config: kube::Config) -> kube::Config {
    config.connect_timeout = Some(CONNECT);
    // Bytes come at least when a watch ends; without the reset the idle time before a request would count.
    config.read_timeout = Some(watch::TIMEOUT + Duration::from_secs(10));
    config.reset_reader_on_write = true;
    config.default_retry = false;
    config
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use k8s_openapi::api::core::v1::Pod;
    use kube::api::ListParams;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };
    use tower::Layer;

    use super::*;

    /// Answers every request with 429, and counts them.
    async fn busy_server() -> (http::Uri, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = requests.clone();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(stream.read_u8().await.unwrap());
                }
                counted.fetch_add(1, Ordering::Relaxed);
                let answer = "HTTP/1.1 429 Busy\r\nretry-after: 0\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        (uri.parse().unwrap(), requests)
    }

    #[tokio::test]
    async fn a_busy_api_server_is_asked_once() {
        let (uri, requests) = busy_server().await;
        let client = client(kube::Config::new(uri)).unwrap();
        let answer = kube::Api::<Pod>::default_namespaced(client).get("p").await;
        let kube::Error::Api(status) = answer.unwrap_err() else {
            panic!()
        };
        assert_eq!((status.code, requests.load(Ordering::Relaxed)), (429, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_does_not_begin_is_given_up() {
        let silent = tower::service_fn(|_: http::Request<kube::client::Body>| {
            std::future::pending::<Result<http::Response<kube::client::Body>, std::io::Error>>()
        });
        let client = kube::Client::new(head_limit().layer(silent), "default");
        let pods = kube::Api::<Pod>::default_namespaced(client);
        let began = tokio::time::Instant::now();
        pods.list(&ListParams::default()).await.unwrap_err();
        assert_eq!(began.elapsed(), HEAD);
    }
}
