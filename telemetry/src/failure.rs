//! What went wrong with the API server, in words for a log line: its own sentence and code where it answered.

use std::{error::Error, fmt};

use kube::runtime::watcher;

/// The fields `error` and `code` of a log line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// One sentence.
    pub error: String,
    /// The API server's reason, for example Forbidden; none where it did not answer.
    pub code: Option<String>,
}

impl From<&kube::Error> for Failure {
    fn from(error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::answered(status),
            // What it adds to its source is the name of a type.
            kube::Error::Service(source) => Self::unanswered(source.as_ref()),
            kube::Error::HyperError(source) => Self::unanswered(source),
            other => Self::unanswered(other),
        }
    }
}

impl From<&watcher::Error> for Failure {
    fn from(error: &watcher::Error) -> Self {
        match error {
            watcher::Error::InitialListFailed(error)
            | watcher::Error::WatchStartFailed(error)
            | watcher::Error::WatchFailed(error) => error.into(),
            watcher::Error::WatchError(status) => Self::answered(status),
            watcher::Error::NoResourceVersion => Self::unanswered(error),
        }
    }
}

impl Failure {
    fn answered(status: &kube::core::Status) -> Self {
        let (message, reason) = (&status.message, &status.reason);
        Self {
            error: match (message.is_empty(), reason.is_empty()) {
                (false, _) => message.clone(),
                (true, false) => reason.clone(),
                (true, true) => format!("HTTP status {}", status.code),
            },
            code: (!reason.is_empty()).then(|| reason.clone()),
        }
    }

    fn unanswered(error: &(dyn Error + 'static)) -> Self {
        Self {
            error: chain(error),
            code: None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error)
    }
}

/// An error with its causes, each once: many an error repeats its source.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_the_api_server_is_its_sentence_and_its_reason() {
        let status = kube::core::Status::failure("eniclaims is forbidden", "Forbidden");
        let error = kube::Error::Api(Box::new(status.with_code(403)));
        let failure = Failure::from(&error);
        assert_eq!(failure.error, "eniclaims is forbidden");
        assert_eq!(failure.code.as_deref(), Some("Forbidden"));
        let failure = Failure::from(&watcher::Error::WatchFailed(error));
        assert_eq!(failure.error, "eniclaims is forbidden");
    }

    #[test]
    fn without_an_answer_the_causes_are_named() {
        let refused = std::io::Error::other("connection refused");
        let error = kube::Error::ReadEvents(refused);
        let failure = Failure::from(&error);
        assert_eq!(
            failure.error,
            "Error reading events stream: connection refused"
        );
        assert_eq!(failure.code, None);
    }
}
