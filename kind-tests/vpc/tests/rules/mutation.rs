//! What a test can know of a mutating call before it is made.

use vpc::{Mutation, Query, Request};

use crate::makers::{Does, a_request, a_world};

#[test]
fn mutation_names_the_interface_as_it_is_before_the_call() {
    let mut vpc = a_world();
    let (instance, eni) = (vpc.an_instance("m5.large"), vpc.an_available_eni());
    let attachment = vpc.attach(&eni, &instance, 0, 1).unwrap();
    let before = vpc.eni(&eni).unwrap().clone();
    for request in [
        Request::DetachNetworkInterface(attachment.clone().into()),
        Request::DeleteNetworkInterface(eni.clone()),
        Request::CreateTags {
            resources: vec![eni.to_string(), "eni-none".to_owned()],
            tags: [].into(),
        },
        Request::DeleteTags {
            resources: vec![eni.to_string(), "eni-none".to_owned()],
            tags: [].into(),
        },
    ] {
        let Mutation {
            request: same,
            before: seen,
        } = vpc.mutation(&request).unwrap();
        assert_eq!((same, seen), (request, vec![before.clone()]));
    }
    let detach = Request::DetachNetworkInterface(attachment.into());
    vpc.call(detach.clone(), 0).unwrap();
    let seen = vpc.mutation(&detach).unwrap().before;
    assert_eq!(seen[0].attachment().unwrap().state.status(), "detaching");
}

#[test]
fn create_names_nothing_and_a_read_is_no_mutation() {
    let vpc = a_world();
    let create = vpc.mutation(&Request::CreateNetworkInterface(a_request()));
    assert_eq!(create.unwrap().before, []);
    let read = Request::DescribeNetworkInterfaces(Query::default());
    assert_eq!(vpc.mutation(&read), None);
}
