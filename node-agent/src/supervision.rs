//! Tasks none of which may end: the first that does is named.

use std::collections::HashMap;

use tokio::task::{Id, JoinSet};

/// The running tasks.
#[derive(Default)]
pub struct Tasks {
    set: JoinSet<anyhow::Result<()>>,
    names: HashMap<Id, &'static str>,
}

impl Tasks {
    /// Runs a task until these tasks are dropped.
    pub fn spawn(
        &mut self,
        name: &'static str,
        task: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        let id = self.set.spawn(task).id();
        self.names.insert(id, name);
    }

    /// The end of the first task that ends, however it does: an agent without one of its parts would accept requests and
    /// leave them.
    pub async fn first(&mut self) -> anyhow::Error {
        let name = |id| self.names.get(&id).copied().unwrap_or("a task");
        match self.set.join_next_with_id().await {
            Some(Ok((id, Ok(())))) => anyhow::anyhow!("{} ended", name(id)),
            Some(Ok((id, Err(error)))) => error.context(format!("{} failed", name(id))),
            Some(Err(error)) => anyhow::anyhow!("{} panicked: {error}", name(error.id())),
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn end_of(task: impl Future<Output = anyhow::Result<()>> + Send + 'static) -> String {
        let mut tasks = Tasks::default();
        tasks.spawn("the socket", std::future::pending());
        tasks.spawn("the engine", task);
        format!("{:#}", tasks.first().await)
    }

    #[tokio::test]
    async fn task_that_ends_fails_or_panics_is_named() {
        assert_eq!(end_of(async { Ok(()) }).await, "the engine ended");
        let failing = async { Err(anyhow::anyhow!("no memory")) };
        assert_eq!(end_of(failing).await, "the engine failed: no memory");
        let panicking = async {
            Err(std::panic::catch_unwind(|| ()).map_or_else(|_| anyhow::anyhow!(""), |()| resume()))
        };
        let end = end_of(panicking).await;
        assert!(end.starts_with("the engine panicked"), "{end}");
    }

    fn resume() -> anyhow::Error {
        std::panic::resume_unwind(Box::new("a fault"))
    }
}
