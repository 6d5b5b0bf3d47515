//! b-replaced: ADD of the configurations of ecs-bridge with ecs-ipam, and of ecs-eni, beside the originals built from their source.

mod originals;
mod rounds;

use crate::{
    interval::Interval,
    replaced::{
        originals::Originals,
        rounds::{ROUNDS, Round, Site},
    },
    row::{Row, seconds},
};

/// ADD shall take at most so much of the originals' time.
const GOAL: f64 = 0.5;

/// All in turn, in one run.
pub fn rows() -> anyhow::Result<Vec<Row>> {
    let rounds = Site::new()?.measure(&Originals::build()?)?;
    Ok(vec![
        row(
            "b-replaced bridge",
            "ecs-bridge, ecs-ipam",
            &rounds,
            |round| round.bridge,
        ),
        row("b-replaced eni", "ecs-eni", &rounds, |round| round.eni),
    ])
}

fn row(id: &'static str, peer: &str, rounds: &[Round], times: fn(&Round) -> (f64, f64)) -> Row {
    let median = |value: &dyn Fn((f64, f64)) -> f64| {
        let values: Vec<f64> = rounds.iter().map(|round| value(times(round))).collect();
        Interval::median(&values)
    };
    Row {
        id,
        ours: format!("ADD: {}", seconds(median(&|(ours, _)| ours).value)),
        peer: format!("{peer}: {}", seconds(median(&|(_, theirs)| theirs).value)),
        ratio: median(&|(ours, theirs)| ours / theirs),
        goal: GOAL,
        how: format!(
            "median of {ROUNDS} rounds on the wall's clock, from the start of the plugin's process to its end"
        ),
    }
}
