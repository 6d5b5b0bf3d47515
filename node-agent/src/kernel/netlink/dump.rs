//! Lists: asked for, folded message by message, and asked for again if they changed meanwhile.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use netlink_packet_core::{NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR};
use netlink_packet_route::RouteNetlinkMessage;

use crate::kernel::netlink::{Message, Netlink, verdict};

/// A list that changed while it was read is read again, for so long, with pauses that double.
const PATIENCE: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

impl Netlink {
    /// Asks for a list and folds it message by message: nothing is gathered but what `fold` keeps. After a first failure
    /// of `fold` the rest is only read.
    pub(crate) fn dump<T: Default>(
        &mut self,
        request: &RouteNetlinkMessage,
        fold: impl FnMut(&mut T, &Message<'_>) -> io::Result<()>,
    ) -> io::Result<T> {
        self.dump_until(request, fold, |_| false)
    }

    /// As [`Self::dump`], but a list that changed while it was read will do if it is `enough`.
    pub(crate) fn dump_until<T: Default>(
        &mut self,
        request: &RouteNetlinkMessage,
        fold: impl FnMut(&mut T, &Message<'_>) -> io::Result<()>,
        enough: impl Fn(&T) -> bool,
    ) -> io::Result<T> {
        match self.dump_tries(request, fold, enough)? {
            (folded, true) => Ok(folded),
            (_, false) => Err(io::Error::other(
                "the kernel's list changed again and again while it was read",
            )),
        }
    }

    /// The list as it was last read, and whether it will do: it did not change meanwhile, or is `enough`. What `fold` puts elsewhere than
    /// into its first argument comes from every attempt to read it.
    pub(crate) fn dump_tries<T: Default>(
        &mut self,
        request: &RouteNetlinkMessage,
        mut fold: impl FnMut(&mut T, &Message<'_>) -> io::Result<()>,
        enough: impl Fn(&T) -> bool,
    ) -> io::Result<(T, bool)> {
        let (deadline, mut pause) = (Instant::now() + PATIENCE, FIRST_PAUSE);
        loop {
            let (folded, interrupted) = self.dump_once(request, &mut fold)?;
            let will_do = !interrupted || enough(&folded);
            if will_do || Instant::now() >= deadline {
                return Ok((folded, will_do));
            }
            thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn dump_once<T: Default>(
        &mut self,
        request: &RouteNetlinkMessage,
        fold: &mut impl FnMut(&mut T, &Message<'_>) -> io::Result<()>,
    ) -> io::Result<(T, bool)> {
        let mut bytes = Vec::new();
        let sequence = self.encode(request.clone(), NLM_F_REQUEST | NLM_F_DUMP, &mut bytes);
        self.send(&bytes)?;
        let (mut folded, mut interrupted, mut outcome) = (T::default(), false, Ok(()));
        self.answers(|message| {
            if message.sequence_number() != sequence {
                return false;
            }
            interrupted |= message.flags() & NLM_F_DUMP_INTR != 0;
            let end = matches!(message.message_type(), NLMSG_DONE | NLMSG_ERROR);
            if outcome.is_ok() {
                outcome = if end {
                    verdict(message)
                } else {
                    fold(&mut folded, message)
                };
            }
            end
        })?;
        outcome.map(|()| (folded, interrupted))
    }
}
