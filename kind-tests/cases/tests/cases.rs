//! The catalogue, the tests and the page of shapes agree.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::{collections::BTreeSet, fs};

use cases::{catalogue::catalogue, repository, shape, source::tests};

#[test]
fn each_case_has_a_test_or_a_reason_and_not_both() {
    let tests = tests(&repository()).unwrap().unwrap();
    let tested: BTreeSet<&String> = tests.iter().flat_map(|test| &test.cases).collect();
    let cases = catalogue().unwrap();
    for case in &cases {
        let is_tested = tested.contains(&case.id);
        assert!(
            is_tested == case.missing.is_empty(),
            "{}: tested: {is_tested}, and the reason why not: {:?}",
            case.id,
            case.missing
        );
    }
    let known: BTreeSet<&String> = cases.iter().map(|case| &case.id).collect();
    assert_eq!(known.len(), cases.len(), "an id stands twice");
    let unknown: Vec<_> = tested.difference(&known).collect();
    assert!(unknown.is_empty(), "not in the catalogue: {unknown:?}");
}

#[test]
fn the_page_of_shapes_names_the_tests_that_say_so() {
    let tests = tests(&repository()).unwrap().unwrap();
    let page = fs::read_to_string(repository().join("docs/reference/shapes.md")).unwrap();
    assert!(
        page == shape::page(tests.iter()),
        "docs/reference/shapes.md is old; when all tests have passed make it again: make shapes"
    );
}
