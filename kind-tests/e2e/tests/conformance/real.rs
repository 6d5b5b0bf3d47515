//! A real API server, through a kubectl proxy on a socket.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::PathBuf,
    time::Duration,
};

use anyhow::Context;
use kube_api::{Answer, Method, Request, conformance::Server};
use serde_json::Value;

/// Longer than any answer takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// Where the proxy listens.
pub struct Real {
    pub socket: PathBuf,
}

impl Server for Real {
    type Error = anyhow::Error;

    fn call(&mut self, request: &Request) -> anyhow::Result<Answer> {
        let (status, body) = answer(self.send(request)?)?;
        let body = serde_json::from_slice(&body)
            .with_context(|| format!("{request:?}: {}", String::from_utf8_lossy(&body)))?;
        Ok(Answer {
            status,
            retry_after: None,
            body,
        })
    }

    fn watch(&mut self, requests: &[Request]) -> anyhow::Result<Vec<Vec<Value>>> {
        // All at once: each lasts its whole time.
        let sent = requests.iter().map(|request| self.send(request));
        let open: Vec<UnixStream> = sent.collect::<anyhow::Result<_>>()?;
        let events = |stream| {
            let (_, body) = answer(stream)?;
            let lines = serde_json::Deserializer::from_slice(&body).into_iter();
            Ok(lines.collect::<Result<_, _>>()?)
        };
        open.into_iter().map(events).collect()
    }
}

impl Real {
    /// One request on a connection of its own.
    fn send(&self, request: &Request) -> anyhow::Result<UnixStream> {
        let method = match request.method {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        };
        let body = if request.body.is_null() {
            String::new()
        } else {
            request.body.to_string()
        };
        let query = if request.query.is_empty() {
            String::new()
        } else {
            format!("?{}", request.query)
        };
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(LIMIT))?;
        write!(
            stream,
            "{method} {}{query} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nuser-agent: {}\r\naccept: {}\r\ncontent-type: {}\r\ncontent-length: {}\r\n\r\n{body}",
            request.path,
            request.user_agent,
            request.accept,
            request.content_type,
            body.len()
        )?;
        Ok(stream)
    }
}

/// Status and body.
fn answer(mut stream: UnixStream) -> anyhow::Result<(u16, Vec<u8>)> {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let end = answer
        .windows(4)
        .position(|w| w == b"\r\n\r\n")
        .context("no head")?;
    let (head, body) = answer.split_at(end);
    let head = String::from_utf8_lossy(head).to_lowercase();
    let status = head.split(' ').nth(1).context("no status")?.parse()?;
    let body = body.get(4..).unwrap_or_default();
    if head.contains("transfer-encoding: chunked") {
        return Ok((status, unchunked(body)?));
    }
    Ok((status, body.to_vec()))
}

fn unchunked(mut rest: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest
            .windows(2)
            .position(|w| w == b"\r\n")
            .context("no chunk")?;
        let (size, after) = rest.split_at(end);
        let size = usize::from_str_radix(std::str::from_utf8(size)?.trim(), 16)?;
        if size == 0 {
            return Ok(body);
        }
        let chunk = after.get(2..2 + size).context("a chunk is cut")?;
        body.extend_from_slice(chunk);
        rest = after.get(4 + size..).unwrap_or_default();
    }
}
