//! Looks at objects of the API server, through one kubectl that stays: starting another one for each look costs more than
//! the answer.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
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
    ("apis/apps/v1", "statefulset", "statefulsets"),
    ("apis/batch/v1", "job", "jobs"),
    ("apis/coordination.k8s.io/v1", "lease", "leases"),
    ("apis/eniclaim.io/v1alpha1", "eniclaim", "eniclaims"),
    ("apis/eniclaim.io/v1alpha1", "eniclass", "eniclasses"),
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
        let path = format!("{}/{name}", path(namespace, kind)?);
        match self.ask(&path)? {
            (200, object) => Ok(serde_json::from_str(&object)?),
            (404, said) if is_of_object(&said, name) => Ok(Value::Null),
            (status, said) => bail!("GET /{path}: {status} {said}"),
        }
    }

    /// The items of a list.
    pub(super) fn list(
        &self,
        namespace: Option<&str>,
        kind: &str,
        query: &str,
    ) -> anyhow::Result<Vec<Value>> {
        let path = format!("{}?{query}", path(namespace, kind)?);
        let (status, said) = self.ask(&path)?;
        ensure!(status == 200, "GET /{path}: {status} {said}");
        let mut list: Value = serde_json::from_str(&said)?;
        match list.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => Ok(items),
            _ => bail!("no list of {kind}: {list}"),
        }
    }

    /// The status and the body of the answer.
    fn ask(&self, path: &str) -> anyhow::Result<(u16, String)> {
        self.exchange(path)
            .with_context(|| format!("GET /{path} by kubectl proxy"))
    }

    /// By HTTP/1.0: the answer ends with the connection.
    fn exchange(&self, path: &str) -> anyhow::Result<(u16, String)> {
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(LIMIT))?;
        let request =
            format!("GET /{path} HTTP/1.0\r\nHost: localhost\r\nAccept: application/json\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
        let status = head.split(' ').nth(1).context("no status")?;
        Ok((status.parse()?, body.to_owned()))
    }
}

/// Whether a 404 is about the object of this name. One about a path or a resource that the API server does not know names
/// no object, and says nothing of whether the object is there.
fn is_of_object(said: &str, name: &str) -> bool {
    let status: Value = serde_json::from_str(said).unwrap_or_default();
    let missing = status.pointer("/details/name").and_then(Value::as_str);
    missing == Some(name)
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
    use super::{is_of_object, path};

    #[test]
    fn kinds_are_found_by_both_names() {
        for kind in ["pod", "pods"] {
            assert_eq!(path(Some("a"), kind).unwrap(), "api/v1/namespaces/a/pods");
        }
        let all = path(None, "eninode").unwrap();
        assert_eq!(all, "apis/eniclaim.io/v1alpha1/eninodes");
        assert!(path(None, "secret").is_err());
    }

    #[test]
    fn only_a_missing_object_is_null() {
        // As Kubernetes 1.36 answers: for a pod that is not there, a resource that is none of the group's, an unknown group.
        let object = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"pods \"web\" not found","reason":"NotFound","details":{"name":"web","kind":"pods"},"code":404}"#;
        let resource = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"the server could not find the requested resource","reason":"NotFound","details":{},"code":404}"#;
        let group = "404 page not found\n";
        assert!(is_of_object(object, "web"));
        assert!(!is_of_object(object, "other"));
        assert!(!is_of_object(resource, "web") && !is_of_object(group, "web"));
    }
}
