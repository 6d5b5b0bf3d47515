//! The least that a restart has to do: list every object, page by page, and read the JSON.

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{Request, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::objects::{PAGE, PATHS};

/// Lists everything over one connection; how many objects there are.
pub fn list(address: &str) -> anyhow::Result<usize> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(all(address))
}

async fn all(address: &str) -> anyhow::Result<usize> {
    let host = address.trim_start_matches("http://");
    let stream = TcpStream::connect(host).await.context("connect")?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut count = 0;
    for path in PATHS {
        let mut next = String::new();
        loop {
            let request = Request::get(format!("{path}?limit={PAGE}&continue={next}"))
                .header("host", host)
                .body(Empty::<Bytes>::new())?;
            let answer = sender.send_request(request).await?;
            let body = answer.into_body().collect().await?.to_bytes();
            let page: Value = serde_json::from_slice(&body)?;
            let items = page.get("items").and_then(Value::as_array);
            count += items.context("a list has items")?.len();
            let token = page.pointer("/metadata/continue").and_then(Value::as_str);
            match token {
                Some(token) if !token.is_empty() => token.clone_into(&mut next),
                Some(_) | None => break,
            }
        }
    }
    Ok(count)
}
