//! An error of the SDK as the core understands it.

use aws_sdk_ec2::{
    error::{DisplayErrorContext, ProvideErrorMetadata, SdkError},
    operation::RequestId,
};
use operator_core::{
    cloud::Refusal,
    kind::{classify, code},
};

/// Longest message and code that go into a status, whose schema bounds both.
const MESSAGE: usize = 1024;
const CODE: usize = 128;
const REQUEST_ID: usize = 64;

/// What EC2 answered, or why it did not.
pub(super) fn refusal<E>(error: &SdkError<E>) -> Refusal
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let metadata = ProvideErrorMetadata::meta(error);
    let (code, message) = match error {
        SdkError::ServiceError(_) => (
            metadata.code().unwrap_or(code::NO_ANSWER).to_owned(),
            metadata
                .message()
                .unwrap_or("EC2 gave no message")
                .to_owned(),
        ),
        // The request never left: the signer found no credentials, or the endpoint no region.
        SdkError::ConstructionFailure(_) => (code::NOT_SIGNED.to_owned(), chain(error)),
        SdkError::TimeoutError(_) => (
            code::TIMEOUT.to_owned(),
            "EC2 did not answer in time".to_owned(),
        ),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => {
            (code::TIMEOUT.to_owned(), chain(error))
        }
        SdkError::DispatchFailure(failure) if failure.is_other() || failure.is_user() => {
            (code::NOT_SIGNED.to_owned(), chain(error))
        }
        SdkError::DispatchFailure(_) | SdkError::ResponseError(_) | _ => {
            (code::NO_ANSWER.to_owned(), chain(error))
        }
    };
    Refusal {
        kind: classify(&code, &message),
        code: cut(&code, CODE),
        message: cut(&message, MESSAGE),
        request_id: RequestId::request_id(metadata).map(|id| cut(id, REQUEST_ID)),
    }
}

fn chain<E: std::error::Error + 'static>(error: &SdkError<E>) -> String {
    DisplayErrorContext(error).to_string()
}

fn cut(text: &str, longest: usize) -> String {
    text.chars().take(longest).collect()
}
