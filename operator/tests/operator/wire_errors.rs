//! What EC2 refuses, and everything that can happen on the way to it.

use aws_credential_types::provider::{ProvideCredentials, error::CredentialsError, future};
use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
    },
    orchestrator::HttpRequest,
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use operator::{Monitor, ec2::Ec2};
use operator_core::{
    error::{Ec2Error, ErrorClass, code},
    order::Effect,
};

use super::{
    cloud,
    prepared::{Aws, Prepared, creation, delete, error_of, failed, nothing, page, refused},
};

/// HTTP status, code and class: every row of the table that `classify` holds.
const TABLE: &[(u16, &str, ErrorClass)] = &[
    (503, "RequestLimitExceeded", ErrorClass::Throttled),
    (503, "EC2ThrottledException", ErrorClass::Throttled),
    (400, "Throttling", ErrorClass::Throttled),
    (400, "ThrottlingException", ErrorClass::Throttled),
    (400, "ThrottledException", ErrorClass::Throttled),
    (500, "InternalError", ErrorClass::Transient),
    (500, "InternalFailure", ErrorClass::Transient),
    (503, "Unavailable", ErrorClass::Transient),
    (503, "ServiceUnavailable", ErrorClass::Transient),
    (400, "ConcurrentTagAccess", ErrorClass::Transient),
    (
        400,
        "InvalidNetworkInterfaceID.NotFound",
        ErrorClass::NotYet,
    ),
    (400, "AttachmentLimitExceeded", ErrorClass::NodeFull),
    (
        400,
        "InsufficientFreeAddressesInSubnet",
        ErrorClass::SubnetFull,
    ),
    (400, "InsufficientCidrBlocks", ErrorClass::SubnetFull),
    (400, "NetworkInterfaceLimitExceeded", ErrorClass::QuotaFull),
    (400, "AddressLimitExceeded", ErrorClass::QuotaFull),
    (400, "IdempotentParameterMismatch", ErrorClass::TokenReused),
    (400, "InvalidNetworkInterface.InUse", ErrorClass::State),
    (400, "InvalidAttachmentID.NotFound", ErrorClass::State),
    (
        400,
        "InvalidNetworkInterfaceAttachmentId.Malformed",
        ErrorClass::State,
    ),
    (400, "IncorrectInstanceState", ErrorClass::State),
    (400, "InvalidInstanceID.NotFound", ErrorClass::State),
    (400, "IncorrectState", ErrorClass::State),
    (400, "InvalidState", ErrorClass::State),
    (400, "OperationNotPermitted", ErrorClass::State),
    (400, "DependencyViolation", ErrorClass::State),
    (400, "Resource.AlreadyAssociated", ErrorClass::State),
    (400, "Gateway.NotAttached", ErrorClass::State),
    (400, "InvalidParameter", ErrorClass::Terminal),
    (400, "InvalidParameterValue", ErrorClass::Terminal),
    (400, "InvalidParameterCombination", ErrorClass::Terminal),
    (400, "MissingParameter", ErrorClass::Terminal),
    (400, "UnknownParameter", ErrorClass::Terminal),
    (400, "PrivateIpAddressLimitExceeded", ErrorClass::Terminal),
    (
        400,
        "SecurityGroupsPerInterfaceLimitExceeded",
        ErrorClass::Terminal,
    ),
    (400, "InvalidGroup.NotFound", ErrorClass::Terminal),
    (400, "InvalidGroupId.Malformed", ErrorClass::Terminal),
    (400, "InvalidSecurityGroupID.NotFound", ErrorClass::Terminal),
    (400, "InvalidSubnetID.NotFound", ErrorClass::Terminal),
    (400, "InvalidIPAddress.InUse", ErrorClass::Terminal),
    (400, "TagLimitExceeded", ErrorClass::Terminal),
    (400, "FilterLimitExceeded", ErrorClass::Terminal),
    (400, "InvalidMaxResults", ErrorClass::Terminal),
    (400, "UnsupportedOperation", ErrorClass::Terminal),
    (403, "UnauthorizedOperation", ErrorClass::Denied),
    (401, "OptInRequired", ErrorClass::Denied),
    (400, "PendingVerification", ErrorClass::Denied),
    (403, "Blocked", ErrorClass::Denied),
    (401, "AuthFailure", ErrorClass::Credentials),
    (400, "ExpiredToken", ErrorClass::Credentials),
    (400, "ExpiredTokenException", ErrorClass::Credentials),
    (400, "RequestExpired", ErrorClass::Credentials),
    (403, "InvalidClientTokenId", ErrorClass::Credentials),
    (403, "MissingAuthenticationToken", ErrorClass::Credentials),
    (403, "SignatureDoesNotMatch", ErrorClass::Credentials),
    (400, "SomethingOfNextYear", ErrorClass::Unlisted),
    (412, "SomethingOfNextYear", ErrorClass::Unlisted),
    (500, "SomethingOfNextYear", ErrorClass::Transient),
];

#[tokio::test(start_paused = true)]
async fn each_code_of_ec2_has_its_class_and_keeps_its_message() {
    for (status, code, class) in TABLE {
        let error = error_of(refused(*status, code, "That cannot be done.")).await;
        let Ec2Error {
            class: seen,
            code: kept,
            message,
            request_id,
        } = error;
        assert_eq!(
            (seen, kept.as_str(), message.as_str(), request_id.as_deref()),
            (*class, *code, "That cannot be done.", Some("req-1"))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_state_in_the_guise_of_a_parameter_is_told_by_its_message() {
    for (message, class) in [
        (
            "Instance 'i-1' already has an interface attached at device index '1'.",
            ErrorClass::State,
        ),
        (
            "Network interface 'eni-1' is currently in use.",
            ErrorClass::State,
        ),
        (
            "Value (99) for parameter deviceIndex is invalid.",
            ErrorClass::Terminal,
        ),
        (
            "Value (sg-1 in use) for parameter groupId is invalid.",
            ErrorClass::Terminal,
        ),
    ] {
        let error = error_of(refused(400, "InvalidParameterValue", message)).await;
        assert_eq!((error.class, error.message.as_str()), (class, message));
    }
}

#[tokio::test(start_paused = true)]
async fn what_differs_at_each_call_is_cut_from_a_denial() {
    let message = "You are not authorized to perform this operation. User: arn:aws:sts::1:assumed-role/r/s is not \
                   authorized to perform: ec2:DeleteNetworkInterface";
    let denied = |blob| {
        let message = format!("{message}. Encoded authorization failure message: {blob}");
        error_of(refused(403, "UnauthorizedOperation", &message))
    };
    let (one, other) = (denied("aZ-1").await, denied("bY-2").await);
    assert_eq!((one.clone(), one.message), (other, format!("{message}.")));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_answer_of_ec2_leaves_it_unknown_whether_it_took_effect() {
    let silence = error_of(Prepared::Silence).await;
    assert_eq!(
        (silence.class, silence.code.as_str()),
        (ErrorClass::Transient, code::TIMEOUT)
    );
    for (status, body) in [
        (502, "<html><body>Bad Gateway</body></html>"),
        (403, "<html><body>Blocked by the proxy</body></html>"),
        (500, ""),
        (400, "<Response/>"),
    ] {
        let error = error_of(page(status, body)).await;
        assert_eq!(
            (error.class, error.code.as_str()),
            (ErrorClass::Transient, code::NO_ANSWER),
            "{status} {body}"
        );
        assert!(error.message.contains(&status.to_string()), "{error}");
    }
    let empty = page(200, "<CreateNetworkInterfaceResponse/>");
    let create = Effect::Create(Box::new(creation("t")));
    let empty = failed(Aws::new(vec![empty]).client().change(&create).await);
    assert_eq!(
        (empty.class, empty.code.as_str()),
        (ErrorClass::Transient, code::NO_ANSWER)
    );
}

/// A connection that breaks before the answer is whole.
#[derive(Debug, Clone)]
struct Broken;

impl HttpConnector for Broken {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let error = "connection closed before message completed".into();
        HttpConnectorFuture::ready(Err(ConnectorError::other(error, None)))
    }
}

impl HttpClient for Broken {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// What a chain of providers says that found nothing.
#[derive(Debug)]
struct NoCredentials;

impl ProvideCredentials for NoCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let error = CredentialsError::not_loaded("no providers in chain provided credentials");
        future::ProvideCredentials::ready(Err(error))
    }
}

#[tokio::test(start_paused = true)]
async fn only_what_never_left_the_process_is_unsigned() {
    let signed = || {
        let key = aws_sdk_ec2::config::Credentials::new("key", "secret", None, None, "test");
        cloud::config(Aws::new(vec![])).credentials_provider(key)
    };
    let mut without_region = signed();
    without_region.set_region(None);
    let without_credentials = cloud::config(Aws::new(vec![])).credentials_provider(NoCredentials);
    for (config, class, code, says) in [
        (
            without_credentials,
            ErrorClass::Credentials,
            code::NOT_SIGNED,
            "no providers in chain",
        ),
        (
            without_region,
            ErrorClass::Credentials,
            code::NOT_SIGNED,
            "aws.region",
        ),
        (
            signed().http_client(Broken),
            ErrorClass::Transient,
            code::NO_ANSWER,
            "before message completed",
        ),
    ] {
        let ec2 = Ec2::new(operator::ec2::configure(config), &Monitor::default());
        let error = failed(delete(&ec2, &nothing()).await);
        assert_eq!((error.class, error.code.as_str()), (class, code), "{error}");
        assert!(error.message.contains(says), "{error}");
    }
}
