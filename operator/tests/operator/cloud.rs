//! The real AWS SDK, whose HTTP client is EC2's rules in this process.

use std::fmt;

use aws_sdk_ec2::config::{Credentials, Region};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
    },
    orchestrator::{HttpRequest, HttpResponse},
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::body::SdkBody;
use vpc_sim::protocol::Answer;

/// What answers a form.
pub trait Endpoint: Clone + Send + Sync + 'static {
    fn answer(&self, form: String) -> impl Future<Output = Answer> + Send;
}

#[derive(Clone)]
struct Wire<E>(E);

impl<E> fmt::Debug for Wire<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

impl<E: Endpoint> HttpConnector for Wire<E> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let endpoint = self.0.clone();
        HttpConnectorFuture::new(async move {
            let form =
                String::from_utf8(request.body().bytes().unwrap_or_default().to_vec()).unwrap();
            let Answer {
                status,
                body,
                request_id,
                ..
            } = endpoint.answer(form).await;
            let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
            response
                .headers_mut()
                .insert("x-amzn-requestid", request_id);
            Ok(response)
        })
    }
}

impl<E: Endpoint> HttpClient for Wire<E> {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// The operator's own client configuration on that endpoint.
pub fn client(endpoint: impl Endpoint) -> aws_sdk_ec2::Client {
    operator::ec2::configure(
        config(endpoint)
            .credentials_provider(Credentials::new("key", "secret", None, None, "test")),
    )
}

pub fn config(endpoint: impl Endpoint) -> aws_sdk_ec2::config::Builder {
    aws_sdk_ec2::Config::builder()
        .behavior_version(aws_config::BehaviorVersion::v2026_01_12())
        .region(Region::new("us-east-1"))
        .http_client(Wire(endpoint))
        .sleep_impl(TokioSleep::new())
}
