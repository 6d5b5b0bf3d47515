//! Several ENIs of one pod.

use node_agent::plug::check;
use node_agent_core::{claim::Interface, picture::PodSlot};

use super::shape::{Counts, eni, interface, wire};
use crate::world::World;

/// Cases: M13.
/// Shape: IPv4, 2 interfaces.
#[test]
fn two_enis_of_one_pod_come_and_go_without_touching_each_other() {
    let world = World::new();
    wire(&world, 2);
    let before = world.portrait("pod");
    let (node, pod) = (world.node(), world.netns("pod"));
    let [first, second] = [0, 1].map(PodSlot).map(|slot| {
        let ipv4 = [Counts(1, 0), Counts(0, 0)];
        (eni(slot), interface(ipv4, slot), slot)
    });

    let plug = |(eni, interface, slot): &(_, _, _)| {
        node_agent::plug::plug(&node, &pod, eni, interface, *slot).unwrap()
    };
    let unplug = |(eni, _, slot): &(_, Interface, _)| {
        let traces = node_agent_core::plan::Traces::Remove;
        let gone = node_agent::plug::unplug(&node, Some(&pod), eni, *slot, traces).unwrap();
        assert!(gone.found && gone.left.is_empty(), "{:?}", gone.left);
    };
    let whole = |(eni, interface, slot): &(_, _, _)| {
        check(&node, &pod, eni, interface, *slot).map_err(|error| error.to_string())
    };
    plug(&first);
    plug(&second);
    assert_eq!((whole(&first), whole(&second)), (Ok(()), Ok(())));
    unplug(&first);
    assert_eq!(whole(&second), Ok(()));
    plug(&first);
    assert_eq!((whole(&first), whole(&second)), (Ok(()), Ok(())));
    // A failure is undone without what the other one needs.
    let mut broken = second.clone();
    broken.1.addresses[0].gateway = Some(broken.1.addresses[0].ip);
    node_agent::plug::plug(&node, &pod, &broken.0, &broken.1, broken.2).unwrap_err();
    assert_eq!(whole(&first), Ok(()));
    // Two that leave together leave nothing of what they share.
    plug(&second);
    std::thread::scope(|scope| {
        scope.spawn(|| unplug(&first));
        scope.spawn(|| unplug(&second));
    });
    assert_eq!(world.portrait("pod"), before);
}
