//! Two libc symbols, `getrandom` and `clock_gettime`, that answer a thread from a seed once it asked for that.
//!
//! `std` and the crates below us get all their randomness and time through these two, on the static musl target too: a Rust
//! library comes before libc on the linker's command line, so its symbols are taken. Threads that did not ask are
//! answered by the kernel. A hash map takes its keys once a thread, so [`begin`] must come first on a fresh one.

use std::{
    cell::Cell,
    ffi::{c_int, c_long, c_uint},
};

/// What a thread that began sees as the time: this second, and a nanosecond more each time it looks.
const START: i64 = 1_800_000_000;
// Numbers of the two system calls (`arch/x86/entry/syscalls/syscall_64.tbl`, `scripts/syscall.tbl`).
#[cfg(target_arch = "x86_64")]
const GETRANDOM: c_long = 318;
#[cfg(target_arch = "x86_64")]
const CLOCK_GETTIME: c_long = 228;
#[cfg(target_arch = "aarch64")]
const GETRANDOM: c_long = 278;
#[cfg(target_arch = "aarch64")]
const CLOCK_GETTIME: c_long = 113;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("which numbers have getrandom and clock_gettime here?");

thread_local! {
    static RANDOM: Cell<Option<u64>> = const { Cell::new(None) };
    static LOOKS: Cell<i64> = const { Cell::new(0) };
}

/// From now on this thread's random numbers follow from `seed`, and its clock counts how often it was looked at.
pub fn begin(seed: u64) {
    // Any seed but zero keeps the generator going.
    RANDOM.set(Some(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) | 1));
    LOOKS.set(0);
}

/// `struct timespec` of 64-bit Linux.
#[repr(C)]
#[derive(Debug)]
pub struct Timespec {
    seconds: i64,
    nanoseconds: i64,
}

#[allow(unsafe_code, reason = "declares a symbol of libc")]
unsafe extern "C" {
    fn syscall(number: c_long, ...) -> isize;
}

/// The system call of that name.
///
/// # Safety
/// As for libc's: `buffer` points to `length` writable bytes.
#[allow(unsafe_code, reason = "stands in for the symbol of libc")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getrandom(buffer: *mut u8, length: usize, flags: c_uint) -> isize {
    let Some(mut state) = RANDOM.get() else {
        // SAFETY: the caller's promise about the buffer is the kernel's too.
        return unsafe { syscall(GETRANDOM, buffer, length, flags) };
    };
    for at in 0..length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        // SAFETY: `at` is below `length`, so this byte lies in the caller's buffer.
        unsafe { buffer.add(at).write(state.to_le_bytes()[0]) };
    }
    RANDOM.set(Some(state));
    length.cast_signed()
}

/// The system call of that name; a thread that began sees all clocks alike.
///
/// # Safety
/// As for libc's: `time` points to a writable timespec.
#[allow(unsafe_code, reason = "stands in for the symbol of libc")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: c_int, time: *mut Timespec) -> c_int {
    if RANDOM.get().is_none() {
        // SAFETY: the caller's promise about the pointer is the kernel's too.
        let answer = unsafe { syscall(CLOCK_GETTIME, clock, time) };
        return if answer == 0 { 0 } else { -1 };
    }
    LOOKS.set(LOOKS.get() + 1);
    // SAFETY: the caller promises a writable timespec.
    unsafe {
        time.write(Timespec {
            seconds: START,
            nanoseconds: LOOKS.get(),
        });
    };
    0
}

#[cfg(test)]
mod tests {
    use std::{
        collections::hash_map::RandomState,
        hash::BuildHasher,
        thread,
        time::{Instant, SystemTime, UNIX_EPOCH},
    };

    use super::*;

    fn hash_on_a_fresh_thread(seed: Option<u64>) -> u64 {
        let body = move || {
            seed.into_iter().for_each(begin);
            RandomState::new().hash_one("a")
        };
        thread::spawn(body).join().unwrap()
    }

    #[test]
    fn hash_maps_follow_the_seed() {
        assert_eq!(
            hash_on_a_fresh_thread(Some(7)),
            hash_on_a_fresh_thread(Some(7))
        );
        assert_ne!(
            hash_on_a_fresh_thread(Some(7)),
            hash_on_a_fresh_thread(Some(8))
        );
    }

    #[test]
    fn a_thread_that_did_not_ask_is_answered_by_the_kernel() {
        assert_ne!(hash_on_a_fresh_thread(None), hash_on_a_fresh_thread(None));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        assert!(now.as_secs() != START.unsigned_abs() && Instant::now().elapsed().as_secs() < 60);
    }

    #[test]
    fn the_clock_counts_its_looks() {
        let body = || {
            begin(1);
            let first = Instant::now();
            let second = Instant::now();
            let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            ((second - first).as_nanos(), wall.as_secs())
        };
        assert_eq!(
            thread::spawn(body).join().unwrap(),
            (1, START.unsigned_abs())
        );
    }
}
