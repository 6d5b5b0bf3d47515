//! The EC2 Query protocol as a pure function: a form in, XML out.

use std::hash::{DefaultHasher, Hash, Hasher};

use vpc::{Ec2Error, Vpc};

mod call;
mod form;
mod shape;

pub use form::Form;

/// What EC2 says to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The XML.
    pub body: String,
    /// What a caller may tell AWS's support; also in the body.
    pub request_id: String,
    /// EC2's error code, if the call was refused.
    pub error: Option<String>,
}

/// Lets everything happen that is due at `now_ms`, then answers the call in `form_body`.
pub fn answer(vpc: &mut Vpc, form_body: &str, now_ms: u64) -> Answer {
    vpc.advance(now_ms);
    let request_id = request_id(form_body, now_ms);
    match granted(vpc, &Form::parse(form_body), now_ms, &request_id) {
        Ok(body) => Answer {
            status: 200,
            body,
            request_id,
            error: None,
        },
        Err(error) => Answer::refused(400, error.code(), &error.to_string(), request_id),
    }
}

fn granted(vpc: &mut Vpc, form: &Form, now_ms: u64, request_id: &str) -> Result<String, Ec2Error> {
    let request = call::parse(form)?;
    let action = form.get("Action").unwrap_or_default();
    let token = form.get("ClientToken");
    let response = vpc.call(request, now_ms)?;
    Ok(shape::success(vpc, action, token, &response, request_id))
}

impl Answer {
    /// A refusal in the form of EC2's.
    pub fn refused(status: u16, code: &str, message: &str, request_id: String) -> Self {
        let body = shape::failure(code, message, &request_id);
        Self {
            status,
            body,
            request_id,
            error: Some(code.to_owned()),
        }
    }
}

/// Equal calls at equal times have equal ids, so that a simulation repeats itself bit by bit.
pub fn request_id(form_body: &str, now_ms: u64) -> String {
    let mut hasher = DefaultHasher::new();
    (form_body, now_ms).hash(&mut hasher);
    let hash = hasher.finish();
    format!(
        "{:08x}-{:04x}-4000-8000-{:012x}",
        hash >> 32,
        hash >> 16 & 0xffff,
        now_ms & 0xffff_ffff_ffff
    )
}
