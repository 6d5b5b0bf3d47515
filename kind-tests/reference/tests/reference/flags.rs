//! The page of flags.

use clap::{Arg, Command, CommandFactory};

use super::{code, page, table};

/// What clap says of a flag, in one row.
fn row(argument: &Arg) -> Option<Vec<String>> {
    let long = argument
        .get_long()
        .filter(|long| !["help", "version"].contains(long))?;
    let variable = argument.get_env().map(|name| code(&name.to_string_lossy()));
    let default: Vec<String> = argument
        .get_default_values()
        .iter()
        .map(|value| code(&value.to_string_lossy()))
        .collect();
    let mut about = argument
        .get_help()
        .map(ToString::to_string)
        .unwrap_or_default();
    let values = argument.get_possible_values();
    if !values.is_empty() {
        let values = values.iter().map(|value| {
            let name = code(value.get_name());
            value
                .get_help()
                .map_or_else(|| name.clone(), |help| format!("{name}: {help}"))
        });
        about = format!("{about}. {}", values.collect::<Vec<_>>().join("; "));
    }
    Some(vec![
        code(&format!("--{long}")),
        variable.unwrap_or_default(),
        default.join(" "),
        about,
    ])
}

fn section(command: &Command, name: &str) -> String {
    let about = command.get_about().map(ToString::to_string);
    let rows = command.get_arguments().filter_map(row);
    format!(
        "\n## {name}\n\n{}.\n\n{}",
        about.unwrap_or_default(),
        table(&["flag", "or variable", "default", ""], rows)
    )
}

#[test]
fn the_page_of_flags_is_what_clap_parses() {
    let mut text =
        "A flag decides over its variable. The chart sets them; `extraArgs` adds further ones.\n"
            .to_owned();
    for mut command in [
        operator::options::Flags::command(),
        node_agent::options::Options::command(),
    ] {
        command.build();
        let name = command.get_name().to_owned();
        let subcommands: Vec<&Command> = command
            .get_subcommands()
            .filter(|sub| sub.get_name() != "help")
            .collect();
        if !command.is_subcommand_required_set() {
            text += &section(&command, &name);
        }
        for sub in subcommands {
            text += &section(sub, &format!("{name} {}", sub.get_name()));
        }
    }
    page("flags.md", "Flags", &text);
}
