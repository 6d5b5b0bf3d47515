//! The calls on the wire: the real SDK against EC2's rules.

use api::{SourceDestCheck, claim::RequestedCounts, id::Slot};
use operator_core::{
    Outcome,
    ec2::{AttachmentState, InstanceState},
    error::ErrorClass,
    order::{DetachMode, Effect, Lookup},
};
use vpc::world as aws;

use super::prepared::{
    Aws, attach, attached, create, creation, delete, describe, detach, failed, listing, nothing,
    page,
};

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
    assert_eq!(found[0].source_dest_check, SourceDestCheck::Enabled);
    let off = Effect::SetSourceDestCheck {
        eni: made.id.clone(),
        check: SourceDestCheck::Disabled,
    };
    assert_eq!(ec2.change(&off).await, Outcome::Changed);
    let id = attached(&ec2, &made.id, &instance, 2).await;
    let attach = aws.forms().pop().unwrap();
    assert!(attach.contains("NetworkCardIndex=0"), "always: {attach}");
    aws.pass(1_500);
    let set = Effect::SetDeleteOnTermination {
        eni: made.id.clone(),
        attachment: id.clone(),
    };
    assert_eq!(ec2.change(&set).await, Outcome::Changed);
    let groups = [aws::GROUP_PEER, aws::GROUP_DEFAULT].map(|id| id.parse().unwrap());
    let set = Effect::SetSecurityGroups {
        eni: made.id.clone(),
        groups: groups.to_vec(),
    };
    assert_eq!(ec2.change(&set).await, Outcome::Changed);
    let seen = describe(&ec2, std::slice::from_ref(&made.id))
        .await
        .remove(0);
    assert!(api::security_groups::same_groups(&seen.groups, &groups));
    assert_eq!(seen.source_dest_check, SourceDestCheck::Disabled);
    let at = seen.attachment.unwrap();
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
    let Outcome::Subnets(found) = ec2.subnets(&Lookup::by_id(asked.into())).await else {
        panic!()
    };
    let found = found.by_id;
    assert_eq!(
        (found.len(), found[0].ipv4, found[0].ipv6, found[0].free),
        (1, "10.0.2.0/28".parse().ok(), None, 11)
    );
}

#[tokio::test(start_paused = true)]
async fn subnets_and_groups_are_read_by_id_and_by_tags() {
    let aws = Aws::new(vec![]);
    let ec2 = aws.client();
    for id in [aws::SUBNET_NODES, aws::GROUP_APP] {
        aws.tag(id, "tier", "pods");
    }
    let tags = |key: &str, value: &str| [(key.to_owned(), value.to_owned())].into();
    let selectors = vec![tags("tier", "pods"), tags("tier", "*"), tags("team", "*")];
    let subnets = Lookup {
        ids: vec![aws::SUBNET_SMALL.parse().unwrap()],
        tags: selectors.clone(),
    };
    let Outcome::Subnets(found) = ec2.subnets(&subnets).await else {
        panic!()
    };
    let ids: Vec<&str> = found.by_id.iter().map(|s| s.id.as_str()).collect();
    assert_eq!(ids, [aws::SUBNET_SMALL]);
    let counts: Vec<usize> = found.by_tags.iter().map(|(_, found)| found.len()).collect();
    assert_eq!(counts, [1, 1, 0]);
    assert_eq!(found.by_tags[0].0, selectors[0]);
    let nobodys = ["sg-0000000000000dead", aws::GROUP_PEER];
    let groups = Lookup {
        ids: nobodys.map(|id| id.parse().unwrap()).into(),
        tags: selectors,
    };
    let Outcome::Groups(found) = ec2.groups(&groups).await else {
        panic!()
    };
    let group = &found.by_id[0];
    assert_eq!(
        (found.by_id.len(), group.id.as_str(), group.vpc.as_str()),
        (1, aws::GROUP_PEER, aws::VPC)
    );
    assert_eq!(found.by_tags[1].1[0].id.as_str(), aws::GROUP_APP);
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
    let set = Effect::SetSecurityGroups {
        eni: a.clone(),
        groups: vec!["sg-0000000000000dead".parse().unwrap()],
    };
    let no_group = failed(ec2.change(&set).await);
    assert_eq!(
        (no_group.class, no_group.code.as_str()),
        (ErrorClass::Terminal, "InvalidGroup.NotFound")
    );
    let unknown = attach(&ec2, &nothing(), &instance, 1).await;
    assert_eq!(class(unknown), ErrorClass::NotYet);
    let over = "eni-attach-0000000000000dead".parse().unwrap();
    let over = detach(&ec2, &a, &over, DetachMode::Normal).await;
    assert_eq!(class(over), ErrorClass::State);
    let mut full = creation("small");
    full.request.subnet_id = aws::SUBNET_SMALL.parse().unwrap();
    for n in 0..11 {
        full.token = format!("small-{n}").into();
        let made = ec2.change(&Effect::Create(Box::new(full.clone()))).await;
        assert!(matches!(made, Outcome::Created(_)), "{made:?}");
    }
    full.token = "small-11".into();
    let full = ec2.change(&Effect::Create(Box::new(full))).await;
    assert_eq!(class(full), ErrorClass::SubnetFull);
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

#[tokio::test(start_paused = true)]
async fn all_addresses_and_prefixes_are_asked_for_and_read_back() {
    let aws = Aws::new(vec![]);
    let ec2 = aws.client();
    let made = async |subnet: &str, token: &str, counts: RequestedCounts| {
        let mut creation = creation(token);
        creation.request.subnet_id = subnet.parse().unwrap();
        creation.request.counts = counts;
        match ec2.change(&Effect::Create(Box::new(creation))).await {
            Outcome::Created(view) => {
                let addresses = view.addresses.iter().map(ToString::to_string);
                let prefixes = view.prefixes.iter().map(ToString::to_string);
                addresses.chain(prefixes).collect::<Vec<_>>()
            }
            other => panic!("{other:?}"),
        }
    };
    let both = RequestedCounts {
        secondary_private_ip_address_count: Some(1),
        ipv6_address_count: Some(2),
        ..RequestedCounts::default()
    };
    let of_both = [
        "10.0.1.4",
        "10.0.1.5",
        "2001:db8:ec2:a1::10",
        "2001:db8:ec2:a1::11",
    ];
    assert_eq!(made(aws::SUBNET_NODES, "a", both).await, of_both);
    let prefixes = RequestedCounts {
        ipv4_prefix_count: Some(1),
        ipv6_prefix_count: Some(1),
        ..RequestedCounts::default()
    };
    let of_prefixes = ["10.0.1.6", "10.0.1.16/28", "2001:db8:ec2:a1:1::/80"];
    assert_eq!(made(aws::SUBNET_NODES, "b", prefixes).await, of_prefixes);
    let none = RequestedCounts::default();
    let of_ipv6 = ["2001:db8:ec2:a6::10"];
    assert_eq!(made(aws::SUBNET_IPV6, "c", none).await, of_ipv6);

    let asked = [aws::SUBNET_NODES, aws::SUBNET_IPV6, aws::SUBNET_ZONE_B];
    let asked = asked.map(|id| id.parse().unwrap());
    let Outcome::Subnets(found) = ec2.subnets(&Lookup::by_id(asked.into())).await else {
        panic!()
    };
    let seen = found
        .by_id
        .iter()
        .map(|s| (s.ipv4.is_some(), s.ipv6, s.assigns_ipv6));
    let block = |text: &str| text.parse().ok();
    assert_eq!(
        seen.collect::<Vec<_>>(),
        [
            (true, block("2001:db8:ec2:a1::/64"), false),
            (false, block("2001:db8:ec2:a6::/64"), true),
            (true, block("2001:db8:ec2:b1::/64"), true),
        ]
    );
}
