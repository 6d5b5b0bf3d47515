//! The calls on the wire: the real SDK against EC2's rules, and against everything that can happen on the way.

use std::sync::{Arc, Mutex};

use api::{
    Time,
    id::{AttachmentId, EniId, InstanceId, Slot},
    tag,
};
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
    Outcome,
    claim::{CreateRequest, Creation},
    ec2::{AttachmentState, EniView, InstanceState},
    error::{Ec2Error, ErrorClass, code},
    order::{DetachMode, Effect},
};
use vpc::{Delays, Launch, Vpc, world as aws};
use vpc_sim::protocol::Answer;

use super::cloud::{self, Endpoint};

/// EC2's rules, behind answers that were prepared instead.
#[derive(Clone)]
struct Aws(Arc<Mutex<State>>);

struct State {
    vpc: Vpc,
    now: u64,
    prepared: Vec<Prepared>,
    forms: Vec<String>,
}

#[derive(Clone)]
enum Prepared {
    Answer(Answer),
    Silence,
}

impl Endpoint for Aws {
    async fn answer(&self, form: String) -> Answer {
        let prepared = {
            let mut state = self.0.lock().unwrap();
            state.forms.push(form.clone());
            (!state.prepared.is_empty()).then(|| state.prepared.remove(0))
        };
        match prepared {
            Some(Prepared::Answer(answer)) => answer,
            Some(Prepared::Silence) => std::future::pending().await,
            None => {
                let mut state = self.0.lock().unwrap();
                let now = state.now;
                vpc_sim::protocol::answer(&mut state.vpc, &form, now)
            }
        }
    }
}

impl Aws {
    fn new(prepared: Vec<Prepared>) -> Self {
        Self(Arc::new(Mutex::new(State {
            vpc: Vpc::new(Delays::default()),
            now: 0,
            prepared,
            forms: vec![],
        })))
    }

    fn launch(&self) -> InstanceId {
        let launch = Launch {
            name: "n1".into(),
            instance_type: "m5.large".into(),
            subnet: aws::SUBNET_NODES.into(),
            address: None,
            groups: [aws::GROUP_NODES.into()].into(),
            routes: vec![],
            source_dest_check: false,
        };
        let mut state = self.0.lock().unwrap();
        let instance = state.vpc.launch(launch, 0).unwrap().instance;
        instance.id.as_str().parse().unwrap()
    }

    fn pass(&self, millis: u64) {
        self.0.lock().unwrap().now += millis;
    }

    fn forms(&self) -> Vec<String> {
        self.0.lock().unwrap().forms.clone()
    }

    fn client(&self) -> Ec2 {
        Ec2::new(cloud::client(self.clone()), &Monitor::default())
    }
}

fn eni(id: &str) -> EniId {
    id.parse().unwrap()
}

fn nothing() -> EniId {
    eni("eni-0000000000000dead")
}

fn creation(token: &str) -> Creation {
    let tags = [
        (tag::CLUSTER, "c1"),
        (tag::CLAIM_UID, token),
        ("team", "shop & co"),
    ];
    Creation {
        incarnation: 1,
        token: token.into(),
        request: CreateRequest {
            subnet_id: aws::SUBNET_NODES.parse().unwrap(),
            security_group_ids: vec![aws::GROUP_APP.parse().unwrap()],
            description: "for shop/web".into(),
            tags: tags
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
        },
        started_at: Time(0),
        answer: None,
    }
}

async fn create(ec2: &Ec2, token: &str) -> EniView {
    match ec2.change(&Effect::Create(Box::new(creation(token)))).await {
        Outcome::Created(view) => *view,
        other => panic!("{other:?}"),
    }
}

async fn attach(ec2: &Ec2, eni: &EniId, instance: &InstanceId, index: u32) -> Outcome {
    let effect = Effect::Attach {
        eni: eni.clone(),
        instance: instance.clone(),
        slot: Slot { card: 0, index },
    };
    ec2.change(&effect).await
}

async fn attached(ec2: &Ec2, eni: &EniId, instance: &InstanceId, index: u32) -> AttachmentId {
    match attach(ec2, eni, instance, index).await {
        Outcome::Attached(id) => id,
        other => panic!("{other:?}"),
    }
}

async fn detach(ec2: &Ec2, eni: &EniId, attachment: &AttachmentId, mode: DetachMode) -> Outcome {
    let effect = Effect::Detach {
        eni: eni.clone(),
        attachment: attachment.clone(),
        mode,
    };
    ec2.change(&effect).await
}

async fn delete(ec2: &Ec2, eni: &EniId) -> Outcome {
    ec2.change(&Effect::Delete { eni: eni.clone() }).await
}

async fn describe(ec2: &Ec2, ids: &[EniId]) -> Vec<EniView> {
    match ec2.enis(ids).await {
        Outcome::Enis(found) => found,
        other => panic!("{other:?}"),
    }
}

async fn listing(ec2: &Ec2) -> (Vec<usize>, Outcome) {
    let mut pages = Vec::new();
    let outcome = ec2.listing("c1", |page| pages.push(page.len())).await;
    (pages, outcome)
}

fn failed(outcome: Outcome) -> Ec2Error {
    match outcome {
        Outcome::Failed(error) => *error,
        other => panic!("{other:?}"),
    }
}

fn refused(status: u16, code: &str, message: &str) -> Prepared {
    Prepared::Answer(Answer::refused(status, code, message, "req-1".into()))
}

fn page(status: u16, body: &str) -> Prepared {
    Prepared::Answer(Answer {
        body: body.into(),
        ..Answer::refused(status, "", "", "req-1".into())
    })
}

async fn error_of(prepared: Prepared) -> Ec2Error {
    let aws = Aws::new(vec![prepared]);
    let error = failed(delete(&aws.client(), &nothing()).await);
    assert_eq!(aws.forms().len(), 1, "no call is sent twice");
    error
}

#[tokio::test(start_paused = true)]
async fn an_enis_whole_life_is_read_back_as_it_was_written() {
    let aws = Aws::new(vec![]);
    let (instance, ec2) = (aws.launch(), aws.client());
    let made = create(&ec2, "uid-1").await;
    assert_eq!(
        (made.subnet.as_str(), made.zone.as_str(), made.available),
        (aws::SUBNET_NODES, "us-east-1a", false)
    );
    assert_eq!(made.groups, [aws::GROUP_APP.parse().unwrap()]);
    assert_eq!(
        (made.tags.claim.clone(), made.tags.cluster.as_deref()),
        (Some("uid-1".into()), Some("c1"))
    );
    assert_eq!(made.addresses.len(), 1);

    aws.pass(1_000);
    let found = describe(&ec2, &[made.id.clone(), nothing()]).await;
    assert_eq!(found.len(), 1, "what does not exist is left out");
    assert!(found[0].available);
    let id = attached(&ec2, &made.id, &instance, 2).await;
    aws.pass(1_500);
    let set = Effect::SetDeleteOnTermination {
        eni: made.id.clone(),
        attachment: id.clone(),
    };
    assert_eq!(ec2.change(&set).await, Outcome::Changed);
    let at = describe(&ec2, std::slice::from_ref(&made.id))
        .await
        .remove(0)
        .attachment
        .unwrap();
    assert_eq!(
        (at.id, at.instance, at.state),
        (id.clone(), instance, AttachmentState::Attached)
    );
    assert_eq!(
        (at.slot, at.delete_on_termination),
        (Slot { card: 0, index: 2 }, true)
    );

    let detached = detach(&ec2, &made.id, &id, DetachMode::Normal).await;
    assert_eq!(detached, Outcome::Changed);
    assert_eq!(
        failed(delete(&ec2, &made.id).await).class,
        ErrorClass::State
    );
    aws.pass(1_200);
    assert_eq!(delete(&ec2, &made.id).await, Outcome::Changed);
    let gone = failed(delete(&ec2, &made.id).await);
    assert_eq!(
        (gone.class, gone.code.as_str()),
        (ErrorClass::NotYet, "InvalidNetworkInterfaceID.NotFound")
    );
    assert!(gone.request_id.is_some());
}

#[tokio::test(start_paused = true)]
async fn one_token_makes_one_eni() {
    let aws = Aws::new(vec![]);
    let ec2 = aws.client();
    assert_eq!(create(&ec2, "t").await.id, create(&ec2, "t").await.id);
    assert_ne!(create(&ec2, "t").await.id, create(&ec2, "u").await.id);
    let mut other = creation("t");
    other.request.description = "other".into();
    let other = ec2.change(&Effect::Create(Box::new(other))).await;
    assert_eq!(failed(other).class, ErrorClass::TokenReused);
    assert_eq!(listing(&ec2).await, (vec![2], Outcome::Listed));
    let Outcome::Enis(tagged) = ec2.tagged(&["t".into(), "v".into()]).await else {
        panic!()
    };
    assert_eq!(tagged.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn only_a_read_by_id_tells_that_an_eni_does_not_exist() {
    let aws = Aws::new(vec![]);
    let ec2 = aws.client();
    let made = create(&ec2, "t").await;
    let Outcome::Eni(Some(found)) = ec2.eni(&made.id).await else {
        panic!()
    };
    assert_eq!(found.id, made.id);
    assert_eq!(ec2.eni(&nothing()).await, Outcome::Eni(None));
    let empty = page(200, "<DescribeNetworkInterfacesResponse/>");
    let empty = Aws::new(vec![empty]).client().eni(&made.id).await;
    assert_eq!(failed(empty).class, ErrorClass::Transient);
}

#[tokio::test(start_paused = true)]
async fn instances_types_and_subnets_are_read() {
    let aws = Aws::new(vec![]);
    let (id, ec2) = (aws.launch(), aws.client());
    let unknown = "i-0000000000000dead".parse().unwrap();
    let Outcome::Instances(found) = ec2.instances(&[id.clone(), unknown]).await else {
        panic!()
    };
    let [instance] = &found[..] else {
        panic!("{found:?}")
    };
    assert_eq!(
        (
            &instance.id,
            instance.instance_type.as_str(),
            instance.state
        ),
        (&id, "m5.large", InstanceState::Alive)
    );
    assert_eq!(
        (
            instance.zone.as_str(),
            instance.vpc.clone(),
            instance.attached[0].slot
        ),
        (
            "us-east-1a",
            aws::VPC.parse().ok(),
            Slot { card: 0, index: 0 }
        )
    );
    let Outcome::Types(found) = ec2.types(&["m5.large".into()]).await else {
        panic!()
    };
    assert_eq!(found[&"m5.large".into()].cards, [(0, 3)]);
    let asked = [aws::SUBNET_SMALL, "subnet-0000000000000dead"].map(|id| id.parse().unwrap());
    let Outcome::Subnets(found) = ec2.subnets(&asked).await else {
        panic!()
    };
    assert_eq!(
        (found.len(), found[0].base, found[0].prefix, found[0].free),
        (1, [10, 0, 2, 0].into(), 28, 11)
    );
}

#[tokio::test(start_paused = true)]
async fn what_ec2s_rules_refuse_has_its_class() {
    let aws = Aws::new(vec![]);
    let (instance, ec2) = (aws.launch(), aws.client());
    let class = |outcome| failed(outcome).class;
    let (a, b, c) = (
        create(&ec2, "a").await.id,
        create(&ec2, "b").await.id,
        create(&ec2, "c").await.id,
    );
    let pending = failed(attach(&ec2, &a, &instance, 2).await);
    assert_eq!(
        (pending.class, pending.code.as_str()),
        (ErrorClass::State, "IncorrectState")
    );
    aws.pass(1_000);
    attached(&ec2, &a, &instance, 2).await;
    let taken = attach(&ec2, &b, &instance, 2).await;
    assert_eq!(class(taken), ErrorClass::State, "a taken index");
    attached(&ec2, &b, &instance, 1).await;
    assert_eq!(
        class(attach(&ec2, &c, &instance, 1).await),
        ErrorClass::NodeFull
    );
    let unknown = attach(&ec2, &nothing(), &instance, 1).await;
    assert_eq!(class(unknown), ErrorClass::NotYet);
    let over = "eni-attach-0000000000000dead".parse().unwrap();
    let over = detach(&ec2, &a, &over, DetachMode::Normal).await;
    assert_eq!(class(over), ErrorClass::State);
    let mut full = creation("small");
    full.request.subnet_id = aws::SUBNET_SMALL.parse().unwrap();
    for n in 0..11 {
        full.token = format!("small-{n}");
        let made = ec2.change(&Effect::Create(Box::new(full.clone()))).await;
        assert!(matches!(made, Outcome::Created(_)), "{made:?}");
    }
    full.token = "small-11".into();
    let full = ec2.change(&Effect::Create(Box::new(full))).await;
    assert_eq!(class(full), ErrorClass::SubnetFull);
}

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

#[tokio::test(start_paused = true)]
async fn only_a_forced_detach_is_forced() {
    let aws = Aws::new(vec![]);
    let (ec2, over) = (
        aws.client(),
        "eni-attach-0000000000000dead".parse().unwrap(),
    );
    detach(&ec2, &nothing(), &over, DetachMode::Normal).await;
    detach(&ec2, &nothing(), &over, DetachMode::Force).await;
    let forced = aws
        .forms()
        .iter()
        .map(|f| f.contains("Force=true"))
        .collect::<Vec<_>>();
    assert_eq!(forced, [false, true]);
}

fn an_eni(id: &str, mac: &str, address: &str) -> String {
    format!(
        "<item><networkInterfaceId>{id}</networkInterfaceId><subnetId>{}</subnetId><vpcId>{}</vpcId>\
         <availabilityZone>us-east-1a</availabilityZone><status>available</status><macAddress>{mac}</macAddress>{address}</item>",
        aws::SUBNET_NODES,
        aws::VPC
    )
}

fn enis(items: &str, next: &str) -> Prepared {
    let body = format!(
        "<DescribeNetworkInterfacesResponse><networkInterfaceSet>{items}</networkInterfaceSet>{next}</DescribeNetworkInterfacesResponse>"
    );
    page(200, &body)
}

#[tokio::test(start_paused = true)]
async fn one_eni_that_cannot_be_read_fails_the_whole_read_and_is_named() {
    let (id, mac) = ("eni-00000000000000001", "02:00:00:00:00:01");
    let good = an_eni(id, mac, "<privateIpAddress>10.0.0.5</privateIpAddress>");
    for (bad, says) in [
        (
            an_eni("eni-00000000000000002", "nonsense", ""),
            ["eni-00000000000000002", "macAddress"],
        ),
        (
            good.replace("<status>available</status>", ""),
            [id, "status"],
        ),
    ] {
        let aws = Aws::new(vec![enis(&format!("{good}{bad}"), "")]);
        let error = failed(aws.client().enis(&[eni(id)]).await);
        assert_eq!(
            (error.class, error.code.as_str()),
            (ErrorClass::Transient, code::NO_ANSWER)
        );
        assert!(
            says.iter().all(|word| error.message.contains(word)),
            "{error}"
        );
    }
    let without_ipv4 = an_eni(id, mac, "");
    let aws = Aws::new(vec![enis(&without_ipv4, "")]);
    assert!(
        describe(&aws.client(), &[eni(id)]).await[0]
            .addresses
            .is_empty()
    );
}

#[tokio::test(start_paused = true)]
async fn a_listing_comes_page_by_page_and_each_page_is_a_call() {
    let monitor = Monitor::default();
    let first = enis(
        &an_eni("eni-00000000000000001", "02:00:00:00:00:01", ""),
        "<nextToken>more</nextToken>",
    );
    let last = enis(
        &an_eni("eni-00000000000000002", "02:00:00:00:00:02", ""),
        "",
    );
    let aws = Aws::new(vec![first.clone(), last]);
    let ec2 = Ec2::new(cloud::client(aws.clone()), &monitor);
    assert_eq!(listing(&ec2).await, (vec![1, 1], Outcome::Listed));
    let calls = r#"ec2_calls_total{action="DescribeNetworkInterfaces",outcome="ok"} 2"#;
    assert!(monitor.metrics().contains(calls), "{}", monitor.metrics());
    assert!(aws.forms()[1].contains("NextToken=more"));

    let aws = Aws::new(vec![first, refused(503, "RequestLimitExceeded", "no")]);
    let (pages, outcome) = listing(&aws.client()).await;
    assert_eq!(
        (pages, failed(outcome).class),
        (vec![1], ErrorClass::Throttled),
        "an incomplete listing is none"
    );
}

#[tokio::test(start_paused = true)]
async fn no_filter_has_more_values_than_ec2_takes() {
    let ids: Vec<EniId> = (0..450).map(|n| eni(&format!("eni-{n:017x}"))).collect();
    let aws = Aws::new(vec![]);
    assert_eq!(describe(&aws.client(), &ids).await, []);
    let values = aws.forms();
    let values = values.iter().map(|f| f.matches("Filter.1.Value.").count());
    assert_eq!(values.collect::<Vec<_>>(), [200, 200, 50]);
}
