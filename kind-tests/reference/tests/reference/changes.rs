//! The page of what may change in a class, and what that then does.

use std::collections::BTreeSet;

use super::{code, page, table};

/// A field of a class, whether ENIs in use follow an edit, and what the edit does.
const ROWS: &[(&str, &str, &str)] = &[
    (
        "namespaceSelector",
        "no",
        "Decides about pods that have no ENI yet. A pod keeps the ENI that it has.",
    ),
    (
        "subnets",
        "no",
        "ENIs are made there from now on. An ENI never leaves its subnet.",
    ),
    (
        "ipFamilies",
        "no",
        "ENIs that are made from now on have them. Addresses of an ENI in use stay.",
    ),
    (
        "addressCounts",
        "no",
        "ENIs that are made from now on have as many.",
    ),
    (
        "securityGroups",
        "yes",
        "Each ENI in use gets them in place, without a lost connection that both allow: the first alone, then four times as many as have \
         followed, 25 at most, after everything that pods wait for. `status.rollout` of the class says how many have them, and why no more get \
         them; it is absent once all have. Condition `SecurityGroupsInSync` of a claim says how its ENI stands. A group \
         that does not exist is set on none (condition `SecurityGroupsReady` of the class). A group that EC2 refuses all the same, or a claim that is not Ready any more within five minutes after it got them, halts the others (Event `RolloutHalted` on the class) until that \
         is mended or the class is edited.",
    ),
    (
        "driftPolicy",
        "yes",
        "Decides at once about ENIs whose groups somebody else has changed. With `Report` such an ENI is left as it is, also when the class is \
         edited; with `Correct` it gets the groups of the class, in turn with the others. The tag `eniclaim.io/hold` on an ENI, with any value, \
         freezes its groups under both; once it is deleted, the ENI follows its class again, and groups that were changed meanwhile are a drift.",
    ),
    (
        "interface",
        "no",
        "Pods whose interface is not plugged in yet get it as edited; a running pod keeps its own.",
    ),
    (
        "sourceDestCheck",
        "no",
        "ENIs that are not attached yet get it as edited.",
    ),
    (
        "connectionTracking",
        "no",
        "ENIs that are made from now on have it.",
    ),
    ("tags", "no", "ENIs that are made from now on have them."),
];

#[test]
fn the_page_of_changes_has_every_field_of_a_class() {
    let class = serde_json::to_value(&crds::all()[0]).unwrap();
    let spec = &class["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let fields: BTreeSet<&str> = spec["properties"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let told: BTreeSet<&str> = ROWS.iter().map(|(field, ..)| *field).collect();
    assert_eq!(told, fields, "say in ROWS what an edit of a field does");
    let rows = ROWS
        .iter()
        .map(|(field, live, does)| vec![code(field), (*live).to_owned(), (*does).to_owned()]);
    let text = format!(
        "Every field of an EniClass may change at any time. What an edit then does:\n\n{}\n\
         An ENI whose groups somebody else changed is noticed within a minute, since all ENIs of the cluster are listed twice a minute and \
         a second read has to agree.",
        table(
            &["field of `spec`", "ENIs in use follow", "what an edit does"],
            rows
        )
    );
    page("changes.md", "What may change in a class", &text);
}
