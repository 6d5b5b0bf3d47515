//! The limits of the Kubernetes client.

use std::time::Duration;

use crate::watch;

const CONNECT: Duration = Duration::from_secs(5);

/// Puts our limits on a client's configuration: each call is sent once, for the fleet decides when and whether it is sent
/// again, and a connection on which nothing comes any more is given up although nobody closed it.
#[must_use]
pub fn configure(mut config: kube::Config) -> kube::Config {
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
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

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
        let client = kube::Client::try_from(configure(kube::Config::new(uri))).unwrap();
        let answer = kube::Api::<Pod>::default_namespaced(client).get("p").await;
        let kube::Error::Api(status) = answer.unwrap_err() else {
            panic!()
        };
        assert_eq!((status.code, requests.load(Ordering::Relaxed)), (429, 1));
    }
}
