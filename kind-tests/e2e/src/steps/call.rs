//! A system call as a step: what it changes, as /proc shows the thread that has stopped at its entry.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
};

use nix::libc;

/// A message on a Unix socket.
pub(super) const ANSWER: &str = "answer to the plugin";
/// Where a message's type is (`struct nlmsghdr`), and a batch of nftables in its first message.
const KIND: usize = 4;
const BATCH_BEGIN: u16 = 16;
/// Of the four types of each kind of object the third asks (rtnetlink(7)).
const GET: u16 = 2;

/// What the call changes; `None` when it changes nothing.
pub(super) fn step(pid: i32, thread: i32) -> Option<String> {
    let folder = format!("/proc/{pid}/task/{thread}");
    let call = fs::read_to_string(format!("{folder}/syscall")).ok()?;
    let mut words = call.split_whitespace();
    let number: i64 = words.next()?.parse().ok()?;
    let arguments: Vec<u64> = words
        .filter_map(|word| u64::from_str_radix(word.trim_start_matches("0x"), 16).ok())
        .collect();
    let argument = |n: usize| arguments.get(n).copied();
    match number {
        libc::SYS_rename | libc::SYS_renameat | libc::SYS_renameat2 => Some("rename".to_owned()),
        libc::SYS_unlink | libc::SYS_unlinkat => Some("unlink".to_owned()),
        libc::SYS_write | libc::SYS_pwrite64 | libc::SYS_writev => {
            let file = target(&folder, argument(0)?)?;
            let counts = file.starts_with('/') && !file.starts_with("/dev/");
            counts.then(|| format!("write to {file}"))
        }
        libc::SYS_sendto => sent(pid, &folder, argument(0)?, argument(1)?),
        // The first part of the first message: `msg_iov`, and in it `iov_base`.
        libc::SYS_sendmsg | libc::SYS_sendmmsg => {
            let parts = pointer(pid, argument(1)? + 16)?;
            sent(pid, &folder, argument(0)?, pointer(pid, parts)?)
        }
        _ => None,
    }
}

/// A message that changes the kernel's network, or goes to the plugin.
fn sent(pid: i32, folder: &str, socket: u64, buffer: u64) -> Option<String> {
    let name = target(folder, socket)?;
    let inode = name.strip_prefix("socket:[")?.strip_suffix(']')?;
    let is_in = |table: &str| {
        let table = fs::read_to_string(format!("{folder}/net/{table}")).unwrap_or_default();
        table
            .lines()
            .any(|line| line.split_whitespace().any(|word| word == inode))
    };
    if is_in("netlink") {
        let head: [u8; 8] = memory(pid, buffer)?;
        let kind = u16::from_ne_bytes([*head.get(KIND)?, *head.get(KIND + 1)?]);
        let changes = kind == BATCH_BEGIN || kind % 4 != GET;
        return changes.then(|| format!("netlink message of type {kind}"));
    }
    is_in("unix").then(|| ANSWER.to_owned())
}

fn target(folder: &str, fd: u64) -> Option<String> {
    let link = fs::read_link(format!("{folder}/fd/{fd}")).ok()?;
    Some(link.to_string_lossy().into_owned())
}

fn pointer(pid: i32, address: u64) -> Option<u64> {
    memory(pid, address).map(u64::from_ne_bytes)
}

fn memory(pid: i32, address: u64) -> Option<[u8; 8]> {
    let mut bytes = [0; 8];
    let memory = File::open(format!("/proc/{pid}/mem")).ok()?;
    memory.read_exact_at(&mut bytes, address).ok()?;
    Some(bytes)
}
