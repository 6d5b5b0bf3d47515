//! EC2 behind answers that were prepared, and the calls to it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use api::{
    ConnectionTracking, Time,
    id::{AttachmentId, EniId, InstanceId, Slot},
    tag,
};
use operator::{Monitor, ec2::Ec2};
use operator_core::{
    Outcome,
    claim::{CreateRequest, Creation, RequestedCounts},
    ec2::EniView,
    error::Ec2Error,
    order::{DetachMode, Effect},
};
use vpc::{Delays, Launch, Vpc, world as aws};
use vpc_sim::protocol::Answer;

use super::cloud::{self, Endpoint};

/// EC2's rules, behind answers that were prepared instead.
#[derive(Clone)]
pub struct Aws(Arc<Mutex<State>>);

pub struct State {
    vpc: Vpc,
    now: u64,
    prepared: Vec<Prepared>,
    forms: Vec<String>,
}

#[derive(Clone)]
pub enum Prepared {
    Answer(Answer),
    Silence,
}

impl Drop for State {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.vpc.violations(), [], "rules of EC2");
        }
    }
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
    pub fn new(prepared: Vec<Prepared>) -> Self {
        Self(Arc::new(Mutex::new(State {
            vpc: Vpc::new(Delays::default()),
            now: 0,
            prepared,
            forms: vec![],
        })))
    }

    pub fn launch(&self) -> InstanceId {
        let launch = Launch {
            name: "n1".into(),
            instance_type: "m5.large".into(),
            subnet: aws::SUBNET_NODES.into(),
            address: None,
            groups: [aws::GROUP_NODES.into()].into(),
            routes: vec![],
            ipv6: None,
            source_dest_check: false,
        };
        let mut state = self.0.lock().unwrap();
        let instance = state.vpc.launch(launch, 0).unwrap().instance;
        instance.id.as_str().parse().unwrap()
    }

    /// From now on a page holds so many items, and an empty page follows each.
    pub fn set_page_items(&self, items: usize) {
        self.0.lock().unwrap().vpc.settings.page_items = Some(items);
    }

    /// Somebody tags a subnet or a security group.
    pub fn tag(&self, id: &str, key: &str, value: &str) {
        let request = vpc::Request::CreateTags {
            resources: vec![id.to_owned()],
            tags: [(key.to_owned(), value.to_owned())].into(),
        };
        self.0.lock().unwrap().vpc.call(request, 0).unwrap();
    }

    pub fn pass(&self, millis: u64) {
        self.0.lock().unwrap().now += millis;
    }

    pub fn forms(&self) -> Vec<String> {
        self.0.lock().unwrap().forms.clone()
    }

    pub fn client(&self) -> Ec2 {
        Ec2::new(cloud::client(self.clone()), &Monitor::default())
    }
}

pub fn eni(id: &str) -> EniId {
    id.parse().unwrap()
}

pub fn nothing() -> EniId {
    eni("eni-0000000000000dead")
}

pub fn creation(token: &str) -> Creation {
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
            counts: RequestedCounts::default(),
            description: "for shop/web".into(),
            connection_tracking: ConnectionTracking::default(),
            tags: BTreeMap::from(tags.map(|(key, value)| (key.into(), value.into()))).into(),
        },
        started_at: Time(0),
        answer: None,
    }
}

pub async fn create(ec2: &Ec2, token: &str) -> EniView {
    match ec2.change(&Effect::Create(Box::new(creation(token)))).await {
        Outcome::Created(view) => *view,
        other => panic!("{other:?}"),
    }
}

pub async fn attach(ec2: &Ec2, eni: &EniId, instance: &InstanceId, index: u32) -> Outcome {
    let effect = Effect::Attach {
        eni: eni.clone(),
        instance: instance.clone(),
        slot: Slot { card: 0, index },
    };
    ec2.change(&effect).await
}

pub async fn attached(ec2: &Ec2, eni: &EniId, instance: &InstanceId, index: u32) -> AttachmentId {
    match attach(ec2, eni, instance, index).await {
        Outcome::Attached(id) => id,
        other => panic!("{other:?}"),
    }
}

pub async fn detach(
    ec2: &Ec2,
    eni: &EniId,
    attachment: &AttachmentId,
    mode: DetachMode,
) -> Outcome {
    let effect = Effect::Detach {
        eni: eni.clone(),
        attachment: attachment.clone(),
        mode,
    };
    ec2.change(&effect).await
}

pub async fn delete(ec2: &Ec2, eni: &EniId) -> Outcome {
    ec2.change(&Effect::Delete { eni: eni.clone() }).await
}

pub async fn describe(ec2: &Ec2, ids: &[EniId]) -> Vec<EniView> {
    match ec2.enis(ids).await {
        Outcome::Enis(found) => found,
        other => panic!("{other:?}"),
    }
}

pub async fn listing(ec2: &Ec2) -> (Vec<usize>, Outcome) {
    let mut pages = Vec::new();
    let outcome = ec2.listing("c1", |page| pages.push(page.len())).await;
    (pages, outcome)
}

pub fn failed(outcome: Outcome) -> Ec2Error {
    match outcome {
        Outcome::Failed(error) => *error,
        other => panic!("{other:?}"),
    }
}

pub fn refused(status: u16, code: &str, message: &str) -> Prepared {
    Prepared::Answer(Answer::refused(status, code, message, "req-1".into()))
}

pub fn page(status: u16, body: &str) -> Prepared {
    Prepared::Answer(Answer {
        body: body.into(),
        ..Answer::refused(status, "", "", "req-1".into())
    })
}

pub async fn error_of(prepared: Prepared) -> Ec2Error {
    let aws = Aws::new(vec![prepared]);
    let error = failed(delete(&aws.client(), &nothing()).await);
    assert_eq!(aws.forms().len(), 1, "no call is sent twice");
    error
}
