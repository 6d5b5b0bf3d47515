//! Which tests passed when their programs ran last: what `kind-tests/recorded.sh` keeps in `target/passed`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
};

/// Names of the tests that passed, by package and program: `node-agent.agent`.
#[derive(Debug, Default)]
pub struct Passed(BTreeMap<String, BTreeSet<String>>);

impl Passed {
    /// Reads a folder of outputs; one that does not exist has none.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let mut passed = Self::default();
        let files = match fs::read_dir(folder) {
            Ok(files) => files,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(passed),
            Err(error) => return Err(error),
        };
        for file in files {
            let file = file?;
            let program = file.file_name().to_string_lossy().into_owned();
            let output = String::from_utf8_lossy(&fs::read(file.path())?).into_owned();
            passed.0.insert(program, passed_in(&output));
        }
        Ok(passed)
    }

    /// Whether a test of that path passed. Roots of test programs may wrap all in one module more.
    pub fn has(&self, program: &str, path: &str) -> bool {
        let wrapped = format!("::{path}");
        let tests = self.0.get(program);
        tests.is_some_and(|tests| {
            let mut tests = tests.iter();
            tests.any(|test| test == path || test.ends_with(&wrapped))
        })
    }
}

/// Lines of libtest and of libtest-mimic: `test a::b ... ok`. What a test prints may stand between name and result. Of a test
/// that ran twice the later result counts.
fn passed_in(output: &str) -> BTreeSet<String> {
    let (mut passed, mut running) = (BTreeSet::new(), None::<String>);
    for line in output.lines() {
        let rest = match line
            .strip_prefix("test ")
            .and_then(|line| line.split_once(" ... "))
        {
            Some((name, rest)) => {
                // libtest-mimic sets the results in a column.
                let name = name.trim_end().trim_end_matches(" - should panic");
                running = Some(name.to_owned());
                passed.remove(name);
                rest
            }
            None => line,
        };
        match rest.trim_end() {
            "ok" => passed.extend(running.take()),
            "FAILED" | "ignored" => running = None,
            _ => {}
        }
    }
    passed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_ended_with_ok_passed_and_the_later_run_counts() {
        let output = "running 3 tests\ntest a::one ... ok\ntest two ... FAILED\ntest three ... three: 5 s\nok\n\
             test four - should panic ... ok\ntest six      ... ok\ntest five ... ok\n\nfailures:\n    two\ntest result: FAILED. 3 passed\n\
             test five ... FAILED\n";
        let passed: Vec<String> = passed_in(output).into_iter().collect();
        assert_eq!(passed, ["a::one", "four", "six", "three"]);
    }

    #[test]
    fn a_root_that_wraps_all_in_a_module_changes_no_path() {
        let tests = BTreeSet::from(["kube_api::writes::one".to_owned()]);
        let passed = Passed(BTreeMap::from([("p.q".to_owned(), tests)]));
        assert!(passed.has("p.q", "writes::one") && !passed.has("p.q", "rites::one"));
        assert!(!passed.has("p.r", "writes::one"));
    }
}
