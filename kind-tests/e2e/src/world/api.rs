//! Looks at objects of the API server, through one kubectl that stays: starting another one for each look costs more than
//! the answer.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context, bail};
use cluster::{Background, Cluster};
use serde_json::Value;

use super::text;

/// How long the proxy may take to start, and the API server to answer.
const LIMIT: Duration = Duration::from_secs(30);
/// Where the kinds are that scenarios look at, by the names that kubectl knows them by.
const KINDS: &[(&str, &str, &str)] = &[
    ("api/v1", "event", "events"),
    ("api/v1", "node", "nodes"),
    ("api/v1", "pod", "pods"),
    ("api/v1", "resourcequota", "resourcequotas"),
    ("api/v1", "serviceaccount", "serviceaccounts"),
    ("apis/apps/v1", "daemonset", "daemonsets"),
    ("apis/apps/v1", "deployment", "deployments"),
    ("apis/batch/v1", "job", "jobs"),
    ("apis/coordination.k8s.io/v1", "lease", "leases"),
    ("apis/eniclaim.io/v1alpha1", "eniclaim", "eniclaims"),
    ("apis/eniclaim.io/v1alpha1", "eninode", "eninodes"),
];

/// `kubectl proxy` on a Unix socket, which ends with this value.
pub(super) struct Api {
    socket: PathBuf,
    _proxy: Background,
}

impl Api {
    pub(super) fn of(cluster: &Cluster) -> anyhow::Result<Self> {
        let socket = cluster.state_dir().join("api.sock");
        let argument = format!("--unix-socket={}", text(&socket));
        let proxy = cluster.kubectl_spawn("proxy", &["proxy", &argument])?;
        cluster.poll("kubectl proxy", LIMIT, || {
            UnixStream::connect(&socket).is_ok()
        })?;
        Ok(Self {
            socket,
            _proxy: proxy,
        })
    }

    /// An object, or null where there is none.
    pub(super) fn get(
        &self,
        namespace: Option<&str>,
        kind: &str,
        name: &str,
    ) -> anyhow::Result<Value> {
        self.ask(&format!("{}/{name}", path(namespace, kind)?))
    }

    /// The items of a list.
    pub(super) fn list(
        &self,
        namespace: Option<&str>,
        kind: &str,
        query: &str,
    ) -> anyhow::Result<Vec<Value>> {
        let mut list = self.ask(&format!("{}?{query}", path(namespace, kind)?))?;
        // Where the kind itself is unknown nothing is known of its objects.
        match list.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => Ok(items),
            _ => bail!("no list of {kind}: {list}"),
        }
    }

    fn ask(&self, path: &str) -> anyhow::Result<Value> {
        let (status, body) = self
            .exchange(path)
            .with_context(|| format!("GET /{path} by kubectl proxy"))?;
        match status.as_str() {
            "200" => Ok(serde_json::from_str(&body)?),
            "404" => Ok(Value::Null),
            _ => bail!("GET /{path}: {status} {body}"),
        }
    }

    /// By HTTP/1.0: the answer ends with the connection.
    fn exchange(&self, path: &str) -> anyhow::Result<(String, String)> {
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(LIMIT))?;
        let request =
            format!("GET /{path} HTTP/1.0\r\nHost: localhost\r\nAccept: application/json\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
        let status = head.split(' ').nth(1).context("no status")?;
        Ok((status.to_owned(), body.to_owned()))
    }
}

fn path(namespace: Option<&str>, kind: &str) -> anyhow::Result<String> {
    let known = KINDS
        .iter()
        .find(|known| known.1 == kind || known.2 == kind);
    let (group, _, plural) = known.with_context(|| format!("where is the kind {kind}?"))?;
    Ok(match namespace {
        Some(namespace) => format!("{group}/namespaces/{namespace}/{plural}"),
        None => format!("{group}/{plural}"),
    })
}

#[cfg(test)]
mod tests {
    use super::path;

    #[test]
    fn kinds_are_found_by_both_names() {
        for kind in ["pod", "pods"] {
            assert_eq!(path(Some("a"), kind).unwrap(), "api/v1/namespaces/a/pods");
        }
        let all = path(None, "eninode").unwrap();
        assert_eq!(all, "apis/eniclaim.io/v1alpha1/eninodes");
        assert!(path(None, "secret").is_err());
    }
}
