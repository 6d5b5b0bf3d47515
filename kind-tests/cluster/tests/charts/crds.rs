//! The CRDs in their chart.

use std::fs;

use super::helm::{chart, repository};

#[test]
fn the_chart_has_the_generated_files_and_no_links() {
    let names = |folder| {
        let mut names: Vec<_> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        names
    };
    let (generated, templates) = (
        repository().join("crds/yaml"),
        chart("eniclaim-crds").join("templates"),
    );
    assert_eq!(names(generated.clone()), names(templates.clone()));
    for name in names(generated.clone()) {
        let copy = templates.join(&name);
        assert!(
            fs::symlink_metadata(&copy).unwrap().is_file(),
            "{} is a link, which Flux drops",
            copy.display()
        );
        assert_eq!(
            fs::read_to_string(&copy).unwrap(),
            fs::read_to_string(generated.join(&name)).unwrap(),
            "{} is old; make it again with: make crds",
            copy.display()
        );
    }
}
