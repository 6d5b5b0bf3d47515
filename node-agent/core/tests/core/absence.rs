//! When a device that was found nowhere is gone.

use node_agent_core::{
    absence::{
        Whereabouts::{self, Gone, There, Unknown},
        is_gone,
    },
    facts::Liveness,
};

#[test]
fn only_hardware_that_left_or_the_end_of_the_namespace_of_what_has_none_proves_that_a_device_is_gone()
 {
    let states = [Liveness::Alive, Liveness::Unknown, Liveness::Dead];
    let gone = |whereabouts: Whereabouts| states.map(|netns| is_gone(whereabouts, netns));
    assert_eq!(gone(Gone), [true, true, true], "whatever the pod does");
    assert_eq!(
        gone(There),
        [false, false, false],
        "a process may live in a namespace without a path"
    );
    assert_eq!(gone(Unknown), [false, false, true]);
}
