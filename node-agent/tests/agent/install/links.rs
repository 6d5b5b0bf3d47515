//! The plugin under the names of those that it replaces.

use std::fs;

use node_agent::install::{CniChain, Replaced, decision::Reason, uninstall};

use super::{
    TRUE,
    machine::{Machine, Runtime, a_machine, wait_until},
};

fn links(machine: &Machine) -> Vec<String> {
    let names = ["ecs-eni", "ecs-bridge", "ecs-ipam"].into_iter();
    let ours = names.filter(|name| {
        let to = fs::read_link(machine.places.bin.join(name));
        to.is_ok_and(|to| to.as_os_str() == "eniclaim")
    });
    ours.map(str::to_owned).collect()
}

#[test]
fn names_are_links_that_are_brought_back_and_go_with_the_value_or_an_uninstall() {
    let mut machine = a_machine();
    let before = machine.files();
    let _runtime = Runtime::start(&machine.places.conf, true);
    machine.replaced = vec![Replaced::EcsBridge, Replaced::EcsIpam];
    let mut agent = machine.agent(CniChain::Conflist);
    agent.says(TRUE, Reason::Installed, "");
    assert_eq!(links(&machine), ["ecs-bridge", "ecs-ipam"]);
    fs::remove_file(machine.places.bin.join("ecs-ipam")).unwrap();
    wait_until("the link is back", || links(&machine).len() == 2);
    drop(agent);
    machine.replaced = vec![Replaced::EcsIpam];
    machine
        .agent(CniChain::Conflist)
        .says(TRUE, Reason::Installed, "");
    assert_eq!(links(&machine), ["ecs-ipam"]);
    uninstall(&machine.socket(), &machine.places).unwrap();
    assert_eq!(machine.files(), before);
}

#[test]
fn another_program_keeps_its_name_and_that_is_said() {
    let mut machine = a_machine();
    let theirs = machine.places.bin.join("ecs-eni");
    fs::write(&theirs, "theirs").unwrap();
    let _runtime = Runtime::start(&machine.places.conf, true);
    machine.replaced = vec![Replaced::EcsEni, Replaced::EcsBridge];
    let mut agent = machine.agent(CniChain::Conflist);
    let said = "ecs-eni in the folder of CNI plugins is another program and stays";
    agent.says(TRUE, Reason::Installed, said);
    assert_eq!(fs::read_to_string(&theirs).unwrap(), "theirs");
    assert_eq!(links(&machine), ["ecs-bridge"]);
    drop(agent);
    uninstall(&machine.socket(), &machine.places).unwrap();
    assert_eq!(fs::read_to_string(&theirs).unwrap(), "theirs");
}

#[test]
fn alone_the_plugin_is_there_under_all_of_its_names_or_not_at_all() {
    let machine = a_machine();
    let names = [Replaced::EcsEni, Replaced::EcsIpam];
    machine.places.install_plugin(b"plugin", &names).unwrap();
    assert_eq!(links(&machine), ["ecs-eni", "ecs-ipam"]);
    let files = machine.files();
    machine.places.install_plugin(b"plugin", &names).unwrap();
    assert_eq!(machine.files(), files, "nothing is written again");
    let machine = a_machine();
    fs::write(machine.places.bin.join("ecs-ipam"), "theirs").unwrap();
    let refused = machine
        .places
        .install_plugin(b"plugin", &names)
        .unwrap_err();
    assert!(refused.to_string().contains("ecs-ipam"), "{refused}");
    assert!(!machine.plugin().exists());
}
