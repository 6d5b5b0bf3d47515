//! How often a claim may be told that its leases are others. Whoever can answer in a server's place, such as the pod itself, could make
//! them change with every renewal.

use std::collections::VecDeque;

use node_agent_core::dhcp::BootTime;

/// So many changes are told as they come,
const MOST: usize = 5;
/// in so many milliseconds.
const WITHIN: u64 = 600_000;

/// When the last changes were told.
#[derive(Debug, Default)]
pub(super) struct News(VecDeque<BootTime>);

impl News {
    /// When the next change may be told.
    pub fn next_at(&self) -> BootTime {
        match self.0.front() {
            Some(first) if self.0.len() >= MOST => first.after(WITHIN),
            _ => BootTime(0),
        }
    }

    /// A change is told.
    pub fn tell(&mut self, now: BootTime) {
        self.0.push_back(now);
        while self.0.len() > MOST {
            self.0.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_changes_are_told_at_once_and_many_are_not() {
        let mut news = News::default();
        for second in 0..5 {
            let now = BootTime(1_000_000 + second * 1_000);
            assert!(news.next_at() <= now);
            news.tell(now);
        }
        assert_eq!(news.next_at(), BootTime(1_600_000));
        news.tell(BootTime(1_600_000));
        assert_eq!(news.next_at(), BootTime(1_601_000));
    }
}
