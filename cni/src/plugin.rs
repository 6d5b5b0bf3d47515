//! The verbs. There is no policy here but one: a pod that does not ask is passed through without a socket.

mod add;
mod check;
mod del;
mod gc;
mod ipam;

use std::{
    ffi::{OsStr, OsString},
    io::{self, Read, Write},
    time::Duration,
};

use serde::Serialize;

use crate::{
    config::Config,
    environment::{Environment, Verb},
    error::{CniError, code},
    netns::Netns,
    protocol::{Asked, Configuration, Pod},
    version::SpecVersion,
};

/// For an agent that is away: one that is being upgraded is back soon, or not at all for this call.
const ABSENT: Duration = Duration::from_secs(2);
/// For the answer to ADD and CHECK, which the agent gives sooner. The runtime holds a lock for reading while a plugin runs, and to load a
/// changed configuration it wants the same lock for writing (the `RWMutex` of go-cni and of ocicni): every other pod of the node then
/// waits behind this one.
const WAIT: Duration = Duration::from_secs(18);

/// What the plugin prints, and whether it worked.
#[derive(Debug)]
pub struct Outcome {
    version: SpecVersion,
    answer: Result<Vec<u8>, CniError>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure<'a> {
    cni_version: &'static str,
    code: u32,
    msg: &'a str,
}

impl Outcome {
    /// Whether the exit status is 0.
    pub fn is_success(&self) -> bool {
        self.answer.is_ok()
    }

    /// Writes CNI JSON, or nothing where the specification wants nothing.
    pub fn print(&self, stdout: &mut impl Write) -> io::Result<()> {
        match &self.answer {
            Ok(text) => stdout.write_all(text)?,
            Err(CniError { code, msg }) => stdout.write_all(&serde_json::to_vec(&Failure {
                cni_version: self.version.as_str(),
                code: *code,
                msg,
            })?)?,
        }
        stdout.flush()
    }
}

/// Runs the verb that the environment names. `program` is the path that the plugin was run by, and may be that of a plugin which it replaces.
pub fn run(
    program: &OsStr,
    lookup: impl Fn(&str) -> Option<OsString>,
    stdin: &mut impl Read,
) -> Outcome {
    let environment = Environment(&lookup);
    let config = Config::read(program, stdin);
    let version = config.as_ref().ok().and_then(|it| it.version().ok());
    let version = version.unwrap_or(SpecVersion::V1_1_0);
    let nothing = |()| Vec::new();
    let answer = environment.verb().and_then(|verb| match verb {
        Verb::Add => add::add(&environment, &config?),
        Verb::Del => {
            del::del(&environment, config);
            Ok(Vec::new())
        }
        Verb::Check => check::check(&environment, &config?).map(nothing),
        Verb::Gc => gc::gc(&config?).map(nothing),
        // A failing STATUS turns the whole node NotReady, and containerd asks every few seconds: what can be read can work.
        Verb::Status => config.map(|_| Vec::new()),
        Verb::Version => serde_json::to_vec(&version.answer())
            .map_err(|e| CniError::new(code::IO, e.to_string())),
    });
    Outcome { version, answer }
}

/// The version that a result of ADD is to have. A configuration that cannot be obeyed is refused before anybody is asked.
fn version_of_result(config: &Config) -> Result<SpecVersion, CniError> {
    let version = config.version()?;
    config.refuse_unknown_keys()?;
    Ok(version)
}

/// The namespace that ADD and CHECK cannot do without, and its path as the runtime wrote it.
fn netns(environment: &Environment<'_>) -> Result<(Netns, String), CniError> {
    let path = environment.required("CNI_NETNS")?;
    Ok((Netns::open(path.as_ref())?, path))
}

/// What is meant: the ENIs of a pod's claims, or what a configuration for another plugin says.
fn asked(environment: &Environment<'_>, config: &Config) -> Result<Asked, CniError> {
    match configuration(config) {
        Some(configuration) if config.is_of_claims() => Ok(Asked::Configuration(Configuration {
            pod: Some(pod(environment, config)?),
            ip: environment.ip()?,
            ..configuration
        })),
        Some(configuration) => Ok(Asked::Configuration(configuration)),
        None => pod(environment, config).map(Asked::Pod),
    }
}

/// A configuration for another plugin.
fn configuration(config: &Config) -> Option<Configuration> {
    Some(Configuration {
        plugin: config.replaced()?.to_owned(),
        text: config.text(),
        pod: None,
        ip: None,
    })
}

/// The pod, and the interfaces that it asks for.
fn pod(environment: &Environment<'_>, config: &Config) -> Result<Pod, CniError> {
    Ok(Pod {
        interfaces: config.interfaces()?,
        ..environment.pod()?
    })
}

/// Why there is no network for the pod that the environment names.
fn refuse(environment: &Environment<'_>, why: &str) -> CniError {
    let pod = environment.pod();
    let pod = pod.map_or_else(
        |_| "the pod".to_owned(),
        |pod| format!("pod {}/{}", pod.namespace, pod.name),
    );
    CniError::new(code::CONFIGURATION, format!("{pod} {why}"))
}

/// The agent answered another question.
fn confused() -> CniError {
    CniError::new(
        code::PROTOCOL,
        "the eniclaim agent gave the answer to another request; look at this node's pod of the eniclaim-agent DaemonSet",
    )
}
