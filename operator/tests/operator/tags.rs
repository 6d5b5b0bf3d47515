//! What the core must spell as the API crate does.

use operator_core::bind::tag as core;

#[test]
fn aws_tags_are_those_of_the_api() {
    let pairs = [
        (core::CLUSTER, crds::tag::CLUSTER),
        (core::CLAIM_UID, crds::tag::CLAIM_UID),
        (core::CLAIM, crds::tag::CLAIM),
        (core::CLASS, crds::tag::CLASS),
        (core::CREATED_AT, crds::tag::CREATED_AT),
        (core::INCARNATION, crds::tag::INCARNATION),
        (core::NO_MANAGE, crds::tag::NO_MANAGE),
        (core::NAME, crds::tag::NAME),
    ];
    for (ours, api) in pairs {
        assert_eq!(ours, api);
    }
}
