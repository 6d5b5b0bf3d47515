//! A virtual machine without hardware help, whose NICs reach each other and nothing else.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow, bail, ensure};
use serde_json::json;

use crate::{kernel::Kernel, qmp::Monitor};

/// Long enough for a machine that does other things, too.
const LIMIT: Duration = Duration::from_mins(20);
/// A hub joins the two NICs; the machine `pc` lets them be plugged in while it runs.
const OPTIONS: &str = "-machine pc -accel tcg,thread=multi -cpu max -smp 2 -m 1024 \
    -nodefaults -display none -no-reboot \
    -netdev hubport,id=router,hubid=0 -netdev hubport,id=eni,hubid=0";
/// A panic ends the machine; RCU does not wait longer than it must, or the tests do little else.
const KERNEL: &str = "console=ttyS0 panic=-1 rcupdate.rcu_expedited=1";
const NIC: &str = "eni";
/// The guest waits for a link with this address.
const MAC: &str = "02:ec:00:00:00:0a";
/// The router's; the guest knows it, too.
const ROUTER: &str = "02:ec:00:00:01:01";

pub struct Machine {
    qemu: Child,
    monitor: Monitor,
    lines: Receiver<String>,
    deadline: Instant,
    /// The kernel's, and QEMU's own.
    logs: [PathBuf; 2],
}

impl Machine {
    /// Starts the guest; `wanted` are parts of the names of tests. The files that it writes are in `folder`.
    pub fn start(
        kernel: &Kernel,
        initramfs: &Path,
        wanted: &[String],
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let socket = folder.join("qmp");
        let logs = [folder.join("kernel.log"), folder.join("qemu.log")];
        // It ends with this process, however that ends.
        let mut qemu = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "qemu-system-x86_64"])
            .args(OPTIONS.split_whitespace())
            .args(["-append", &format!("{KERNEL} -- {}", wanted.join(" "))])
            .arg("-kernel")
            .arg(&kernel.image)
            .arg("-initrd")
            .arg(initramfs)
            .args(["-serial", &format!("file:{}", logs[0].display())])
            .args(["-serial", "stdio"])
            .args([
                "-qmp",
                &format!("unix:{},server=on,wait=off", socket.display()),
            ])
            .args([
                "-device",
                &format!("virtio-net-pci,netdev=router,mac={ROUTER},romfile="),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&logs[1])?)
            .spawn()
            .context("start setpriv (util-linux)")?;
        let (sender, lines) = channel();
        let output = BufReader::new(qemu.stdout.take().context("no output")?);
        thread::spawn(move || {
            let lines = output.lines().map_while(Result::ok);
            lines
                .map(|line| sender.send(line))
                .take_while(Result::is_ok)
                .for_each(drop);
        });
        let monitor = connect(&mut qemu, &socket).with_context(|| last_lines(&logs[1]))?;
        Ok(Self {
            qemu,
            monitor,
            lines,
            deadline: Instant::now() + LIMIT,
            logs,
        })
    }

    /// The next line that the guest says.
    pub fn line(&mut self) -> anyhow::Result<String> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        match self.lines.recv_timeout(left) {
            Ok(line) => Ok(line.trim_end_matches('\r').to_owned()),
            Err(RecvTimeoutError::Timeout) => {
                bail!("the guest has not ended after {} s", LIMIT.as_secs())
            }
            Err(RecvTimeoutError::Disconnected) => bail!("the guest ended before its tests did"),
        }
    }

    pub fn plug_nic(&mut self) -> anyhow::Result<()> {
        let device = json!({ "driver": "virtio-net-pci", "id": NIC, "netdev": NIC, "mac": MAC, "romfile": "" });
        self.monitor.ask("device_add", &device)
    }

    /// Waits until the guest has let go of it.
    pub fn unplug_nic(&mut self) -> anyhow::Result<()> {
        self.monitor.ask("device_del", &json!({ "id": NIC }))?;
        self.monitor.wait_for("DEVICE_DELETED", NIC)
    }

    /// Waits until the guest powered off.
    pub fn wait(&mut self) -> anyhow::Result<()> {
        while self.line().is_ok() {}
        ensure!(
            Instant::now() < self.deadline,
            "the guest does not power off"
        );
        ensure!(self.qemu.wait()?.success(), "QEMU failed");
        Ok(())
    }

    /// What the kernel and QEMU said last.
    pub fn last_words(&self) -> String {
        let [kernel, qemu] = self.logs.each_ref().map(|log| last_lines(log));
        format!("the end of the kernel's log:\n{kernel}\nand of QEMU's:\n{qemu}\n")
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        drop(self.qemu.kill());
        drop(self.qemu.wait());
    }
}

/// The socket is there shortly after QEMU started, or QEMU is gone.
fn connect(qemu: &mut Child, socket: &Path) -> anyhow::Result<Monitor> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match Monitor::connect(socket) {
            Ok(monitor) => return Ok(monitor),
            Err(error) if Instant::now() > deadline => return Err(error.context("QEMU's monitor")),
            Err(_) => {}
        }
        if let Some(status) = qemu.try_wait()? {
            return Err(anyhow!(
                "QEMU does not start ({status}); `make test RUNG=6` installs qemu-system-x86 where it can"
            ));
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn last_lines(log: &Path) -> String {
    let log = fs::read(log).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}
