//! DHCP servers of Debian, in the VPC.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{DEADLINE, SERVER_END};
use crate::world::World;

/// Whose server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Software {
    Dnsmasq,
    Kea,
    Isc,
}

/// What it serves; its leases are `LEASES`, its log `LOG` in its folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// A subnet `10.0.{subnet}.0/24`, of which it gives .100 to .110.
    V4 { subnet: u8 },
    /// A subnet `2001:db8:{subnet}::/64`, of which it gives `::100` to `::110`. Its DUID ends with `id`.
    V6 { subnet: u8, id: u8 },
}

const LEASES: &str = "leases";
const LOG: &str = "log";

/// A server. It ends with this value.
pub struct Server {
    software: Software,
    folder: TempDir,
    namespace: String,
    child: Option<Child>,
}

impl Server {
    pub fn start(world: &World, software: Software, service: Service) -> Self {
        let mut server = Self {
            software,
            folder: tempfile::tempdir().unwrap(),
            namespace: world.name("vpc"),
            child: None,
        };
        server.run(service);
        server
    }

    /// Starts it again, with its lease file.
    pub fn restart(&mut self, service: Service) {
        self.stop();
        self.run(service);
    }

    /// Starts it again, without its lease file.
    pub fn forget(&mut self, service: Service) {
        self.stop();
        for file in fs::read_dir(self.folder.path()).unwrap() {
            let path = file.unwrap().path();
            if path
                .file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with(LEASES)
            {
                fs::remove_file(path).unwrap();
            }
        }
        self.run(service);
    }

    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let pid = child.id().to_string();
            Command::new("kill").arg(&pid).status().unwrap();
            let deadline = Instant::now() + DEADLINE;
            while child.try_wait().unwrap().is_none() {
                assert!(
                    Instant::now() < deadline,
                    "{:?} does not end",
                    self.software
                );
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.path(LOG)).unwrap_or_default()
    }

    /// Waits until the log says all of that in one line, in upper or lower case.
    pub fn wait_for_log(&self, words: &[&str]) {
        let deadline = Instant::now() + DEADLINE;
        let says = |line: &str| {
            words
                .iter()
                .all(|word| line.to_lowercase().contains(&word.to_lowercase()))
        };
        while !self.log().lines().any(says) {
            assert!(
                Instant::now() < deadline,
                "no {words:?} in the log of {:?}:\n{}",
                self.software,
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&mut self, service: Service) {
        let (path, configuration) = (self.path("configuration"), self.configuration(service));
        fs::write(&path, configuration).unwrap();
        fs::write(self.path(LOG), "").unwrap();
        let (name, arguments) = self.arguments(service);
        let log = File::options().append(true).open(self.path(LOG)).unwrap();
        let child = Command::new("ip")
            .args(["netns", "exec", &self.namespace])
            .arg(self.copy(name))
            .args(arguments)
            .env("KEA_PIDFILE_DIR", self.folder.path())
            .env("KEA_LOCKFILE_DIR", self.folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        self.child = Some(child.unwrap());
        self.wait_for_log(&[match (self.software, service) {
            (Software::Dnsmasq, Service::V4 { .. }) => "sockets bound exclusively",
            (Software::Dnsmasq, Service::V6 { .. }) => "dhcpv6, ip range",
            (Software::Kea, _) => "_started",
            (Software::Isc, _) => "server starting service",
        }]);
    }

    /// `AppArmor` lets the programs at their places read their own folders only.
    fn copy(&self, name: &str) -> PathBuf {
        let copy = self.path(name);
        if !copy.exists() {
            let from = PathBuf::from("/usr/sbin").join(name);
            fs::copy(&from, &copy)
                .unwrap_or_else(|error| panic!("{} is needed: {error}", from.display()));
        }
        copy
    }

    fn arguments(&self, service: Service) -> (&'static str, Vec<String>) {
        let path = |name| self.path(name).display().to_string();
        let configuration = path("configuration");
        let v6 = matches!(service, Service::V6 { .. });
        match self.software {
            Software::Dnsmasq => (
                "dnsmasq",
                vec![
                    "--keep-in-foreground".into(),
                    format!("--conf-file={configuration}"),
                ],
            ),
            Software::Kea if v6 => ("kea-dhcp6", vec!["-c".into(), configuration]),
            Software::Kea => ("kea-dhcp4", vec!["-c".into(), configuration]),
            Software::Isc => {
                let leases = path(LEASES);
                File::options()
                    .create(true)
                    .append(true)
                    .open(&leases)
                    .unwrap();
                let family = if v6 { "-6" } else { "-4" };
                let arguments = [
                    family,
                    "-f",
                    "-d",
                    "-cf",
                    &configuration,
                    "-lf",
                    &leases,
                    "-pf",
                    &path("pid"),
                    SERVER_END,
                ];
                ("dhcpd", arguments.map(str::to_owned).into())
            }
        }
    }

    /// T1 is 6 s and T2 9 s, where the server can be told so; lifetimes are 120 s, the least that dnsmasq knows.
    fn configuration(&self, service: Service) -> String {
        let leases = self.path(LEASES).display().to_string();
        let folder = self.folder.path().display();
        match (self.software, service) {
            (Software::Dnsmasq, Service::V4 { subnet }) => format!(
                "port=0\nuser=root\ninterface={SERVER_END}\nbind-interfaces\nexcept-interface=lo\nno-ping\nno-resolv\nno-hosts\n\
                 log-dhcp\nlog-facility=-\npid-file=\ndhcp-leasefile={leases}\ndhcp-authoritative\n\
                 dhcp-range=10.0.{subnet}.100,10.0.{subnet}.110,255.255.255.0,120\ndomain=example.com\n\
                 dhcp-option=option:T1,6\ndhcp-option=option:T2,9\ndhcp-option=option:mtu,1400\n\
                 dhcp-option=option:router,10.0.{subnet}.1\ndhcp-option=option:dns-server,10.0.0.53,10.0.0.54\n\
                 dhcp-option=option:ntp-server,10.0.0.123\n\
                 dhcp-option=option:domain-search,eng.example.com,example.com\n\
                 dhcp-option=option:classless-static-route,0.0.0.0/0,10.0.{subnet}.1,10.9.0.0/16,0.0.0.0\n"
            ),
            (Software::Dnsmasq, Service::V6 { subnet, id }) => format!(
                "port=0\nuser=root\ninterface={SERVER_END}\nbind-interfaces\nexcept-interface=lo\nno-resolv\nno-hosts\n\
                 log-dhcp\nlog-facility=-\npid-file=\ndhcp-leasefile={leases}\ndhcp-authoritative\ndhcp-duid=1,0{id}\n\
                 dhcp-range=2001:db8:{subnet}::100,2001:db8:{subnet}::110,64,120\n\
                 dhcp-option=option6:dns-server,[2001:db8::53]\ndhcp-option=option6:domain-search,example.com\n\
                 dhcp-option=option6:ntp-server,[2001:db8::123]\n"
            ),
            (Software::Kea, Service::V4 { subnet }) => kea(
                "4",
                &leases,
                &format!(
                    "\"authoritative\": true, \"subnet4\": [{{\"subnet\": \"10.0.{subnet}.0/24\", \
                 \"pools\": [{{\"pool\": \"10.0.{subnet}.100 - 10.0.{subnet}.110\"}}], \"option-data\": [\
                 {{\"name\": \"routers\", \"data\": \"10.0.{subnet}.1\"}},\
                 {{\"name\": \"domain-name-servers\", \"data\": \"10.0.0.53, 10.0.0.54\"}},\
                 {{\"name\": \"domain-name\", \"data\": \"example.com\"}},\
                 {{\"name\": \"domain-search\", \"data\": \"eng.example.com, example.com\"}},\
                 {{\"name\": \"ntp-servers\", \"data\": \"10.0.0.123\"}},\
                 {{\"code\": 121, \"csv-format\": false, \"data\": \"000A00{subnet:02X}01100A0900000000\"}},\
                 {{\"name\": \"interface-mtu\", \"data\": \"1400\"}}]}}]"
                ),
            ),
            (Software::Kea, Service::V6 { subnet, id }) => kea(
                "6",
                &leases,
                &format!(
                    "\"preferred-lifetime\": 60, \"data-directory\": \"{folder}\", \
                 \"server-id\": {{\"type\": \"EN\", \"enterprise-id\": 1, \"identifier\": \"0{id}\", \"persist\": false}}, \
                 \"subnet6\": [{{\"subnet\": \"2001:db8:{subnet}::/64\", \"interface\": \"{SERVER_END}\", \
                 \"pools\": [{{\"pool\": \"2001:db8:{subnet}::100 - 2001:db8:{subnet}::110\"}}], \
                 \"pd-pools\": [{{\"prefix\": \"2001:db8:8000::\", \"prefix-len\": 48, \"delegated-len\": 80}}], \"option-data\": [\
                 {{\"name\": \"dns-servers\", \"data\": \"2001:db8::53\"}},\
                 {{\"name\": \"domain-search\", \"data\": \"example.com\"}}]}}]"
                ),
            ),
            (Software::Isc, Service::V4 { subnet }) => format!(
                "authoritative;\nping-check false;\ndefault-lease-time 120;\nmax-lease-time 120;\nmin-lease-time 120;\n\
                 option classless code 121 = array of integer 8;\n\
                 option dhcp-renewal-time 6;\noption dhcp-rebinding-time 9;\n\
                 subnet 10.0.{subnet}.0 netmask 255.255.255.0 {{\nrange 10.0.{subnet}.100 10.0.{subnet}.110;\n\
                 option routers 10.0.{subnet}.1;\noption domain-name-servers 10.0.0.53, 10.0.0.54;\n\
                 option domain-name \"example.com\";\noption domain-search \"eng.example.com\", \"example.com\";\n\
                 option ntp-servers 10.0.0.123;\noption interface-mtu 1400;\n\
                 option classless 0, 10,0,{subnet},1, 16,10,9, 0,0,0,0;\n}}\n"
            ),
            (Software::Isc, Service::V6 { subnet, id }) => format!(
                "authoritative;\ndefault-lease-time 120;\npreferred-lifetime 60;\nserver-duid en 1 \"id-{id}\";\n\
                 option dhcp-renewal-time 6;\noption dhcp-rebinding-time 9;\n\
                 option dhcp6.name-servers 2001:db8::53;\noption dhcp6.domain-search \"example.com\";\n\
                 subnet6 2001:db8:{subnet}::/64 {{\nrange6 2001:db8:{subnet}::100 2001:db8:{subnet}::110;\n}}\n"
            ),
        }
    }
}

fn kea(family: &str, leases: &str, rest: &str) -> String {
    format!(
        "{{\"Dhcp{family}\": {{\"interfaces-config\": {{\"interfaces\": [\"{SERVER_END}\"]}}, \
         \"lease-database\": {{\"type\": \"memfile\", \"persist\": true, \"name\": \"{leases}\", \"lfc-interval\": 0}}, \
         \"renew-timer\": 6, \"rebind-timer\": 9, \"valid-lifetime\": 120, \
         \"loggers\": [{{\"name\": \"kea-dhcp{family}\", \"severity\": \"DEBUG\", \"debuglevel\": 40, \
         \"output_options\": [{{\"output\": \"stdout\"}}]}}], {rest}}}}}"
    )
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("log of {:?}:\n{}", self.software, self.log());
        }
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
