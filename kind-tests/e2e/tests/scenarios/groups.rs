//! The security groups of a class change under running pods, and somebody else changes those of an ENI.

use std::time::{Duration, Instant};

use anyhow::ensure;
use e2e::world::{SOON, Space, Write, condition, is_ready};
use serde_json::{Value, json};

use super::{
    followers::{OTHERS, Pods, Talk, await_groups, claims, followers},
    makers::class,
};

/// How soon an edited class decides traffic.
const FOLLOWED: Duration = Duration::from_secs(10);
/// Writes of a class that a rollout may cost: its begin, its end, and one every five seconds.
const WRITES: usize = 5;
const MODIFY: &str = "ModifyNetworkInterfaceAttribute";

/// Lets in what comes from nodes; whoever has it is let in by the peer.
const APP: &str = "sg-000000000000000a2";
/// Lets in its members.
const DEFAULT: &str = "sg-000000000000000a0";
const QUARANTINE: &str = "sg-000000000000000a3";
const NONE: &str = "sg-0123456789abcdef0";

/// An edit decides traffic within seconds and costs no allowed packet, a group that does not exist is set on none,
/// drift is reported or corrected as the class says, and a tag freezes an ENI until somebody deletes it.
pub fn under_running_pods(space: &Space) -> anyhow::Result<()> {
    let count = followers()?;
    edit(space, &[APP], "Report")?;
    let pods = Pods::start(space, count + OTHERS)?;
    let (followers, others) = pods.enis.split_at(count);
    let others = Others {
        enis: others,
        drifted: &pods.names[count],
        held: &pods.names[count + 1],
    };
    others.somebody_changes(space)?;
    let talk = pods.talk(space, count)?;
    says_of_its_rollout(space, &Value::Null)?;
    let written = class_writes(space)?;
    a_new_group_lets_in(space, followers, &talk)?;
    let all = count + OTHERS;
    says_of_its_rollout(space, &json!({"updated": count, "total": all}))?;
    let written = class_writes(space)? - written;
    println!("{written} writes of the class for {count} ENIs");
    ensure!(written <= WRITES, "{written} writes of the class");
    await_groups(space, others.enis, &[QUARANTINE], Duration::ZERO)?;
    a_bad_group_is_set_on_no_eni(space, followers)?;
    let rollout = space.world.get("eniclass", space.name())?["status"]["rollout"].clone();
    let paused = rollout["paused"].as_str().unwrap_or_default();
    ensure!(
        rollout["updated"] == 0 && paused.contains(NONE),
        "{rollout}"
    );
    talk.nothing_is_lost(space)?;
    others.drift_is_seen(space)?;
    without_a_group_they_are_kept_out(space, followers, talk)?;
    others.drift_is_corrected(space)?;
    says_of_its_rollout(space, &json!({"updated": all - 1, "total": all}))?;
    others.without_its_tag_it_follows(space)?;
    says_of_its_rollout(space, &Value::Null)?;
    let names: Vec<&str> = pods.names.iter().map(String::as_str).collect();
    space.delete_pods(&names)
}

fn edit(space: &Space, groups: &[&str], policy: &str) -> anyhow::Result<()> {
    let mut edited = class(space);
    edited["spec"]["securityGroups"]["ids"] = json!(groups);
    edited["spec"]["driftPolicy"] = json!(policy);
    space.apply(&edited)
}

/// Waits until the class says just this of its rollout; null: nothing.
fn says_of_its_rollout(space: &Space, wanted: &Value) -> anyhow::Result<()> {
    let what = format!("the class to say {wanted} of its rollout");
    space.world.wait(&what, SOON, || {
        let class = space.world.get("eniclass", space.name())?;
        let (is, of) = (
            &class["status"]["rollout"],
            &class["status"]["observedGeneration"],
        );
        ensure!(
            is == wanted && *of == class["metadata"]["generation"],
            "it says {is} of {of}"
        );
        Ok(true)
    })
}

/// How often the operator wrote what is said of classes.
fn class_writes(space: &Space) -> anyhow::Result<usize> {
    let writes = space.world.writes()?;
    let of_class = |write: &&Write| write.resource == "eniclasses/status";
    Ok(writes.iter().filter(of_class).count())
}

/// Edits the groups while EC2 may be called for each ENI at once, and waits until all have them: how long it took.
fn rolled_out(
    space: &Space,
    followers: &[String],
    groups: &[&str],
    policy: &str,
) -> anyhow::Result<(Instant, Duration)> {
    space.world.await_tokens(MODIFY, followers.len())?;
    let start = Instant::now();
    edit(space, groups, policy)?;
    await_groups(space, followers, groups, FOLLOWED)?;
    Ok((start, start.elapsed()))
}

fn a_new_group_lets_in(space: &Space, followers: &[String], talk: &Talk) -> anyhow::Result<()> {
    let (start, all) = rolled_out(space, followers, &[APP, DEFAULT], "Report")?;
    let let_in = talk.await_let_in(space, start)?;
    let count = followers.len();
    println!("{count} ENIs had the new group after {all:.1?}; pods were let in after {let_in:.1?}");
    ensure!(let_in.iter().all(|took| *took <= FOLLOWED), "{let_in:?}");
    Ok(())
}

/// Who was let in by the group that is left stays so.
fn without_a_group_they_are_kept_out(
    space: &Space,
    followers: &[String],
    talk: Talk,
) -> anyhow::Result<()> {
    let failed = talk.failed()?;
    let (start, all) = rolled_out(space, followers, &[DEFAULT], "Correct")?;
    let kept_out = talk.await_kept_out(space, start)?;
    let count = followers.len();
    println!(
        "{count} ENIs had lost a group after {all:.1?}; pods were kept out after {kept_out:.1?}"
    );
    ensure!(
        kept_out.iter().all(|took| *took <= FOLLOWED),
        "{kept_out:?}"
    );
    let now = talk.failed()?;
    ensure!(
        now == failed,
        "allowed connections failed: {failed:?} before, {now:?} after"
    );
    talk.end()
}

fn a_bad_group_is_set_on_no_eni(space: &Space, followers: &[String]) -> anyhow::Result<()> {
    edit(space, &[APP, NONE], "Report")?;
    let events = space.world.existing("default");
    space.world.wait("an Event of the class", SOON, || {
        let events = events.events_of("EniClass", space.name())?;
        let fits = |event: &&Value| {
            let message = event["message"].as_str().unwrap_or_default();
            event["reason"] == "SecurityGroupNotFound" && message.contains(NONE)
        };
        Ok(events.iter().any(|event| fits(&event)))
    })?;
    // The Event may be there before the status.
    space.world.wait("the class to say so", SOON, || {
        let class = space.world.get("eniclass", space.name())?;
        Ok(condition(&class, "SecurityGroupsReady")["status"] == "False")
    })?;
    for (pod, claim) in claims(space)? {
        ensure!(is_ready(&claim), "{pod}: {}", condition(&claim, "Ready"));
    }
    let calls = space.world.calls(MODIFY)?;
    let tried = calls.iter().any(|call| call.to_string().contains(NONE));
    ensure!(!tried, "it was set on an ENI");
    await_groups(space, followers, &[APP, DEFAULT], Duration::ZERO)
}

/// ENIs that another client of EC2 changes.
struct Others<'a> {
    enis: &'a [String],
    drifted: &'a str,
    held: &'a str,
}

impl Others<'_> {
    /// Both are put into quarantine, and one of them on hold.
    fn somebody_changes(&self, space: &Space) -> anyhow::Result<()> {
        let hold = [
            ("ResourceId.1", self.enis[1].as_str()),
            ("Tag.1.Key", "eniclaim.io/hold"),
            ("Tag.1.Value", "incident-7"),
        ];
        space.world.ec2("CreateTags", &hold)?;
        for eni in self.enis {
            let set = [
                ("NetworkInterfaceId", eni.as_str()),
                ("SecurityGroupId.1", QUARANTINE),
            ];
            space.world.ec2(MODIFY, &set)?;
        }
        Ok(())
    }

    fn drift_is_seen(&self, space: &Space) -> anyhow::Result<()> {
        await_said(space, self.drifted, "Drifted")?;
        space.await_event(self.drifted, "somebody else changed the security groups")?;
        await_groups(space, self.enis, &[QUARANTINE], Duration::ZERO)
    }

    fn drift_is_corrected(&self, space: &Space) -> anyhow::Result<()> {
        await_groups(space, &self.enis[..1], &[DEFAULT], SOON)?;
        await_said(space, self.held, "Held")?;
        await_groups(space, &self.enis[1..], &[QUARANTINE], Duration::ZERO)
    }

    fn without_its_tag_it_follows(&self, space: &Space) -> anyhow::Result<()> {
        let tag = [
            ("ResourceId.1", self.enis[1].as_str()),
            ("Tag.1.Key", "eniclaim.io/hold"),
        ];
        space.world.ec2("DeleteTags", &tag)?;
        await_groups(space, self.enis, &[DEFAULT], SOON)?;
        await_said(space, self.held, "InSync")
    }
}

/// Waits until the claim of a pod says so of its groups.
fn await_said(space: &Space, pod: &str, reason: &str) -> anyhow::Result<()> {
    let what = format!("{pod} to be {reason}");
    space.world.wait(&what, SOON, || {
        let says = condition(&space.claim_of(pod)?, "SecurityGroupsInSync");
        ensure!(says["reason"] == reason, "{says}");
        Ok(true)
    })
}
