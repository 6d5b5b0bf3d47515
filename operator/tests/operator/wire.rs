//! The calls on the wire: the real SDK against EC2's rules, and against everything that can happen on the way.

use std::sync::{Arc, Mutex};

use operator::{Monitor, ec2::Ec2};
use operator_core::{
    Kind, Outcome, Question, Time,
    bind::tag,
    claim::{CreateRequest, Creation, Slot},
    cloud::{AttachmentState, EniView, InstanceState, Refusal},
    id::{AttachmentId, EniId, InstanceId},
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
    calls: usize,
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
            state.calls += 1;
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
            calls: 0,
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
        self.0
            .lock()
            .unwrap()
            .vpc
            .launch(launch, 0)
            .unwrap()
            .instance
            .id
            .as_str()
            .into()
    }

    fn pass(&self, millis: u64) {
        self.0.lock().unwrap().now += millis;
    }

    fn calls(&self) -> usize {
        self.0.lock().unwrap().calls
    }

    fn client(&self) -> Ec2 {
        Ec2::new(cloud::client(self.clone()), &Monitor::default())
    }
}

fn creation(token: &str) -> Creation {
    let tags = [
        (tag::CLUSTER, "c1"),
        (tag::CLAIM_UID, "uid-1"),
        ("team", "shop & co"),
    ];
    Creation {
        incarnation: 1,
        token: token.into(),
        request: CreateRequest {
            subnet: aws::SUBNET_NODES.into(),
            groups: vec![aws::GROUP_APP.into()],
            description: "for shop/web".into(),
            tags: tags
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
        },
        started_at: Time(0),
    }
}

async fn create(ec2: &Ec2, token: &str) -> EniView {
    match ec2.create(&creation(token)).await {
        Ok(Outcome::Created(view)) => *view,
        other => panic!("{other:?}"),
    }
}

async fn describe(ec2: &Ec2, ids: Vec<EniId>) -> Vec<EniView> {
    match ec2.ask(Question::Enis { ids, asked: 0 }).await {
        Ok(Outcome::Enis { found, .. }) => found,
        other => panic!("{other:?}"),
    }
}

async fn attach(
    ec2: &Ec2,
    eni: &EniId,
    instance: &InstanceId,
    index: u32,
) -> Result<AttachmentId, Refusal> {
    match ec2.attach(eni, instance, Slot { card: 0, index }).await {
        Ok(Outcome::Attached(id)) => Ok(id),
        Ok(other) => panic!("{other:?}"),
        Err(refusal) => Err(*refusal),
    }
}

fn refused(answer: Result<Outcome, Box<Refusal>>) -> Refusal {
    *answer.unwrap_err()
}

fn error(status: u16, code: &str) -> Prepared {
    Prepared::Answer(Answer::refused(status, code, "no", "req-1".into()))
}

fn page(status: u16, body: &str) -> Prepared {
    Prepared::Answer(Answer {
        body: body.into(),
        ..Answer::refused(status, "", "", "req-1".into())
    })
}

#[tokio::test(start_paused = true)]
async fn an_enis_whole_life_is_read_back_as_it_was_written() {
    let aws = Aws::new(vec![]);
    let (instance, ec2) = (aws.launch(), aws.client());
    let made = create(&ec2, "token-1").await;
    assert_eq!(
        (made.subnet.as_str(), made.zone.as_str(), made.available),
        (aws::SUBNET_NODES, "us-east-1a", false)
    );
    assert_eq!(
        (made.groups.clone(), made.claim.clone()),
        (vec![aws::GROUP_APP.into()], Some("uid-1".into()))
    );

    aws.pass(1_000);
    assert!(
        describe(&ec2, vec![made.id.clone(), "eni-0000000000000dead".into()]).await[0].available,
        "what does not exist is left out"
    );
    let id = attach(&ec2, &made.id, &instance, 2).await.unwrap();
    aws.pass(1_500);
    ec2.delete_on_termination(&made.id, &id).await.unwrap();
    let at = describe(&ec2, vec![made.id.clone()])
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

    ec2.detach(&id).await.unwrap();
    assert_eq!(refused(ec2.delete(&made.id).await).kind, Kind::State);
    aws.pass(1_200);
    ec2.delete(&made.id).await.unwrap();
    let gone = refused(ec2.delete(&made.id).await);
    assert_eq!(
        (gone.kind, gone.code.as_str()),
        (Kind::NotYet, "InvalidNetworkInterfaceID.NotFound")
    );
    assert!(gone.request_id.is_some());
}

#[tokio::test(start_paused = true)]
async fn one_token_makes_one_eni() {
    let aws = Aws::new(vec![]);
    let ec2 = aws.client();
    assert_eq!(create(&ec2, "t").await.id, create(&ec2, "t").await.id);
    assert_ne!(create(&ec2, "t").await.id, create(&ec2, "u").await.id);
    let other = Creation {
        request: CreateRequest {
            description: "other".into(),
            ..creation("t").request
        },
        ..creation("t")
    };
    assert_eq!(
        refused(ec2.create(&other).await).code,
        "IdempotentParameterMismatch"
    );
    let Ok(Outcome::Enis { found, .. }) = ec2
        .ask(Question::OurEnis {
            cluster: "c1".into(),
            asked: 0,
        })
        .await
    else {
        panic!()
    };
    assert_eq!(found.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn instances_types_and_subnets_are_read() {
    let aws = Aws::new(vec![]);
    let (id, ec2) = (aws.launch(), aws.client());
    let Ok(Outcome::Instances { found, .. }) = ec2
        .ask(Question::Instances(vec![
            id.clone(),
            "i-0000000000000dead".into(),
        ]))
        .await
    else {
        panic!()
    };
    let [instance] = &found[..] else {
        panic!("{found:?}")
    };
    assert_eq!(
        (&instance.id, instance.kind.as_str(), instance.state),
        (&id, "m5.large", InstanceState::Alive)
    );
    assert_eq!(
        (
            instance.zone.as_str(),
            instance.vpc.as_str(),
            instance.attached[0].slot
        ),
        ("us-east-1a", aws::VPC, Slot { card: 0, index: 0 })
    );
    let Ok(Outcome::Types { found, .. }) = ec2.ask(Question::Types(vec!["m5.large".into()])).await
    else {
        panic!()
    };
    assert_eq!(found[&"m5.large".into()].cards, [(0, 3)]);
    let asked = vec![aws::SUBNET_SMALL.into(), "subnet-0000000000000dead".into()];
    let Ok(Outcome::Subnets { found, asked }) = ec2.ask(Question::Subnets(asked)).await else {
        panic!()
    };
    assert_eq!(
        (asked.len(), found.len(), found[0].base, found[0].prefix),
        (2, 1, [10, 0, 2, 0].into(), 28)
    );
}

#[tokio::test(start_paused = true)]
async fn each_refusal_of_ec2_has_its_kind() {
    let aws = Aws::new(vec![]);
    let (instance, ec2) = (aws.launch(), aws.client());
    let (a, b, c) = (
        create(&ec2, "a").await.id,
        create(&ec2, "b").await.id,
        create(&ec2, "c").await.id,
    );
    let pending = attach(&ec2, &a, &instance, 2).await.unwrap_err();
    assert_eq!(
        (pending.kind, pending.code.as_str()),
        (Kind::State, "IncorrectState")
    );
    aws.pass(1_000);
    attach(&ec2, &a, &instance, 2).await.unwrap();
    assert_eq!(
        attach(&ec2, &b, &instance, 2).await.unwrap_err().kind,
        Kind::State,
        "a taken index is read again"
    );
    attach(&ec2, &b, &instance, 1).await.unwrap();
    assert_eq!(
        attach(&ec2, &c, &instance, 1).await.unwrap_err().kind,
        Kind::NodeFull
    );
    assert_eq!(
        attach(&ec2, &"eni-0000000000000dead".into(), &instance, 1)
            .await
            .unwrap_err()
            .kind,
        Kind::NotYet
    );
    assert_eq!(
        refused(ec2.detach(&"eni-attach-0000000000000dead".into()).await).kind,
        Kind::State
    );
    let with = |subnet: &str, group: &str| {
        let request = CreateRequest {
            subnet: subnet.into(),
            groups: vec![group.into()],
            ..creation("x").request
        };
        Creation {
            token: format!("{subnet}{group}").chars().rev().take(60).collect(),
            request,
            ..creation("x")
        }
    };
    assert_eq!(
        refused(
            ec2.create(&with("subnet-0000000000000dead", aws::GROUP_APP))
                .await
        )
        .kind,
        Kind::Terminal
    );
    assert_eq!(
        refused(
            ec2.create(&with(aws::SUBNET_NODES, "sg-0000000000000dead"))
                .await
        )
        .kind,
        Kind::Terminal
    );
    for n in 0..11 {
        let creation = with(aws::SUBNET_SMALL, aws::GROUP_APP);
        ec2.create(&Creation {
            token: format!("small-{n}"),
            ..creation
        })
        .await
        .unwrap();
    }
    assert_eq!(
        refused(ec2.create(&with(aws::SUBNET_SMALL, aws::GROUP_APP)).await).kind,
        Kind::SubnetFull
    );
}

#[tokio::test(start_paused = true)]
async fn what_aws_answers_instead_has_its_kind() {
    for (status, code, kind) in [
        (503, "RequestLimitExceeded", Kind::Throttled),
        (500, "InternalError", Kind::Transient),
        (403, "UnauthorizedOperation", Kind::Config),
        (400, "ExpiredToken", Kind::Credentials),
        (400, "NetworkInterfaceLimitExceeded", Kind::QuotaFull),
    ] {
        let aws = Aws::new(vec![error(status, code); 3]);
        let refusal = refused(aws.client().delete(&"eni-00000000000000001".into()).await);
        assert_eq!(
            (
                refusal.kind,
                refusal.code.as_str(),
                refusal.message.as_str()
            ),
            (kind, code, "no")
        );
        assert_eq!(refusal.request_id.as_deref(), Some("req-1"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttled_call_is_tried_again_by_the_client_itself() {
    let aws = Aws::new(vec![error(503, "RequestLimitExceeded"); 2]);
    create(&aws.client(), "t").await;
    assert_eq!(aws.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn silence_and_nonsense_are_transient() {
    let eni: EniId = "eni-00000000000000001".into();
    let silent = refused(
        Aws::new(vec![Prepared::Silence; 3])
            .client()
            .delete(&eni)
            .await,
    );
    assert_eq!(
        (silent.kind, silent.code.as_str()),
        (Kind::Transient, "Timeout")
    );
    let nonsense = refused(
        Aws::new(vec![page(502, "<html>"); 3])
            .client()
            .delete(&eni)
            .await,
    );
    assert_eq!(
        (nonsense.kind, nonsense.code.as_str()),
        (Kind::Transient, "NoAnswer")
    );
    let empty = page(200, "<CreateNetworkInterfaceResponse/>");
    assert_eq!(
        refused(Aws::new(vec![empty]).client().create(&creation("t")).await).kind,
        Kind::Transient
    );
}

#[tokio::test(start_paused = true)]
async fn without_credentials_the_answer_says_so() {
    let client = operator::ec2::configure(cloud::config(Aws::new(vec![])));
    let refusal = refused(
        Ec2::new(client, &Monitor::default())
            .delete(&"eni-00000000000000001".into())
            .await,
    );
    assert_eq!(
        (refusal.kind, refusal.code.as_str()),
        (Kind::Credentials, "NoCredentials"),
        "{refusal:?}"
    );
}
