//! An API server that takes a report and never answers.

use std::time::Duration;

use futures::FutureExt;
use kube::Config;
use node_agent::{api, metrics::Metrics, report::send_all};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::{advance, pause, resume, timeout},
};

use crate::{
    report::{a_notice, plugged},
    running::{a_claim, claim_document},
};

const DEADLINE: Duration = Duration::from_secs(20);

/// Takes the next connection and the report on it.
async fn report(listener: &TcpListener) -> (BufReader<TcpStream>, Value) {
    let (stream, _) = timeout(DEADLINE, listener.accept()).await.unwrap().unwrap();
    let mut stream = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    stream.read_line(&mut line).await.unwrap();
    assert!(
        line.starts_with("PATCH ") && line.contains("/status?"),
        "{line}"
    );
    while line != "\r\n" {
        line.clear();
        stream.read_line(&mut line).await.unwrap();
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    (stream, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn report_that_nobody_answers_is_given_up_after_half_a_minute_and_made_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let client = api::client_of(Config::new(url.parse().unwrap())).unwrap();
    let (notices, to_send) = mpsc::unbounded_channel();
    let metrics = Metrics::default();
    let sending = tokio::spawn(send_all(client, to_send, metrics.clone()));
    let notice = a_notice(a_claim(), plugged(), "2026-01-01T00:00:05Z");
    notices.send(notice).unwrap();

    let (_silent, first) = report(&listener).await;
    assert_eq!(first["status"]["device"]["state"], json!("Plugged"));
    pause();
    advance(Duration::from_secs(29)).await;
    assert!(listener.accept().now_or_never().is_none());
    advance(Duration::from_secs(1)).await;
    resume();

    let (mut stream, second) = report(&listener).await;
    assert_eq!(second, first);
    let body = claim_document().to_string();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).await.unwrap();
    let counted = async {
        while !metrics
            .text()
            .contains("kubernetes_writes_total{object=\"EniClaim\",outcome=\"success\"} 1")
        {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, counted)
        .await
        .expect("the answer was not taken");
    sending.abort();
}
