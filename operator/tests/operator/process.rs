//! The real program: it starts with one TLS provider, says what it lacks, and ends when asked.

use std::{
    fs::{self, File},
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    time::{Duration, Instant},
};

/// The program, with an API server that takes connections and never answers.
struct Operator {
    child: Child,
    port: u16,
    api: TcpListener,
    home: tempfile::TempDir,
}

impl Operator {
    fn start(environment: &[(&str, &str)], flags: &[&str]) -> Self {
        let api = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let home = tempfile::tempdir().unwrap();
        let kubeconfig = home.path().join("config");
        let server = format!("https://{}", api.local_addr().unwrap());
        std::fs::write(
            &kubeconfig,
            format!(
                "{{apiVersion: v1, kind: Config, current-context: c, users: [{{name: u, user: {{token: t}}}}], \
                 clusters: [{{name: c, cluster: {{server: '{server}', insecure-skip-tls-verify: true}}}}], \
                 contexts: [{{name: c, context: {{cluster: c, user: u}}}}]}}"
            ),
        )
        .unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_eniclaim-operator"))
            .args(flags)
            .env_clear()
            .env("KUBECONFIG", &kubeconfig)
            .env("HOME", home.path())
            .env("ENICLAIM_HTTP_PORT", port.to_string())
            .env("ENICLAIM_LOG_FORMAT", "json")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .envs(environment.iter().copied())
            .stderr(File::create(home.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        Self {
            child,
            port,
            api,
            home,
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.home.path().join("log")).unwrap()
    }

    /// Head and body, or nothing while the port is closed.
    fn answer(&self, path: &str) -> Option<(String, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: o\r\nconnection: close\r\n\r\n"
        )
        .ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.to_owned(), body.to_owned()))
    }

    /// Status and body, or nothing while the port is closed.
    fn get(&self, path: &str) -> Option<(u16, String)> {
        let (head, body) = self.answer(path)?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body))
    }

    fn until<T>(&self, what: &str, look: impl Fn(&Self) -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            assert!(
                Instant::now() < deadline,
                "{what} did not come; /readyz says {:?}",
                self.get("/readyz")
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Asks it to end, and says whether it ended well; it has 25 s where kubelet allows 30 s.
    fn terminate(&mut self, signal: &str) -> bool {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &pid])
                .status()
                .unwrap()
                .success()
        );
        let deadline = Instant::now() + Duration::from_secs(25);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.success();
            }
            assert!(Instant::now() < deadline, "still there 25 s after {signal}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Each line is one flat object with each key once.
fn flat(log: &str) {
    // The last one may be on its way.
    let (whole, _) = log.rsplit_once('\n').unwrap();
    for line in whole.lines() {
        telemetry::line::read(line).unwrap();
    }
}

const AWS: [(&str, &str); 3] = [
    ("AWS_REGION", "us-east-1"),
    ("AWS_ACCESS_KEY_ID", "a"),
    ("AWS_SECRET_ACCESS_KEY", "b"),
];

#[test]
fn it_lives_without_an_api_server_and_ends_when_asked() {
    let mut operator = Operator::start(&AWS, &[]);
    let says = operator.until("the reason", |o| {
        o.get("/readyz").filter(|(_, body)| body.contains("pods"))
    });
    assert_eq!(says.0, 503);
    assert_eq!(operator.get("/livez").unwrap().0, 200);
    let (head, metrics) = operator.answer("/metrics").unwrap();
    assert!(metrics.contains("eniclaim_operator_ready 0.0"), "{metrics}");
    let format = "content-type: application/openmetrics-text; version=1.0.0";
    assert!(head.contains(format), "Prometheus 3 takes no other: {head}");
    flat(&operator.log());
    assert_eq!(operator.get("/other").unwrap().0, 404);
    assert!(operator.terminate("-TERM"));
}

#[test]
fn with_every_flag_it_starts_and_ends_when_asked() {
    let mut operator = Operator::start(
        &[
            &AWS[..],
            &[
                ("POD_NAME", "eniclaim-operator-0"),
                ("POD_NAMESPACE", "net"),
            ],
        ]
        .concat(),
        &[
            "--cluster-id=prod.eu-west-1",
            "--budget-share=0.3",
            "--sweep=dry-run",
            "--agent-selector=app.kubernetes.io/component=agent",
            "--lease-name=eniclaim-operator",
            "--leader-elect-lease-duration=30s",
        ],
    );
    operator.until("the reason", |o| {
        o.get("/readyz").filter(|(_, body)| body.contains("pods"))
    });
    assert!(operator.terminate("-INT"));
}

/// Cases: A04.
#[test]
fn without_a_region_it_waits_and_says_where_it_looked() {
    let mut operator = Operator::start(&[], &[]);
    let (status, body) = operator.until("the reason", |o| {
        o.get("/readyz").filter(|(_, body)| body.contains("region"))
    });
    assert_eq!(status, 503);
    assert!(
        ["AWS_REGION", "profile", "metadata"]
            .iter()
            .all(|source| body.contains(source)),
        "{body}"
    );
    assert!(operator.terminate("-TERM"));
}

#[test]
fn it_ends_when_asked_while_it_looks_for_its_region() {
    // Instance metadata that takes connections and never answers: the look-up is in flight.
    let metadata = TcpListener::bind("127.0.0.1:0").unwrap();
    metadata.set_nonblocking(true).unwrap();
    let address = format!("http://{}", metadata.local_addr().unwrap());
    let mut operator = Operator::start(
        &[
            ("AWS_EC2_METADATA_DISABLED", "false"),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &address),
        ],
        &[],
    );
    let _asks = operator.until("the look-up", |_| metadata.accept().ok());
    assert!(operator.terminate("-TERM"));
}

#[test]
fn a_hook_that_is_asked_to_end_takes_back_what_it_has_done_and_says_what_it_could_not() {
    let mut operator = Operator::start(&AWS, &["drain"]);
    operator.api.set_nonblocking(true).unwrap();
    let _asks = operator.until("its first request", |o| o.api.accept().ok());
    // From now on connections are refused.
    operator.api = TcpListener::bind("127.0.0.1:0").unwrap();
    assert!(!operator.terminate("-TERM"));
    let log = operator.log();
    let says = "asked to end before it was done; run it again; moreover, the API server did not show the operator's Deployment";
    assert!(log.contains(says), "{log}");
}

#[test]
fn what_ended_it_is_said_with_each_cause_once() {
    let output = Command::new(env!("CARGO_BIN_EXE_eniclaim-operator"))
        .env_clear()
        .env("KUBECONFIG", "/nonexistent/config")
        .arg("check")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    let cause = "No such file or directory";
    assert_eq!(said.matches(cause).count(), 1, "{said}");
    assert!(said.contains("find the Kubernetes API"), "{said}");
}

#[test]
fn a_wrong_flag_ends_it_with_a_sentence_that_says_what_fits() {
    for (flag, says) in [
        ("--cluster-id=prod*", "1 to 64 characters"),
        ("--budget-share=2", "above 0 and at most 1"),
        ("--sweep=maybe", "dry-run"),
        ("--leader-elect-lease-duration=1s", "from 15s to 5m"),
        ("--log-level=loud", "\"loud\" is no level; a level is off,"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_eniclaim-operator"))
            .env_clear()
            .arg(flag)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(says), "{said}");
    }
}
