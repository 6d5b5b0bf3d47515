//! `cases`: prints which cases of the catalogue are covered by tests that passed; `cases shapes`: writes the page of shapes.

use std::{collections::BTreeMap, fs, process::ExitCode};

use cases::{
    catalogue::{Case, catalogue},
    passed::Passed,
    repository, shape,
    source::{Test, tests},
};

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let outcome = match std::env::args().nth(1).as_deref() {
        None => report(),
        Some("shapes") => shapes(),
        Some(other) => Err(format!("there is no {other}, but shapes").into()),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cases: {error}");
            ExitCode::FAILURE
        }
    }
}

/// All tests that say what they cover, each with whether it passed.
fn judged() -> Result<Vec<(Test, bool)>, Failure> {
    let passed = Passed::read(&repository().join("target/passed"))?;
    let tests = tests(&repository())??;
    let judged = tests.into_iter().map(|test| {
        let has = passed.has(&test.program, &test.path);
        (test, has)
    });
    Ok(judged.collect())
}

/// True if every case is covered by a test that passed, or says why not.
fn report() -> Result<bool, Failure> {
    let (cases, tests) = (catalogue()?, judged()?);
    let (mut counts, mut open) = (BTreeMap::<char, (u32, u32)>::new(), Vec::new());
    for case in &cases {
        let of = |(test, _): &&(Test, bool)| test.cases.contains(&case.id);
        let (passed, other): (Vec<_>, Vec<_>) = tests.iter().filter(of).partition(|(_, has)| *has);
        let (covered, all) = counts.entry(letter(case)).or_default();
        *all += 1;
        if passed.is_empty() {
            open.push((case, other));
        } else {
            *covered += 1;
            let names: Vec<&str> = passed.iter().map(|(test, _)| test.path.as_str()).collect();
            println!("{}  {}: {}", case.id, case.what, names.join(", "));
        }
    }
    println!("\nNot covered by a test that passed:");
    let mut is_whole = true;
    for (case, tests) in open {
        let names: Vec<&str> = tests.iter().map(|(test, _)| test.path.as_str()).collect();
        let why = match (names.is_empty(), case.missing.is_empty()) {
            (false, _) => format!("did not pass, or did not run: {}", names.join(", ")),
            (true, false) => case.missing.clone(),
            (true, true) => "neither a test nor a reason".to_owned(),
        };
        is_whole &= names.is_empty() && !case.missing.is_empty();
        println!("{}  {}: {why}", case.id, case.what);
    }
    println!();
    for (letter, (covered, all)) in &counts {
        println!("{letter}: {covered} of {all}");
    }
    let first = counts
        .iter()
        .filter(|(letter, _)| "CMIA".contains(**letter));
    let (covered, all) = first.fold((0, 0), |(covered, all), (_, (c, a))| (covered + c, all + a));
    println!(
        "C, M, I, A: {covered} of {all}, {} %",
        100 * covered / all.max(1)
    );
    Ok(is_whole)
}

fn letter(case: &Case) -> char {
    case.id.chars().next().unwrap_or(' ')
}

/// Writes the page; true if all tests that name a shape passed.
fn shapes() -> Result<bool, Failure> {
    let tests = judged()?;
    let page = shape::page(tests.iter().filter(|(_, has)| *has).map(|(test, _)| test));
    fs::write(repository().join("docs/reference/shapes.md"), page)?;
    let missing = tests
        .iter()
        .filter(|(test, has)| !has && !test.shapes.is_empty());
    let missing: Vec<&str> = missing.map(|(test, _)| test.path.as_str()).collect();
    for test in &missing {
        println!("left out, for it did not pass, or did not run: {test}");
    }
    Ok(missing.is_empty())
}
