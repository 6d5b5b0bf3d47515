//! What must be put back, whatever happens meanwhile.

use std::{
    any::Any,
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
};

use anyhow::bail;

type Undo<W> = Box<dyn FnOnce(&W) -> anyhow::Result<()>>;

/// Changes of a `W` that are to be undone.
pub(super) struct AtEnd<W>(RefCell<Vec<Undo<W>>>);

impl<W> Default for AtEnd<W> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<W> AtEnd<W> {
    pub(super) fn push(&self, undo: impl FnOnce(&W) -> anyhow::Result<()> + 'static) {
        self.0.borrow_mut().push(Box::new(undo));
    }

    /// Undoes all of it, the latest change first, and goes on after what cannot be undone; gives what could not.
    pub(super) fn run(&self, world: &W) -> Vec<anyhow::Error> {
        let mut failed = Vec::new();
        loop {
            let Some(undo) = self.0.borrow_mut().pop() else {
                return failed;
            };
            failed.extend(outcome(|| undo(world)).err());
        }
    }
}

/// What became of a piece of work; a panic is a failure like another.
pub fn outcome(work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(outcome) => outcome,
        Err(panic) => bail!("it panicked: {}", said(panic.as_ref())),
    }
}

/// The text of a panic.
fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latest_change_is_undone_first_and_none_is_left_out() {
        let at_end = AtEnd::<RefCell<Vec<u32>>>::default();
        for change in 0..5 {
            at_end.push(move |undone: &RefCell<Vec<u32>>| {
                undone.borrow_mut().push(change);
                match change {
                    1 => bail!("change {change} stays"),
                    3 => panic!("change {change} stays"),
                    _ => Ok(()),
                }
            });
        }
        let undone = RefCell::default();
        let failed = at_end.run(&undone);
        assert_eq!(*undone.borrow(), [4, 3, 2, 1, 0]);
        let failed: Vec<String> = failed.iter().map(ToString::to_string).collect();
        assert_eq!(failed, ["it panicked: change 3 stays", "change 1 stays"]);
        assert!(at_end.run(&undone).is_empty() && undone.borrow().len() == 5);
    }

    #[test]
    fn panic_is_a_failure_with_its_sentence() {
        let failed = outcome(|| panic!("as ever")).unwrap_err();
        assert_eq!(failed.to_string(), "it panicked: as ever");
        assert_eq!(
            outcome(|| bail!("as said")).unwrap_err().to_string(),
            "as said"
        );
        outcome(|| Ok(())).unwrap();
    }
}
