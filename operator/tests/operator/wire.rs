//! The calls on the wire: the real SDK against EC2's rules.

use api::{SourceDestCheck, id::Slot};
use operator_core::{
    Outcome,
    ec2::{AttachmentState, InstanceState},
    error::ErrorClass,
    order::{DetachMode, Effect},
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
    let seen = describe(&ec2, std::slice::from_ref(&made.id))
        .await
        .remove(0);
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
