//! Raw frames to the instance metadata service, as every pod with the runtime's default capabilities can send them.

use anyhow::ensure;
use e2e::world::Space;

use super::makers::blocked_and_allowed;

/// No packet of any form comes out of the ENI; where the class allows it all do, without which none would prove nothing.
pub fn forms(space: &Space) -> anyhow::Result<()> {
    blocked_and_allowed(space)?;
    for (name, expected) in [("allowed", [40, 40]), ("blocked", [0, 0])] {
        space.await_ready(name)?;
        let eni = space.eni_of(name)?;
        space.count_metadata(&eni)?;
        let said = space.exec(name, &["/probe", "raw-forms", "--times", "10"])?;
        let counted = space.world.counted_metadata(&eni)?;
        ensure!(
            counted == expected,
            "{counted:?} packets came out of the ENI of {name}, not {expected:?}; {said}"
        );
    }
    space.delete_pods(&["blocked", "allowed"])
}
