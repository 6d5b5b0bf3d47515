//! Answers of Describe calls: items, pages, and how much is asked in one.

use api::id::EniId;
use operator::{Monitor, ec2::Ec2};
use operator_core::{
    Outcome,
    error::{ErrorClass, code},
    order::Lookup,
};
use vpc::world as aws;

use super::{
    cloud,
    prepared::{Aws, Prepared, create, describe, eni, failed, listing, page, refused},
};

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
    let calls = r#"ec2_calls_total{action="DescribeNetworkInterfaces",outcome="success"} 2"#;
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
async fn short_and_empty_pages_are_read_to_the_end() {
    let aws = Aws::new(vec![]);
    let ec2 = aws.client();
    let (instances, mut enis) = ([aws.launch(), aws.launch()], Vec::new());
    for token in ["uid-1", "uid-2", "uid-3"] {
        enis.push(create(&ec2, token).await.id);
    }
    aws.set_page_items(1);
    let found: Vec<EniId> = describe(&ec2, &enis)
        .await
        .into_iter()
        .map(|e| e.id)
        .collect();
    assert_eq!(found, enis);
    let (pages, outcome) = listing(&ec2).await;
    assert_eq!((pages, outcome), (vec![1, 0, 1, 0, 1, 0], Outcome::Listed));
    let Outcome::Instances(found) = ec2.instances(&instances).await else {
        panic!("no instances");
    };
    assert_eq!(found.len(), 2);
    let subnets = [aws::SUBNET_NODES, aws::SUBNET_SMALL].map(|id| id.parse().unwrap());
    let subnets = Lookup::by_id(subnets.into());
    let Outcome::Subnets(found) = ec2.subnets(&subnets).await else {
        panic!("no subnets");
    };
    assert_eq!(found.by_id.len(), 2);
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
