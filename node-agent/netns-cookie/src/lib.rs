//! The identity of a network namespace: `SO_NETNS_COOKIE`, a number that the kernel gives to one namespace only.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

/// The cookie of the namespace that `socket` was opened in; never 0. Linux before 5.14 does not know the option: `ENOPROTOOPT`.
///
/// Source: `SO_NETNS_COOKIE` in include/uapi/asm-generic/socket.h; `sk_getsockopt` in net/core/sock.c writes a `u64`.
pub fn netns_cookie(socket: BorrowedFd<'_>) -> io::Result<u64> {
    let mut cookie = 0_u64;
    let Ok(mut length) = libc::socklen_t::try_from(size_of::<u64>()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    // SAFETY: the kernel writes at most `length` bytes to `cookie`, which is that long and lives until the call returns.
    #[allow(unsafe_code)]
    let outcome = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut length,
        )
    };
    match outcome {
        0 => Ok(cookie),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use std::{net::UdpSocket, os::fd::AsFd};

    use super::netns_cookie;

    #[test]
    fn two_sockets_of_one_namespace_have_one_cookie() {
        let [first, second] = [0, 1].map(|_| UdpSocket::bind("127.0.0.1:0").unwrap());
        let cookie = netns_cookie(first.as_fd()).unwrap();
        assert_ne!(cookie, 0);
        assert_eq!(netns_cookie(second.as_fd()).unwrap(), cookie);
    }
}
