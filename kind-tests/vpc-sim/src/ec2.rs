//! The EC2 endpoint: credentials looked at, faults done, the call answered and logged.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{HeaderMap, Method, Response, header::AUTHORIZATION, http::request::Parts};
use tokio::time::sleep;
use vpc::{Ec2Error, Mutation, Vpc, world::REGION};

use crate::{
    control,
    fault::Refuse,
    protocol::{Answer, Form, answer, mutation, request_id},
    state::{Call, World, now_ms},
};

/// Answers one call; `None` if the caller shall never hear of it.
pub(crate) async fn respond(
    world: &World,
    head: &Parts,
    body: &str,
) -> Option<Response<Full<Bytes>>> {
    let form = Form::parse(body);
    let fault = world.with(|sim| sim.faults.take(&form));
    if let Some(fault) = &fault {
        sleep(fault.delay()).await;
    }
    let now_ms = now_ms();
    let before = world.with(|sim| mutation(&mut sim.vpc, body, now_ms));
    let refuse = |status, code: &str, why: &str| {
        Answer::refused(status, code, why, request_id(body, now_ms))
    };
    let answer = if let Some(Refuse {
        status,
        code,
        message,
    }) = fault.as_ref().and_then(|f| f.refuse.as_ref())
    {
        refuse(*status, code, message)
    } else if !signed(&head.headers) {
        refuse(
            401,
            "AuthFailure",
            "AWS was not able to validate the provided access credentials",
        )
    } else if let Some(error) = elsewhere(head) {
        let error = world.with(|sim| sim.vpc.noted(error));
        refuse(error.status(), error.code(), &error.to_string())
    } else {
        let takes_ms = fault.as_ref().and_then(|fault| fault.takes_ms);
        world.with(|sim| act(&mut sim.vpc, body, now_ms, takes_ms))
    };
    let reply_lost = fault.is_some_and(|fault| fault.reply_lost);
    log(world, &form, before, &answer, now_ms, reply_lost);
    if reply_lost {
        None
    } else {
        Some(response(answer))
    }
}

/// Why a call is refused whose parameters may be elsewhere than in the form; EC2 also takes them from the URL.
fn elsewhere(head: &Parts) -> Option<Ec2Error> {
    let (method, target) = (&head.method, &head.uri);
    let is_form = *method == Method::POST && target.path() == "/" && target.query().is_none();
    let what = format!("{method} {target}, only forms that are posted to /");
    (!is_form).then_some(Ec2Error::NotModelled(what))
}

/// Answers the call; what it begins takes `takes_ms` instead of the usual delay.
fn act(vpc: &mut Vpc, body: &str, now_ms: u64, takes_ms: Option<u64>) -> Answer {
    // What is due by now keeps its own delays.
    vpc.advance(now_ms);
    let usual = vpc.delays;
    if let Some(takes_ms) = takes_ms {
        vpc.delays.create_ms = takes_ms;
        vpc.delays.attach_ms = takes_ms;
        vpc.delays.detach_ms = takes_ms;
    }
    let answer = answer(vpc, body, now_ms);
    vpc.delays = usual;
    answer
}

fn response(answer: Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(answer.body));
    *response.status_mut() = answer.status.try_into().unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert(
        "content-type",
        hyper::header::HeaderValue::from_static("text/xml;charset=UTF-8"),
    );
    headers.extend(answer.request_id.parse().ok().map(|id| {
        (
            hyper::header::HeaderName::from_static("x-amzn-requestid"),
            id,
        )
    }));
    response
}

fn log(
    world: &World,
    form: &Form,
    mutation: Option<Mutation>,
    answer: &Answer,
    time_ms: u64,
    reply_lost: bool,
) {
    let action = form.get("Action").unwrap_or_default().to_owned();
    let before = mutation.map(|mutation| mutation.before.iter().map(control::eni).collect());
    tracing::info!(
        action,
        status = answer.status,
        error = answer.error,
        reply_lost,
        "EC2 call"
    );
    let parameters = form
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let Answer {
        status,
        error,
        request_id,
        result,
        body: _,
    } = answer.clone();
    world.with(|sim| {
        sim.calls.push(Call {
            index: sim.calls.len(),
            time_ms,
            action,
            parameters,
            before,
            status,
            error,
            result,
            request_id,
            reply_lost,
        });
    });
}

/// Whether the call carries a signature for EC2 in this region. The signature itself is not checked:
/// there is no secret to check it by.
fn signed(headers: &HeaderMap) -> bool {
    let header = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let credential = header
        .and_then(|text| text.strip_prefix("AWS4-HMAC-SHA256 Credential="))
        .filter(|text| text.contains("SignedHeaders=") && text.contains("Signature="))
        .and_then(|text| text.split(',').next());
    let scope: Vec<&str> = credential.unwrap_or_default().split('/').collect();
    matches!(scope[..], [key, _, region, "ec2", "aws4_request"] if !key.is_empty() && region == REGION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn call_without_a_signature_for_this_region_is_refused() {
        let header = |text: &str| HeaderMap::from_iter([(AUTHORIZATION, text.parse().unwrap())]);
        let signature = |scope: &str| {
            format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=00")
        };
        assert!(signed(&header(&signature(
            "AKIA/20260101/us-east-1/ec2/aws4_request"
        ))));
        assert!(!signed(&header(&signature(
            "AKIA/20260101/eu-west-1/ec2/aws4_request"
        ))));
        assert!(!signed(&header(&signature(
            "/20260101/us-east-1/ec2/aws4_request"
        ))));
        assert!(!signed(&header("Bearer token")));
        assert!(!signed(&HeaderMap::new()));
    }
}
