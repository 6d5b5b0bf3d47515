//! What the demo's and the tests' pods run: an HTTP server, an HTTP client and a raw-socket client, in one static binary.

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};
use e2e::{
    attack,
    raw::{
        self,
        forms::{FORMS, Forms},
    },
};

#[derive(Parser)]
#[command(about = "Serve, get, and try what a pod must not reach")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Answer every HTTP request with the caller's address, until ended.
    Serve {
        /// TCP port.
        #[arg(long, default_value_t = 8080)]
        port: u16,
    },
    /// Get one HTTP page and print its body.
    Get {
        /// Address and port of the server.
        to: SocketAddr,
        /// Path to get.
        #[arg(long, default_value = "/")]
        path: String,
        /// Local address to call from.
        #[arg(long)]
        from: Option<IpAddr>,
        /// Seconds to wait for the connection and for each read.
        #[arg(long, default_value_t = 3)]
        timeout: u64,
    },
    /// Open a TCP connection and say nothing on it.
    Connect {
        /// Address and port of the server.
        to: SocketAddr,
        /// Local address to call from.
        #[arg(long)]
        from: Option<IpAddr>,
        /// Seconds to wait for the connection.
        #[arg(long, default_value_t = 3)]
        timeout: u64,
    },
    /// Get a page over and over, each time on a new connection, until ended; print a line for each failure.
    Watch {
        /// Address and port of the server.
        to: SocketAddr,
        /// Local address to call from.
        #[arg(long)]
        from: Option<IpAddr>,
    },
    /// Send a TCP SYN to the instance metadata service through a packet socket, below all routing, and wait for an answer.
    RawMetadata {
        /// Interface to send from.
        #[arg(long, default_value = "eni0")]
        interface: String,
        /// Router behind that interface.
        #[arg(long)]
        gateway: Ipv4Addr,
        /// Seconds to wait for the answer.
        #[arg(long, default_value_t = 2)]
        timeout: u64,
    },
    /// Send packets to the instance metadata service through packet sockets, in every form that one can give them.
    RawForms {
        /// Interface to send from.
        #[arg(long, default_value = "eni0")]
        interface: String,
        /// How often.
        #[arg(long, default_value_t = 10)]
        times: usize,
    },
    /// Do to the ENI, and to the node, what a pod with `NET_ADMIN` and `NET_RAW` can do, until ended.
    Attack {
        /// Interface of the ENI.
        #[arg(long, default_value = "eni0")]
        interface: String,
        /// A file that the attack makes, and where it finds it, it does nothing.
        #[arg(long)]
        once: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    match run(&Args::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Serve { port } => serve(*port),
        Command::Get {
            to,
            path,
            from,
            timeout,
        } => {
            print!("{}", get(*to, path, *from, Duration::from_secs(*timeout))?);
            Ok(())
        }
        Command::Connect { to, from, timeout } => {
            connect(*to, *from, Duration::from_secs(*timeout))?;
            println!("connected");
            Ok(())
        }
        Command::Watch { to, from } => loop {
            match get(*to, "/", *from, Duration::from_secs(1)) {
                Ok(_) => println!("ok"),
                Err(error) => println!("failed: {error:#}"),
            }
            std::thread::sleep(Duration::from_millis(50));
        },
        Command::RawMetadata {
            interface,
            gateway,
            timeout,
        } => {
            println!(
                "{}",
                raw::syn_to_metadata(interface, *gateway, Duration::from_secs(*timeout))?
            );
            Ok(())
        }
        Command::RawForms { interface, times } => {
            let forms = Forms::open(interface)?;
            let taken: usize = (0..*times).map(|_| forms.send()).sum();
            println!("the kernel took {taken} of {}", times * FORMS);
            Ok(())
        }
        Command::Attack { interface, once } => {
            if once.as_ref().is_some_and(|file| file.exists()) {
                loop {
                    std::thread::park();
                }
            }
            if let Some(file) = once {
                std::fs::write(file, "")?;
            }
            attack::attack(interface)
        }
    }
}

fn serve(port: u16) -> anyhow::Result<()> {
    // One socket for both families; without IPv6 in the kernel for the one that there is.
    let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port))
        .or_else(|_| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)))
        .with_context(|| format!("listen on port {port}"))?;
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { continue };
        std::thread::spawn(move || {
            let caller = stream
                .peer_addr()
                .map_or_else(|_| "?".to_owned(), |a| a.ip().to_canonical().to_string());
            let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
            read_request(&mut stream);
            let body = format!("hello {caller}\n");
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
        });
    }
    Ok(())
}

/// Reads to the empty line: a socket closed with unread data in it resets the connection.
fn read_request(stream: &mut TcpStream) {
    let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
    while !seen.ends_with(b"\r\n\r\n") {
        match stream.read(&mut buffer) {
            Ok(length) if length > 0 => seen.extend(buffer.iter().take(length)),
            Ok(_) | Err(_) => return,
        }
    }
}

fn connect(to: SocketAddr, from: Option<IpAddr>, timeout: Duration) -> anyhow::Result<TcpStream> {
    match from {
        Some(from) => raw::connect_from(from, to, timeout),
        None => {
            TcpStream::connect_timeout(&to, timeout).with_context(|| format!("connect to {to}"))
        }
    }
}

fn get(
    to: SocketAddr,
    path: &str,
    from: Option<IpAddr>,
    timeout: Duration,
) -> anyhow::Result<String> {
    let mut stream = connect(to, from, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .with_context(|| format!("read from {to}"))?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .context("the answer has no body")?;
    if !head.starts_with("HTTP/1.1 200") && !head.starts_with("HTTP/1.0 200") {
        bail!("{to} answered {}", head.lines().next().unwrap_or_default());
    }
    Ok(body.to_owned())
}
