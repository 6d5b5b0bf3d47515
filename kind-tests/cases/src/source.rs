//! The tests of the repository that say what they cover.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

use crate::{
    catalogue::is_id,
    shape::{self, Shape},
};

/// Scenarios have names of their own, in the list of this file.
const SCENARIOS: &str = "kind-tests/e2e/tests/scenarios.rs";

/// A test that says what it covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Test {
    /// Package and program, as its output is kept.
    pub program: String,
    /// Its path in the program.
    pub path: String,
    /// Ids of the cases.
    pub cases: Vec<String>,
    /// Shapes of an interface.
    pub shapes: Vec<Shape>,
}

impl Test {
    /// Whether it runs on a real cluster.
    pub fn is_scenario(&self) -> bool {
        is_scenario(&self.program)
    }
}

fn is_scenario(program: &str) -> bool {
    program == "e2e.scenarios"
}

/// All tests below a folder that say what they cover, or what of that cannot be read.
pub fn tests(repository: &Path) -> io::Result<Result<Vec<Test>, String>> {
    let list = fs::read_to_string(repository.join(SCENARIOS))?;
    let (mut files, mut found) = (Vec::new(), Vec::new());
    collect(repository, &mut files)?;
    for path in files {
        let text = fs::read_to_string(&path)?;
        if !text.contains("/// Cases:") && !text.contains("/// Shape:") {
            continue;
        }
        let relative = path.strip_prefix(repository).unwrap_or(&path);
        let Some(place) = place(repository, relative)? else {
            return Ok(Err(format!("{}: no test program", relative.display())));
        };
        match in_file(&text, &place, &list) {
            Ok(tests) => found.extend(tests),
            Err(why) => return Ok(Err(format!("{}: {why}", relative.display()))),
        }
    }
    found.sort_by(|a, b| (&a.program, &a.path).cmp(&(&b.program, &b.path)));
    Ok(Ok(found))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && name != "target" && !name.starts_with('.') && name != "cases" {
            collect(&path, files)?;
        } else if name.ends_with(".rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// Program and module of a file.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    program: String,
    module: String,
}

/// The package is named by the nearest manifest; below its `tests/x/` is the program x, below its `src/` its unit tests.
fn place(repository: &Path, file: &Path) -> io::Result<Option<Place>> {
    for folder in file.ancestors().skip(1) {
        let manifest = match fs::read_to_string(repository.join(folder).join("Cargo.toml")) {
            Ok(manifest) => manifest,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let mut lines = manifest.lines();
        let package = lines.find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
        let inside = file.strip_prefix(folder).unwrap_or(file);
        return Ok(package.and_then(|package| place_in(package, inside)));
    }
    Ok(None)
}

fn place_in(package: &str, inside: &Path) -> Option<Place> {
    let steps = inside.with_extension("");
    let mut steps = steps.components().filter_map(|step| match step {
        Component::Normal(step) => step.to_str(),
        _ => None,
    });
    let (program, rest): (String, Vec<&str>) = match steps.next()? {
        "tests" => (steps.next()?.to_owned(), steps.collect()),
        "src" => {
            let modules = steps.filter(|step| *step != "lib").chain(["tests"]);
            (package.replace('-', "_"), modules.collect())
        }
        _ => return None,
    };
    Some(Place {
        program: format!("{package}.{program}"),
        module: rest.join("::"),
    })
}

/// Tests of one file. A doc comment belongs to the next function.
fn in_file(text: &str, place: &Place, scenarios: &str) -> Result<Vec<Test>, String> {
    let (mut found, mut cases, mut shapes) = (Vec::new(), Vec::new(), Vec::new());
    let usual = if is_scenario(&place.program) {
        shape::CLUSTER
    } else {
        shape::KERNEL
    };
    for line in text.lines().map(str::trim) {
        if let Some(ids) = line.strip_prefix("/// Cases:") {
            for id in ids.trim().trim_end_matches('.').split(", ") {
                if !is_id(id) {
                    return Err(format!("{id:?} is no id of a case"));
                }
                cases.push(id.to_owned());
            }
        } else if let Some(shape) = line.strip_prefix("/// Shape:") {
            shapes.extend(Shape::parse(shape, usual)?);
        } else if let Some(name) = function(line)
            && !(cases.is_empty() && shapes.is_empty())
        {
            found.push(Test {
                program: place.program.clone(),
                path: path(place, name, scenarios)?,
                cases: std::mem::take(&mut cases),
                shapes: std::mem::take(&mut shapes),
            });
        }
    }
    if cases.is_empty() && shapes.is_empty() {
        return Ok(found);
    }
    Err("what it covers stands above no function".to_owned())
}

fn function(line: &str) -> Option<&str> {
    let line = line.strip_prefix("pub ").unwrap_or(line);
    let line = line.strip_prefix("async ").unwrap_or(line);
    line.strip_prefix("fn ")?.split(['(', '<']).next()
}

fn path(place: &Place, function: &str, scenarios: &str) -> Result<String, String> {
    let path = match place.module.as_str() {
        "" => function.to_owned(),
        module => format!("{module}::{function}"),
    };
    if !is_scenario(&place.program) {
        return Ok(path);
    }
    named(scenarios, &path).ok_or_else(|| format!("{path} is in no list of scenarios"))
}

/// The name of a scenario in a list of `("name", module::function)`.
fn named(scenarios: &str, function: &str) -> Option<String> {
    let dense: String = scenarios.split_whitespace().collect();
    dense.split("(\"").skip(1).find_map(|entry| {
        let (name, rest) = entry.split_once("\",")?;
        let path = rest.split([',', ')']).next()?;
        (path == function).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(package: &str, inside: &str) -> (String, String) {
        let Place { program, module } = place_in(package, Path::new(inside)).unwrap();
        (program, module)
    }

    #[test]
    fn a_file_is_a_module_of_its_program() {
        let expected = |program: &str, module: &str| (program.to_owned(), module.to_owned());
        assert_eq!(
            of("node-agent", "tests/agent/plug/mtu.rs"),
            expected("node-agent.agent", "plug::mtu")
        );
        assert_eq!(
            of("e2e", "tests/workspace.rs"),
            expected("e2e.workspace", "")
        );
        assert_eq!(
            of("operator-core", "src/fleet/prose.rs"),
            expected("operator-core.operator_core", "fleet::prose::tests")
        );
        assert_eq!(of("api", "src/lib.rs"), expected("api.api", "tests"));
        assert_eq!(place_in("api", Path::new("build.rs")), None);
    }

    fn read(text: &str) -> Result<Vec<Test>, String> {
        let place = Place {
            program: "e2e.scenarios".into(),
            module: "mtu".into(),
        };
        in_file(
            text,
            &place,
            "(\n \"has_the_mtu\",\n mtu::all,\n), (\"x\", mtu::other)",
        )
    }

    #[test]
    fn what_is_covered_stands_above_its_test() {
        let text =
            "/// Cases: M01, M09.\n/// Shape: IPv6.\n/// It has.\npub fn all() {}\nfn none() {}\n";
        let tests = read(text).unwrap();
        assert_eq!(tests.len(), 1);
        assert_eq!(
            (tests[0].path.as_str(), tests[0].shapes.len()),
            ("has_the_mtu", 1)
        );
        assert_eq!(tests[0].cases, ["M01", "M09"]);
        for wrong in [
            "/// Cases: M1.\nfn all() {}",
            "/// Cases: M01.\n",
            "/// Cases: M01.\nfn unlisted() {}",
            "/// Shape: IPv7.\nfn all() {}",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
