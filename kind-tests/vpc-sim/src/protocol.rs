//! The EC2 Query protocol as a pure function: a form in, XML out.

use std::hash::{DefaultHasher, Hash, Hasher};

use call::Call;
use vpc::{Ec2Error, Mutation, Response, Vpc};

mod call;
mod form;
mod id;
mod members;
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
    /// The id of the interface or attachment that the call made.
    pub result: Option<String>,
}

/// Lets everything happen that is due at `now_ms`, then answers the call in `form_body`.
pub fn answer(vpc: &mut Vpc, form_body: &str, now_ms: u64) -> Answer {
    vpc.advance(now_ms);
    let request_id = request_id(form_body, now_ms);
    let form = Form::parse(form_body);
    match outcome(vpc, &form, now_ms) {
        Ok(response) => {
            let body = shape::success(vpc, &form, &response, &request_id);
            let result = made(&response);
            Answer {
                status: 200,
                body,
                request_id,
                error: None,
                result,
            }
        }
        Err(error) => Answer::refused(error.status(), error.code(), &error.to_string(), request_id),
    }
}

fn outcome(vpc: &mut Vpc, form: &Form, now_ms: u64) -> Result<Response, Ec2Error> {
    let Call { request, dry_run } = call::parse(form).map_err(|error| vpc.noted(error))?;
    if dry_run {
        return Err(vpc.dry_run(&request, now_ms));
    }
    vpc.call(request, now_ms)
}

/// What the call in `form_body` would be about at `now_ms`, for tests that judge a call before [`answer`] makes it.
/// `None` for a read, a dry run, and for what is no call.
pub fn mutation(vpc: &mut Vpc, form_body: &str, now_ms: u64) -> Option<Mutation> {
    vpc.advance(now_ms);
    let call = call::parse(&Form::parse(form_body)).ok();
    let Call {
        request,
        dry_run: _,
    } = call.filter(|call| !call.dry_run)?;
    vpc.mutation(&request)
}

fn made(response: &Response) -> Option<String> {
    match response {
        Response::Created(eni) => Some(eni.id.to_string()),
        Response::Attached { attachment, .. } => Some(attachment.to_string()),
        Response::Done
        | Response::Enis(..)
        | Response::Instances(..)
        | Response::InstanceTypes(..)
        | Response::Subnets(..)
        | Response::Groups(..) => None,
    }
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
            result: None,
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
