//! The region as text and back.

use vpc::{Action, Filter, Query, Request, Vpc};

use crate::makers::{Does, LATER, a_request, a_world};

#[test]
fn region_is_read_as_it_was_written_with_all_that_is_under_way() {
    let mut vpc = a_world();
    vpc.settings.stale_ms = 2 * LATER;
    vpc.settings.rate_percent = Some(50);
    vpc.settings.denied.insert(Action::DeleteNetworkInterface);
    let instance = vpc.an_instance("c6in.32xlarge");
    let eni = vpc.an_available_eni();
    let attachment = vpc.attach(&eni, &instance, 1, 2).unwrap();
    vpc.advance(LATER);
    vpc.detach(&attachment).unwrap();
    let mut request = a_request();
    request.client_token = Some("t".to_owned());
    vpc.make(request.clone()).unwrap();
    let filters = vec![Filter {
        name: "status".to_owned(),
        values: vec!["in-use".to_owned()],
    }];
    let read = Request::DescribeNetworkInterfaces(Query {
        filters,
        ..Query::default()
    });
    vpc.call(read, 0).unwrap();
    vpc.stop(&instance, LATER).unwrap();

    let text = serde_json::to_string(&vpc).unwrap();
    let mut again: Vpc = serde_json::from_str(&text).unwrap();
    assert_eq!(again, vpc);
    // Ids and tokens go on where they were.
    for vpc in [&mut again, &mut vpc] {
        vpc.make(request.clone()).unwrap();
        vpc.make(a_request()).unwrap();
        vpc.advance(LATER);
    }
    assert_eq!(again, vpc);
}
