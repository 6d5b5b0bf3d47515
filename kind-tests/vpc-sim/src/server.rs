//! The program: a namespace, its endpoints and its keeper, from start to signal.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rtnetlink::{MulticastGroup, new_multicast_connection};
use tokio::{
    net::{TcpListener, UnixListener},
    runtime,
    signal::unix::{SignalKind, signal},
    task::{LocalSet, spawn_local},
};
use vpc::{Delays, Vpc};

use crate::{
    SimError,
    dhcp::Sockets,
    http::{Endpoint, serve_tcp, serve_tls, serve_unix},
    keeper::keep,
    namespace::{Left, Namespace},
    state::{Sim, World},
    store::Store,
    tls::Identity,
    wires::Wires,
};

/// The endpoints that the network sees.
const ENDPOINTS: &[(&str, Endpoint)] = &[
    ("192.0.2.1:80", Endpoint::Ec2),
    ("[2001:db8::1]:80", Endpoint::Ec2),
    ("169.254.169.254:80", Endpoint::Imds),
    ("[fd00:ec2::254]:80", Endpoint::Imds),
];

/// Where the API is over TLS, if it is.
const TLS: &str = "192.0.2.1:443";

/// What to play, and under which name.
#[derive(Debug, Clone)]
pub struct Options {
    /// The network namespace is `<prefix>-vpc`.
    pub prefix: String,
    /// Folder for the control socket `sim.sock`; made if it is not there.
    pub state_dir: PathBuf,
    /// How long EC2 takes, unless the state file says otherwise.
    pub delays: Delays,
    /// The state is kept in this file, and read from it at the start if it is there.
    pub state_file: Option<PathBuf>,
    /// The certificate of the API; without one there is no TLS.
    pub tls: Option<Identity>,
}

/// Plays AWS until SIGTERM or SIGINT, then takes everything away. Moves the calling thread into the VPC's namespace.
pub fn serve(options: &Options) -> Result<(), SimError> {
    let (store, kept) = match options.state_file.clone().map(Store::open).transpose()? {
        Some((store, kept)) => (Some(store), kept),
        None => (None, None),
    };
    // Links without the state that they belong to would be those of nobody.
    let left = if kept.is_some() {
        Left::Taken
    } else {
        Left::Removed
    };
    // Dropped last: by then every socket in it is closed.
    let _namespace = Namespace::enter(&options.prefix, left)?;
    let sim = kept.unwrap_or_else(|| Sim::new(Vpc::new(options.delays)));
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(SimError::Runtime)?;
    LocalSet::new().block_on(&runtime, run(options, sim, store))
}

async fn run(options: &Options, sim: Sim, store: Option<Store>) -> Result<(), SimError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(SimError::Runtime)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(SimError::Runtime)?;
    let (connection, netlink, links) =
        new_multicast_connection(&[MulticastGroup::Link]).map_err(SimError::Runtime)?;
    spawn_local(connection);
    let dhcp = Sockets::open()?;
    let wires = Wires::new(netlink, dhcp.members()?);
    let world = World::new(sim, wires, store);
    if let Err(error) = world.settle().await {
        let error = error.chain();
        tracing::warn!(error, "a wire of the kept state is not as it should be");
    }
    for (address, endpoint) in ENDPOINTS {
        spawn_local(serve_tcp(world.clone(), *endpoint, listen(address).await?));
    }
    dhcp.serve(&world);
    if let Some(identity) = &options.tls {
        let (listener, acceptor) = (listen(TLS).await?, identity.acceptor()?);
        spawn_local(serve_tls(world.clone(), Endpoint::Ec2, listener, acceptor));
    }
    let socket = options.state_dir.join("sim.sock");
    spawn_local(serve_unix(
        world.clone(),
        bind(&options.state_dir, &socket)?,
    ));
    spawn_local(keep(world, links));
    println!("ready");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    remove(&socket)
}

async fn listen(address: &str) -> Result<TcpListener, SimError> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|source| SimError::Listen {
        address: address.to_owned(),
        source,
    })
}

fn bind(folder: &Path, socket: &Path) -> Result<UnixListener, SimError> {
    fs::create_dir_all(folder).map_err(|source| SimError::File {
        path: folder.to_owned(),
        source,
    })?;
    remove(socket)?;
    UnixListener::bind(socket).map_err(|source| SimError::Listen {
        address: socket.display().to_string(),
        source,
    })
}

fn remove(socket: &Path) -> Result<(), SimError> {
    match fs::remove_file(socket) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(SimError::File {
            path: socket.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}
