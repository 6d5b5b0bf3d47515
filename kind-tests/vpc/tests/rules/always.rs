//! What holds after any sequence of calls, transitions, launches and terminations.

use proptest::{collection::vec, option, prelude::*, sample::select};
use vpc::{
    Attach, Change, Counts, Create, Delays, Eni, Filter, InstanceId, Query, Request, Vpc, world,
};

use crate::makers::a_launch;

/// One thing that may happen to a world. Attach and Detach name what exists, the other calls what may exist.
#[derive(Debug, Clone)]
enum Step {
    Call(Request),
    /// The n-th interface to the n-th instance, on a card and an index.
    Attach(usize, usize, u32, u32),
    /// The n-th attachment.
    Detach(usize),
    Fire(usize),
    Launch(&'static str, &'static str),
    Terminate(InstanceId),
    /// The n-th instance.
    Stop(usize),
    Start(usize),
}

/// The ids that the first calls hand out, and some that do not exist.
fn id(prefix: &'static str) -> impl Strategy<Value = String> {
    (1..12_u64).prop_map(move |n| format!("{prefix}{n:017x}"))
}

fn subnet() -> impl Strategy<Value = &'static str> {
    let real = [
        world::SUBNET_SMALL,
        world::SUBNET_NODES,
        world::SUBNET_IPV6,
        world::SUBNET_ZONE_B,
        world::SUBNET_OTHER,
    ];
    prop_oneof![9 => select(real.to_vec()), 1 => Just("subnet-none")]
}

fn counts() -> impl Strategy<Value = Counts> {
    let count = || option::of(0..3_u32);
    (count(), count(), count(), count()).prop_map(
        |(secondary, ipv4_prefixes, ipv6, ipv6_prefixes)| Counts {
            secondary,
            ipv4_prefixes,
            ipv6,
            ipv6_prefixes,
        },
    )
}

fn request() -> impl Strategy<Value = Request> {
    let groups = vec(
        select(vec![world::GROUP_APP, world::GROUP_PEER, "sg-none"]),
        0..3,
    );
    let create = (
        subnet(),
        option::of(0..16_u8),
        groups.clone(),
        option::of(select(vec!["t1", "t2"])),
        counts(),
    );
    let create = create.prop_map(|(subnet, host, groups, token, counts)| {
        Request::CreateNetworkInterface(Create {
            subnet: subnet.into(),
            address: host.map(|host| [10, 0, 2, host].into()),
            counts,
            groups: groups.into_iter().map(Into::into).collect(),
            description: String::new(),
            connection_tracking: vpc::ConnectionTracking::default(),
            tags: [].into(),
            client_token: token.map(str::to_owned),
        })
    });
    let change = prop_oneof![
        any::<bool>().prop_map(Change::SourceDestCheck),
        groups.prop_map(|groups| Change::Groups(groups.into_iter().map(Into::into).collect())),
        (id("eni-attach-"), any::<bool>()).prop_map(|(id, value)| Change::DeleteOnTermination {
            attachment: id.into(),
            value
        }),
    ];
    let query = (
        option::of(id("eni-")),
        option::of(0..1002_usize),
        option::of(id("eni-")),
    )
        .prop_map(|(id, max_results, next_token)| Query {
            ids: id.into_iter().collect(),
            filters: vec![Filter {
                name: "status".to_owned(),
                values: vec!["available".to_owned()],
            }],
            max_results,
            next_token,
        });
    prop_oneof![
        4 => create,
        2 => id("eni-attach-").prop_map(|id| Request::DetachNetworkInterface(id.into())),
        1 => id("eni-").prop_map(|id| Request::DeleteNetworkInterface(id.into())),
        1 => (id("eni-"), change).prop_map(|(eni, change)| Request::ModifyNetworkInterfaceAttribute(eni.into(), change)),
        1 => query.prop_map(Request::DescribeNetworkInterfaces),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let attach = (0..9_usize, 0..4_usize, 0..3_u32, 0..8_u32);
    let attach =
        attach.prop_map(|(eni, instance, card, device)| Step::Attach(eni, instance, card, device));
    prop_oneof![
        8 => request().prop_map(Step::Call),
        5 => attach,
        2 => (0..6_usize).prop_map(Step::Detach),
        5 => (0..4_usize).prop_map(Step::Fire),
        2 => (select(vec!["m5.large", "c6in.32xlarge", "none"]), subnet()).prop_map(|(kind, subnet)| Step::Launch(kind, subnet)),
        1 => id("i-").prop_map(|id| Step::Terminate(id.into())),
        1 => (0..4_usize).prop_map(Step::Stop),
        1 => (0..4_usize).prop_map(Step::Start),
    ]
}

fn nth(vpc: &Vpc, n: usize) -> Option<InstanceId> {
    vpc.instances().nth(n).map(|instance| instance.id.clone())
}

/// Whether the step was granted.
fn take(vpc: &mut Vpc, step: Step) -> bool {
    match step {
        Step::Call(request) => vpc.call(request, 0).is_ok(),
        Step::Attach(eni, instance, card, device) => {
            let eni = vpc.enis().nth(eni).map(|eni| eni.id.clone());
            let instance = nth(vpc, instance);
            let attach = |(eni, instance)| {
                Request::AttachNetworkInterface(Attach {
                    eni,
                    instance,
                    card,
                    device,
                })
            };
            eni.zip(instance)
                .is_some_and(|pair| vpc.call(attach(pair), 0).is_ok())
        }
        Step::Detach(n) => {
            let id = vpc
                .enis()
                .filter_map(Eni::attachment)
                .nth(n)
                .map(|attachment| attachment.id.clone());
            id.is_some_and(|id| {
                vpc.call(Request::DetachNetworkInterface(id.into()), 0)
                    .is_ok()
            })
        }
        Step::Fire(n) => {
            if let Some(transition) = vpc.pending().get(n) {
                vpc.fire(transition);
            }
            true
        }
        Step::Launch(kind, subnet) => vpc.launch(a_launch(kind, subnet), 0).is_ok(),
        Step::Terminate(id) => vpc.terminate(&id, 0).is_ok(),
        Step::Stop(n) => nth(vpc, n).is_some_and(|id| vpc.stop(&id, 0).is_ok()),
        Step::Start(n) => nth(vpc, n).is_some_and(|id| vpc.start(&id, 0).is_ok()),
    }
}

proptest! {
    /// No address and no slot is given twice, no limit is broken, nothing is attached across zones or to the dead.
    #[test]
    fn no_rule_is_ever_broken(steps in vec(step(), 0..80)) {
        let mut vpc = Vpc::new(Delays::default());
        for step in steps {
            take(&mut vpc, step);
            prop_assert_eq!(vpc.violations(), []);
        }
    }

    #[test]
    fn refused_call_changes_nothing(steps in vec(step(), 0..60)) {
        let mut vpc = Vpc::new(Delays::default());
        for step in steps {
            let before = vpc.clone();
            if !take(&mut vpc, step) {
                prop_assert_eq!(&vpc, &before);
            }
        }
    }

    #[test]
    fn equal_histories_give_equal_worlds(steps in vec(step(), 0..60)) {
        let mut worlds = [Vpc::new(Delays::default()), Vpc::new(Delays::default())];
        for vpc in &mut worlds {
            for step in steps.clone() {
                take(vpc, step);
            }
        }
        prop_assert_eq!(&worlds[0], &worlds[1]);
    }

    /// In whatever order transitions fire, each fires once and the world comes to rest.
    #[test]
    fn world_comes_to_rest(steps in vec(step(), 0..60), order in vec(0..8_usize, 160)) {
        let mut vpc = Vpc::new(Delays::default());
        for step in steps {
            take(&mut vpc, step);
        }
        for n in order {
            let pending = vpc.pending();
            if pending.is_empty() {
                break;
            }
            let transition = &pending[n % pending.len()];
            vpc.fire(transition);
            prop_assert!(!vpc.pending().contains(transition));
            prop_assert_eq!(vpc.violations(), []);
        }
        prop_assert_eq!(vpc.pending(), []);
    }

    #[test]
    fn granted_token_is_granted_again_with_the_same_answer(steps in vec(step(), 0..60), create in request()) {
        let Request::CreateNetworkInterface(create) = create else { return Ok(()) };
        let create = Create { client_token: Some("ours".to_owned()), ..create };
        let mut vpc = Vpc::new(Delays::default());
        let Ok(first) = vpc.call(Request::CreateNetworkInterface(create.clone()), 0) else { return Ok(()) };
        for step in steps {
            take(&mut vpc, step);
        }
        let enis: Vec<Eni> = vpc.enis().cloned().collect();
        prop_assert_eq!(vpc.call(Request::CreateNetworkInterface(create), 0), Ok(first));
        prop_assert_eq!(vpc.enis().cloned().collect::<Vec<_>>(), enis);
    }
}
