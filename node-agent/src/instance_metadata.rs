//! The instance metadata service, by its version 2, on a host without Kubernetes: the subnet of an ENI whose configuration leaves it to the
//! service. Sources: "Use the Instance Metadata Service to access instance metadata" and "Instance metadata categories" in the Amazon EC2
//! User Guide.

use std::{net::Ipv4Addr, time::Duration};

use cni::{
    CniError,
    error::code,
    protocol::{Asked, Request},
};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Method, Request as HttpRequest, StatusCode, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use ipnet::Ipv4Net;
use node_agent_core::{layout::METADATA_V4, mac::Mac, replaced::WithoutSubnet};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

const SERVICE: (Ipv4Addr, u16) = (METADATA_V4, 80);
/// It answers from the host itself, within milliseconds.
const ANSWER: Duration = Duration::from_secs(2);
/// It knows an ENI some seconds after EC2 attached it.
const KNOWN: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(500);
/// A token is for the one question that it was made for.
const TOKEN_TTL: &str = "30";
const LONGEST: usize = 4096;

/// Adds the subnet to the configuration that a request hands over, if it is without.
pub async fn complete(request: &mut Request) -> Result<(), CniError> {
    let asked = match request {
        Request::Add(add) => &mut add.asked,
        Request::Check(check) => &mut check.asked,
        _ => return Ok(()),
    };
    let Asked::Configuration(configuration) = asked else {
        return Ok(());
    };
    let plugin = &configuration.plugin;
    let Some(lacking) = WithoutSubnet::find(plugin, &configuration.text) else {
        return Ok(());
    };
    let subnet = subnet(lacking.mac).await.map_err(|why| {
        let sentence = format!("{plugin}: {}", lacking.unknown(&why));
        CniError::new(code::TRY_LATER, sentence)
    })?;
    let wrong = |error| CniError::new(code::CONFIGURATION, format!("{plugin}: {error}"));
    configuration.text = lacking.complete(subnet).map_err(wrong)?;
    Ok(())
}

/// The IPv4 subnet of an attached ENI, or why it is not known.
async fn subnet(mac: Mac) -> Result<Ipv4Net, String> {
    let path = format!("/latest/meta-data/network/interfaces/macs/{mac}/subnet-ipv4-cidr-block");
    let deadline = Instant::now() + KNOWN;
    loop {
        let asked = timeout(ANSWER, get(&path)).await;
        match asked.unwrap_or_else(|_| Err("it does not answer".to_owned()))? {
            (StatusCode::OK, text) => {
                let subnet = text.trim().parse();
                return subnet.map_err(|_| format!("it says {text:?}"));
            }
            (StatusCode::NOT_FOUND, _) if Instant::now() < deadline => sleep(PAUSE).await,
            (StatusCode::NOT_FOUND, _) => {
                return Err("the instance has no such interface".to_owned());
            }
            (status, _) => return Err(format!("it answers {status}")),
        }
    }
}

/// Asks with a token, which is what version 2 is.
async fn get(path: &str) -> Result<(StatusCode, String), String> {
    let ttl = ("x-aws-ec2-metadata-token-ttl-seconds", TOKEN_TTL);
    let (status, token) = send(Method::PUT, "/latest/api/token", ttl).await?;
    if status != StatusCode::OK {
        return Err(format!("it answers {status} when asked for a token"));
    }
    send(Method::GET, path, ("x-aws-ec2-metadata-token", &token)).await
}

async fn send(
    method: Method,
    path: &str,
    (name, value): (&str, &str),
) -> Result<(StatusCode, String), String> {
    let said = |error: &dyn std::error::Error| error.to_string();
    let stream = TcpStream::connect(SERVICE)
        .await
        .map_err(|error| said(&error))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| said(&error))?;
    // It ends with the sender.
    tokio::spawn(connection);
    let request = HttpRequest::builder()
        .method(method)
        .uri(path)
        .header("host", SERVICE.0.to_string())
        .header(name, value)
        .body(Empty::<Bytes>::new())
        .map_err(|error| said(&error))?;
    let answer = sender.send_request(request).await;
    let answer = answer.map_err(|error| said(&error))?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), LONGEST).collect().await;
    let body = body.map_err(|error| error.to_string())?.to_bytes();
    let text = str::from_utf8(&body).map_err(|error| said(&error))?;
    Ok((status, text.to_owned()))
}
