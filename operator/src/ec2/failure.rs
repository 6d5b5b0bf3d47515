//! An error of the SDK as the core understands it.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_ec2::{
    error::{ProvideErrorMetadata, SdkError},
    operation::RequestId,
};
use operator_core::error::{Ec2Error, classify, code};

/// Longest message, code and request id that go into a status, whose schema bounds each.
const MESSAGE: usize = 1024;
const CODE: usize = 128;
const REQUEST_ID: usize = 64;
/// What follows is encrypted anew at each call, and only for who may call `sts:DecodeAuthorizationMessage`.
const ENCODED: &str = "Encoded authorization failure message";

/// What EC2 answered, or why it did not.
pub(super) fn convert<E>(error: &SdkError<E>) -> Ec2Error
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let metadata = error.meta();
    let status = error.raw_response().map_or(0, |r| r.status().as_u16());
    let (code, message) = match metadata.code().filter(|code| !code.is_empty()) {
        Some(code) => (code, repeatable(metadata.message().unwrap_or_default())),
        None => unanswered(error, status),
    };
    Ec2Error {
        class: classify(code, &message, status),
        code: cut(code, CODE),
        message: cut(&message, MESSAGE),
        request_id: metadata.request_id().map(|id| cut(id, REQUEST_ID)),
    }
}

/// Without a region no call leaves the process.
pub(super) fn without_region() -> Ec2Error {
    let message = "no AWS region is known; set the chart value aws.region";
    Ec2Error {
        class: classify(code::NOT_SIGNED, message, 0),
        code: code::NOT_SIGNED.to_owned(),
        message: message.to_owned(),
        request_id: None,
    }
}

/// Code and message of our own. Only what certainly never left this process is called unsigned: an unsigned Create made
/// no ENI, of any other it is unknown.
fn unanswered<E>(error: &SdkError<E>, status: u16) -> (&'static str, String)
where
    E: Error + 'static,
{
    match error {
        SdkError::TimeoutError(_) => (code::TIMEOUT, "EC2 did not answer in time".to_owned()),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => {
            (code::TIMEOUT, causes(error).join(": "))
        }
        SdkError::ConstructionFailure(_) => (code::NOT_SIGNED, causes(error).join(": ")),
        SdkError::DispatchFailure(_) if lacks_credentials(error) => {
            (code::NOT_SIGNED, causes(error).join(": "))
        }
        SdkError::DispatchFailure(_) => (code::NO_ANSWER, causes(error).join(": ")),
        SdkError::ResponseError(_) | SdkError::ServiceError(_) | _ => (
            code::NO_ANSWER,
            format!("what answered is not EC2: HTTP status {status} without an error code"),
        ),
    }
}

fn lacks_credentials(error: &(dyn Error + 'static)) -> bool {
    chain(error).any(<dyn Error>::is::<CredentialsError>)
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// Each cause once: many errors repeat that of their source.
fn causes(error: &(dyn Error + 'static)) -> Vec<String> {
    let mut causes: Vec<String> = Vec::new();
    for cause in chain(error) {
        let cause = cause.to_string();
        if causes.last().is_none_or(|last| !last.contains(&cause)) {
            causes.push(cause);
        }
    }
    causes
}

/// The message without what differs at each call: repeated it is the same Event, and the same status.
fn repeatable(message: &str) -> String {
    let message = message
        .split_once(ENCODED)
        .map_or(message, |(before, _)| before);
    let words = message.split_whitespace();
    words
        .map(|word| if is_time(word) { "…" } else { word })
        .collect::<Vec<_>>()
        .join(" ")
}

/// `20270115T080000Z` or `2027-01-15T08:00:00.000Z`, as messages about clocks and expired tokens have them.
fn is_time(word: &str) -> bool {
    let word = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    word.len() >= 16
        && word.starts_with(|c: char| c.is_ascii_digit())
        && word.ends_with('Z')
        && word.contains('T')
}

fn cut(text: &str, longest: usize) -> String {
    text.chars().take(longest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_the_same_at_each_call() {
        for (message, kept) in [
            (
                "You are not authorized to perform this operation. Encoded authorization failure message: 4fG-9xyz",
                "You are not authorized to perform this operation.",
            ),
            (
                "Signature expired: 20270115T080000Z is now earlier than 20270115T080500Z (20270115T081000Z - 5 min.)",
                "Signature expired: … is now earlier than … … - 5 min.)",
            ),
            (
                "The subnet ID 'subnet-0a1b2c3d4e5f60718' does not exist",
                "The subnet ID 'subnet-0a1b2c3d4e5f60718' does not exist",
            ),
        ] {
            assert_eq!(repeatable(message), kept);
        }
    }
}
