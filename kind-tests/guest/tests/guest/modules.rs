//! The kernel modules that the guest loads, with all that they need, in order.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;

/// What the tests make links of and filter with; drivers that make a link by themselves are asked for none.
const WANTED: &[(&str, &str)] = &[
    ("virtio_pci", ""),
    ("virtio_net", ""),
    ("nf_tables", ""),
    ("sch_ingress", ""),
    ("veth", ""),
    ("bridge", ""),
    ("macvlan", ""),
    ("ipvlan", ""),
    ("8021q", ""),
    ("vxlan", ""),
    ("vrf", ""),
    ("tun", ""),
    ("dummy", "numdummies=0"),
    ("bonding", "max_bonds=0"),
];

pub struct Module {
    pub name: String,
    pub parameters: &'static str,
    pub content: Vec<u8>,
}

pub fn wanted(folder: &Path) -> anyhow::Result<Vec<Module>> {
    let mut files = HashMap::new();
    find(folder, &mut files)?;
    let mut modules = Vec::new();
    for (name, parameters) in WANTED {
        add(name, parameters, &files, &mut modules)?;
    }
    Ok(modules)
}

fn find(folder: &Path, files: &mut HashMap<String, PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, files)?;
        } else if let Some(name) = path
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .strip_suffix(".ko")
        {
            files.insert(name.replace('-', "_"), path);
        }
    }
    Ok(())
}

fn add(
    name: &str,
    parameters: &'static str,
    files: &HashMap<String, PathBuf>,
    modules: &mut Vec<Module>,
) -> anyhow::Result<()> {
    let name = name.replace('-', "_");
    if modules.iter().any(|module| module.name == name) {
        return Ok(());
    }
    let path = files
        .get(&name)
        .with_context(|| format!("the kernel has no module {name}"))?;
    let content = fs::read(path)?;
    for needed in depends(&content) {
        add(&needed, "", files, modules)?;
    }
    modules.push(Module {
        name,
        parameters,
        content,
    });
    Ok(())
}

/// The names in `depends=` of the module's information, which is a list of strings that end in zero.
fn depends(module: &[u8]) -> Vec<String> {
    module
        .split(|byte| *byte == 0)
        .find_map(|string| string.strip_prefix(b"depends="))
        .map(|names| String::from_utf8_lossy(names).into_owned())
        .into_iter()
        .flat_map(|names| names.split(',').map(str::to_owned).collect::<Vec<_>>())
        .filter(|name| !name.is_empty())
        .collect()
}
