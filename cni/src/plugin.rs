//! The verbs. There is no policy here but one: a pod that does not ask is passed through without a socket.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Read, Write},
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    agent::{self, NoReply},
    config::Config,
    environment::{Environment, Verb},
    error::{CniError, code},
    protocol::{Add, Del, Reply, Request},
    result, tombstone,
    version::SpecVersion,
};

/// `f_type` of nsfs (include/uapi/linux/magic.h).
const NSFS_MAGIC: u64 = 0x6e73_6673;

/// How long the plugin waits for what. Kubelet gives a sandbox 4 minutes.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For an agent that is not there, on ADD.
    pub absent_on_add: Duration,
    /// For an agent that is not there, on DEL.
    pub absent_on_del: Duration,
    /// For the agent's answer to ADD; the agent itself gives up after 200 s.
    pub add: Duration,
    /// For the agent's answer to DEL.
    pub del: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            absent_on_add: Duration::from_secs(20),
            absent_on_del: Duration::from_secs(2),
            add: Duration::from_secs(210),
            del: Duration::from_mins(1),
        }
    }
}

/// What the plugin prints, and whether it worked.
#[derive(Debug)]
pub struct Outcome {
    version: SpecVersion,
    answer: Result<Option<Value>, CniError>,
}

impl Outcome {
    /// Whether the exit status is 0.
    pub fn is_success(&self) -> bool {
        self.answer.is_ok()
    }

    /// Writes CNI JSON, or nothing where the specification wants nothing.
    pub fn print(&self, stdout: &mut impl Write) -> io::Result<()> {
        match &self.answer {
            Ok(None) => Ok(()),
            Ok(Some(value)) => writeln!(stdout, "{value}"),
            Err(CniError { code, msg }) => {
                writeln!(
                    stdout,
                    "{}",
                    json!({ "cniVersion": self.version.as_str(), "code": code, "msg": msg })
                )
            }
        }
    }
}

/// Runs the verb that the environment names.
pub fn run(
    lookup: impl Fn(&str) -> Option<OsString>,
    stdin: &mut impl Read,
    patience: Patience,
) -> Outcome {
    let environment = Environment(lookup);
    let verb = environment.verb();
    let config = Config::read(stdin);
    let version = config.as_ref().map_or(SpecVersion::V1_1_0, |c| c.version);
    let answer = verb.and_then(|verb| match verb {
        Verb::Add => add(&environment, &config?, patience).map(Some),
        // What cannot be read cannot name anything to take away, and a failing DEL is repeated for ever.
        Verb::Del => config
            .map_or(Ok(()), |config| del(&environment, &config, patience))
            .map(|()| None),
        Verb::Check => check(&config?).map(|()| None),
        // A failing STATUS turns the whole node NotReady, and nothing here can fail for ever. Nothing leaks, so GC has no work.
        Verb::Status | Verb::Gc => at_least(config?.version, SpecVersion::V1_1_0).map(|()| None),
        Verb::Version => Ok(Some(config?.version.answer())),
    });
    Outcome { version, answer }
}

fn add(
    environment: &Environment<impl Fn(&str) -> Option<OsString>>,
    config: &Config,
    patience: Patience,
) -> Result<Value, CniError> {
    let class = config.class()?;
    let previous = config.previous_result()?;
    let Some(class) = class else {
        return Ok(result::pass_through(config.version, previous));
    };

    config.refuse_unknown_keys()?;
    let sandbox = environment.sandbox(config.network()?)?;
    let path = environment.netns()?.ok_or_else(|| {
        CniError::new(
            code::ENVIRONMENT,
            "CNI_NETNS is not set; the container runtime must set it",
        )
    })?;
    let (netns, real_path) = open_netns(&path)?;
    let pod = environment.pod()?.ok_or_else(|| {
        CniError::new(code::ENVIRONMENT, "CNI_ARGS must hold K8S_POD_NAMESPACE, K8S_POD_NAME and K8S_POD_UID: only pods of Kubernetes can have a claim")
    })?;
    let socket = config.socket()?;
    let request = Request::Add(Add {
        sandbox,
        netns: real_path,
        pod,
        class: class.to_owned(),
    });
    let reply = agent::ask(
        &socket,
        request,
        Some(netns.as_fd()),
        patience.absent_on_add,
        patience.add,
    )
    .map_err(|why| no_reply(&socket, &why))?;
    match reply {
        Reply::Added(added) => {
            result::with_interface(config.version, previous, &added, &path.to_string_lossy())
        }
        Reply::Failed(error) => Err(error),
        Reply::Deleted => Err(CniError::new(
            code::PROTOCOL,
            "the agent answered ADD as if it were DEL",
        )),
    }
}

fn del(
    environment: &Environment<impl Fn(&str) -> Option<OsString>>,
    config: &Config,
    patience: Patience,
) -> Result<(), CniError> {
    if !matches!(config.class(), Ok(Some(_))) {
        return Ok(());
    }
    let del = Del {
        sandbox: environment.sandbox(config.network()?)?,
    };
    // Containerd repeats DEL without CNI_NETNS, and the namespace may be gone: both are no reason to fail.
    let netns = environment.netns()?.and_then(|path| open_netns(&path).ok());
    let socket = config.socket()?;
    let fd = netns.as_ref().map(|(fd, _)| fd.as_fd());
    match agent::ask(
        &socket,
        Request::Del(del.clone()),
        fd,
        patience.absent_on_del,
        patience.del,
    ) {
        Ok(Reply::Deleted) => Ok(()),
        Ok(Reply::Failed(error)) => Err(error),
        Ok(Reply::Added(_)) => Err(CniError::new(
            code::PROTOCOL,
            "the agent answered DEL as if it were ADD",
        )),
        Err(NoReply::NotThere) => leave_to_the_agent(&socket, &del),
        Err(why) => Err(no_reply(&socket, &why)),
    }
}

/// Without an agent the tombstone is enough, at once: libcni stops a chain at its first DEL error, and the plugins before this one
/// would leak an address at each retry.
fn leave_to_the_agent(socket: &Path, del: &Del) -> Result<(), CniError> {
    let folder = tombstone::folder(socket);
    tombstone::lay(&folder, del).map_err(|e| {
        CniError::new(
            code::IO,
            format!(
                "cannot write a note for the absent agent into {}: {e}",
                folder.display()
            ),
        )
    })
}

fn check(config: &Config) -> Result<(), CniError> {
    at_least(config.version, SpecVersion::V0_4_0)?;
    match config.class()? {
        None => Ok(()),
        Some(_) => Err(CniError::new(
            code::ENVIRONMENT,
            "CNI_COMMAND=CHECK is not supported for pods with an ENI; set disableCheck: true in the network configuration",
        )),
    }
}

fn at_least(version: SpecVersion, needed: SpecVersion) -> Result<(), CniError> {
    if version >= needed {
        return Ok(());
    }
    Err(CniError::new(
        code::INCOMPATIBLE_VERSION,
        format!(
            "cniVersion {} does not have this verb; it came with {}",
            version.as_str(),
            needed.as_str()
        ),
    ))
}

/// The namespace as a descriptor, because paths and inode numbers are used again, and its path without symbolic links:
/// the agent's mount namespace may know `/run/netns`, but not `/var/run`.
fn open_netns(path: &Path) -> Result<(OwnedFd, String), CniError> {
    let refuse = |why: &str| {
        CniError::new(
            code::ENVIRONMENT,
            format!("CNI_NETNS={}: {why}", path.display()),
        )
    };
    let file = File::open(path).map_err(|e| refuse(&e.to_string()))?;
    let kind = rustix::fs::fstatfs(&file)
        .map_err(|e| refuse(&e.to_string()))?
        .f_type;
    if u64::try_from(kind) != Ok(NSFS_MAGIC) {
        return Err(refuse("not a network namespace"));
    }
    let real = path.canonicalize().unwrap_or_else(|_| PathBuf::from(path));
    Ok((file.into(), real.to_string_lossy().into_owned()))
}

fn no_reply(socket: &Path, why: &NoReply) -> CniError {
    let socket = socket.display();
    match why {
        NoReply::NotThere => CniError::new(
            code::TRY_LATER,
            format!(
                "the eniclaim agent does not listen at {socket}; look at the eniclaim-agent DaemonSet's pod on this node"
            ),
        ),
        NoReply::TooSlow => CniError::new(
            code::TRY_LATER,
            format!(
                "the eniclaim agent at {socket} did not answer in time; look at the logs of the eniclaim-agent DaemonSet's pod on this node"
            ),
        ),
        NoReply::Garbled(_) => CniError::new(
            code::PROTOCOL,
            format!("the eniclaim agent at {socket}: {why}"),
        ),
        NoReply::Io(_) => CniError::new(
            code::IO,
            format!("cannot talk to the eniclaim agent at {socket}: {why}"),
        ),
    }
}
