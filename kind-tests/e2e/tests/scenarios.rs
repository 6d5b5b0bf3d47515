//! Scenarios on real clusters, one at a time on each, through kubectl and traffic only; after each EC2 holds nothing of ours.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod scenarios {
    pub mod bad_input;
    pub mod busy_node;
    pub mod by_hand;
    pub mod check;
    pub mod class;
    pub mod class_status;
    pub mod clusters;
    pub mod crashes;
    pub mod cycles;
    pub mod default_route;
    pub mod default_route_asked;
    pub mod dual_stack;
    pub mod failing;
    pub mod families;
    pub mod followers;
    pub mod foreign_client;
    pub mod full_node;
    pub mod groups;
    pub mod hidden;
    pub mod hostile;
    pub mod in_use;
    pub mod installed;
    pub mod killed;
    pub mod lacking;
    pub mod leader;
    pub mod leases;
    pub mod makers;
    pub mod many;
    pub mod mtu;
    pub mod node;
    pub mod node_access;
    pub mod on_the_pod;
    pub mod persistent;
    pub mod places;
    pub mod raw_metadata;
    pub mod refused;
    pub mod replaced;
    pub mod rights;
    pub mod schema;
    pub mod several;
    pub mod several_under_traffic;
    pub mod shared;
    pub mod static_pod;
    pub mod story;
    pub mod stuck;
    pub mod versions;
    pub mod waiting;
    pub mod without_agent;
    pub mod writes;
}

use std::{env, process::ExitCode, sync::Arc};

use libtest_mimic::{Arguments, Failed, Trial};
use scenarios::{
    bad_input, busy_node, by_hand, check, class, class_status,
    clusters::{Clusters, Load, Scenario},
    crashes, cycles, default_route, failing, families, followers, foreign_client, full_node,
    groups, hidden, hostile, in_use, installed, killed, lacking, leader, leases, many, mtu, node,
    node_access, on_the_pod, persistent, places, raw_metadata, refused, replaced, rights, schema,
    several, several_under_traffic, shared, static_pod, story, stuck, versions, waiting,
    without_agent, writes,
};

type Named = (&'static str, Scenario);

/// They wait nearly all of their time: beside them others may measure time.
const QUIET: &[Named] = &[
    ("writes_of_one_pods_life", writes::one_pod),
    ("attach_that_stays_attaching_is_given_up", stuck::attaching),
    (
        "eni_detached_by_another_client_is_reported",
        foreign_client::detached,
    ),
    (
        "eni_deleted_by_another_client_is_reported",
        foreign_client::deleted,
    ),
    (
        "eni_of_one_of_four_interfaces_is_replaced",
        several_under_traffic::one_is_replaced,
    ),
];

/// They measure time: nothing but what is quiet runs meanwhile.
const MEASURED: &[Named] = &[
    ("rollout_at_full_capacity", full_node::rollout),
    (
        "agent_killed_at_every_step_loses_nothing",
        killed::at_every_step,
    ),
    (
        "hostile_pod_slows_and_harms_nobody",
        hostile::beside_ordinary_pods,
    ),
    (
        "four_interfaces_are_ready_hardly_later_than_one",
        several::four_of_two_classes,
    ),
    (
        "leader_asked_to_end_while_pods_start_and_end",
        leader::terminated,
    ),
    (
        "node_where_links_come_and_go_plugs_seven_pods",
        busy_node::links_come_and_go,
    ),
];

/// All others, the longest first.
const SCENARIOS: &[Named] = &[
    (
        "container_of_ecs_bridge_reaches_the_node_whatever_agent_runs",
        replaced::bridge,
    ),
    ("cycles_of_pods_leave_everything_as_it_was", cycles::many),
    (
        "right_that_the_agent_lacks_is_named",
        lacking::nothing_in_vain,
    ),
    ("api_server_refuses_with_the_rules_sentence", schema::rules),
    ("leader_stopped_while_pods_start_and_end", leader::stopped),
    (
        "static_pod_gets_its_interface_and_again_when_changed",
        static_pod::changed,
    ),
    ("leader_killed_while_pods_start_and_end", leader::killed),
    (
        "groups_of_a_class_change_under_running_pods",
        groups::under_running_pods,
    ),
    (
        "pod_of_four_interfaces_is_killed_and_moved_beside_others",
        several_under_traffic::killed_and_moved,
    ),
    (
        "groups_of_one_class_of_four_interfaces_change",
        several_under_traffic::groups_of_one_class,
    ),
    ("quick_job_has_no_rejected_pods", full_node::quick_job),
    ("failing_scenario_leaves_nothing", failing::leaves_nothing),
    (
        "waiting_add_holds_no_other_pod_and_no_node",
        waiting::add_waits_for_a_stopped_agent,
    ),
    (
        "wrong_interfaces_of_a_pod_are_refused_with_a_sentence",
        several::refused,
    ),
    (
        "interface_names_of_the_kernel_are_refused",
        schema::reserved_interface_names,
    ),
    (
        "every_field_of_a_claims_status_is_explained",
        schema::explain,
    ),
    ("labelled_pod_gets_its_own_eni", story::one_pod),
    (
        "pods_talk_from_every_address_of_both_families",
        families::talk_from_every_address,
    ),
    (
        "metadata_is_blocked_or_allowed_as_the_class_says",
        story::metadata,
    ),
    ("pass_through_add_opens_no_socket", story::pass_through),
    ("lease_is_kept_and_given_back", leases::kept),
    ("lease_that_differs_changes_nothing", leases::differing),
    ("lease_configures_the_interface", leases::configuring),
    ("ten_pods_over_two_nodes_at_once", many::ten_pods),
    (
        "pod_deleted_while_its_eni_is_being_created",
        crashes::deleted_while_creating,
    ),
    (
        "operator_killed_between_create_and_attach",
        crashes::operator_between_create_and_attach,
    ),
    (
        "agent_killed_while_traffic_goes_on",
        crashes::agent_under_traffic,
    ),
    (
        "agent_stopped_and_pods_that_do_not_ask_start_as_ever",
        crashes::agent_stopped,
    ),
    (
        "pods_deleted_without_agent_go_at_once_and_their_enis_later",
        without_agent::deleted,
    ),
    ("dead_namespace_gives_its_eni_back", crashes::dead_namespace),
    ("who_answers_by_which_interface", default_route::who_answers),
    (
        "pod_with_node_access_reaches_its_node_and_no_neighbour",
        node_access::who_reaches_whom,
    ),
    ("unknown_class_is_reported", bad_input::unknown_class),
    (
        "namespace_not_selected_is_reported",
        bad_input::namespace_not_selected,
    ),
    (
        "subnet_that_does_not_exist_is_reported",
        bad_input::subnet_does_not_exist,
    ),
    (
        "group_that_does_not_exist_is_reported",
        bad_input::group_does_not_exist,
    ),
    ("pod_says_its_addresses_and_is_gated", on_the_pod::marks),
    ("full_node_is_reported", bad_input::node_full),
    (
        "malformed_cni_input_gets_one_sentence",
        bad_input::malformed_cni_input,
    ),
    (
        "refused_create_takes_the_edited_class",
        refused::edited_class,
    ),
    ("refused_create_holds_no_namespace", refused::namespace_goes),
    ("quota_refusal_is_reported", refused::quota),
    (
        "class_edited_before_the_plug_is_taken",
        class::edited_before_plug,
    ),
    (
        "class_says_what_is_wrong_before_any_pod_and_serves_by_tags",
        class_status::told_and_mended,
    ),
    (
        "deleted_claim_stays_while_its_pod_runs",
        in_use::deleted_claim,
    ),
    ("foreground_deletion_waits_for_the_pod", in_use::foreground),
    (
        "claim_made_by_hand_follows_its_pods",
        by_hand::follows_its_pods,
    ),
    (
        "pods_of_a_stateful_set_have_the_same_enis_again",
        persistent::same_enis_again,
    ),
    (
        "eninode_that_was_deleted_is_filled_again",
        node::eninode_deleted,
    ),
    ("node_registered_again_serves", node::registered_again),
    ("node_without_agent_gets_no_pods", node::without_agent),
    (
        "removed_plugin_and_drop_in_are_back_in_seconds",
        installed::removed,
    ),
    (
        "list_that_takes_the_first_place_is_joined",
        installed::other_list_comes_first,
    ),
    (
        "list_that_keeps_drop_ins_out_is_named",
        installed::closed_list_comes_first,
    ),
    (
        "unasked_plugin_gives_the_result_back_byte_for_byte",
        versions::passed_through,
    ),
    (
        "list_of_the_oldest_version_starts_all_pods",
        versions::old_list,
    ),
    ("check_after_add_finds_what_was_changed", check::after_add),
    (
        "interface_has_the_mtu_of_the_class_or_the_vpc",
        mtu::of_class_or_vpc,
    ),
    (
        "metadata_service_gets_no_raw_frame_of_any_form",
        raw_metadata::forms,
    ),
    (
        "device_of_a_hostile_pod_is_as_new_in_the_next",
        hostile::device_is_as_new,
    ),
    (
        "hidden_eni_stays_attached_until_its_pod_has_ended",
        hidden::by_its_pod,
    ),
    (
        "slots_are_left_to_the_vpc_cni_and_an_eni_forwards",
        shared::with_the_vpc_cni,
    ),
    ("agent_has_the_charts_rights", rights::as_in_the_chart),
    ("eni_is_the_only_interface_of_its_pod", places::alone),
    (
        "host_device_has_the_addresses_of_the_claim",
        places::as_ipam_plugin,
    ),
    (
        "device_of_host_device_is_configured_and_returned",
        places::behind_host_device,
    ),
];

/// On how many clusters scenarios run at the same time.
const CLUSTERS: usize = 3;

fn main() -> ExitCode {
    let mut args = Arguments::from_args();
    let chosen = chosen(&mut args);
    if args.list {
        return libtest_mimic::run(&args, trials(&chosen, None)).exit_code();
    }
    let clusters = *args
        .test_threads
        .get_or_insert(chosen.len().clamp(1, CLUSTERS));
    // Another name lets it run beside other clusters on the same machine.
    let name = env::var("E2E_CLUSTER").unwrap_or_else(|_| "e2e".to_owned());
    let clusters = match followers::nodes().and_then(|nodes| Clusters::up(&name, clusters, nodes)) {
        Ok(clusters) => Arc::new(clusters),
        Err(error) => {
            eprintln!("{error:#}");
            return ExitCode::FAILURE;
        }
    };
    let conclusion = libtest_mimic::run(&args, trials(&chosen, Some(&clusters)));
    match clusters.down() {
        Ok(()) => conclusion.exit_code(),
        Err(error) => {
            eprintln!("a cluster could not be taken down: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// All scenarios, in the order in which they begin: first one that is quiet, and so on in turn with those that measure time.
fn all() -> impl Iterator<Item = (Load, Named)> {
    let with = |load: Load| move |scenario: &Named| (load, *scenario);
    let quiet: Vec<_> = QUIET.iter().map(with(Load::Quiet)).collect();
    let measured: Vec<_> = MEASURED.iter().map(with(Load::Measured)).collect();
    let most = quiet.len().max(measured.len());
    let first = (0..most).flat_map(move |n| [quiet.get(n).copied(), measured.get(n).copied()]);
    let others = SCENARIOS.iter().map(with(Load::Usual));
    first.flatten().chain(others)
}

/// The scenarios that the filter names: `a,b` runs those whose name contains a or b.
fn chosen(args: &mut Arguments) -> Vec<(Load, Named)> {
    let filter = args.filter.take().unwrap_or_default();
    let words: Vec<&str> = filter.split(',').collect();
    let fits = |name: &str| {
        let part = words.iter().any(|word| name.contains(word));
        part && (!args.exact || words.contains(&name))
    };
    all().filter(|(_, (name, _))| fits(name)).collect()
}

/// A scenario's namespace says nothing: Events and logs repeat it, and a scenario that looks for a word there must not find
/// its own name.
fn trials(scenarios: &[(Load, Named)], clusters: Option<&Arc<Clusters>>) -> Vec<Trial> {
    let numbered = scenarios.iter().copied().enumerate();
    numbered
        .map(|(number, (load, (name, scenario)))| {
            let (clusters, space) = (clusters.cloned(), format!("s{number}"));
            Trial::test(name, move || {
                let clusters = clusters.as_deref().expect("clusters");
                let ended = clusters.run(name, load, &space, scenario);
                ended.map_err(|error| Failed::from(format!("{error:#}")))
            })
        })
        .collect()
}
