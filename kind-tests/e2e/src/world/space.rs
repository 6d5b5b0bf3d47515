//! The namespace of one scenario, and what the scenario must put back, whatever happens.

use std::cell::{Cell, RefCell};

use anyhow::bail;
use serde_json::{Value, json};

use super::{
    SOON, World,
    at_end::AtEnd,
    cloud::{REAL, SHORT},
    text,
};

/// A namespace of one scenario. When this is dropped, every change that was registered with it is undone, the namespace
/// is deleted, and so are the classes that were applied by it.
pub struct Space<'w> {
    /// The cluster.
    pub world: &'w World,
    name: String,
    /// Whether the namespace was made here and goes with this value.
    made: bool,
    undo: AtEnd<World>,
    classes: RefCell<Vec<String>>,
    file: Cell<u32>,
}

impl World {
    /// Makes a namespace in which pods can be made.
    pub fn space(&self, name: &str) -> anyhow::Result<Space<'_>> {
        self.kubectl(&["create", "namespace", name])?;
        let mut space = self.existing(name);
        space.made = true;
        // Without it the API server refuses every pod.
        self.wait("the ServiceAccount default", SOON, || {
            Ok(space
                .get("serviceaccount", "default")?
                .get("metadata")
                .is_some())
        })?;
        Ok(space)
    }

    /// A namespace that was there before and stays.
    pub fn existing(&self, name: &str) -> Space<'_> {
        Space {
            world: self,
            name: name.to_owned(),
            made: false,
            undo: AtEnd::default(),
            classes: RefCell::default(),
            file: Cell::default(),
        }
    }
}

impl Space<'_> {
    /// The name of the namespace.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs kubectl in this namespace; its standard output, or an error with what it said.
    pub fn kubectl(&self, args: &[&str]) -> anyhow::Result<String> {
        self.world
            .kubectl(&[&["-n", self.name.as_str()], args].concat())
    }

    /// Applies an object. A class goes when this value goes.
    pub fn apply(&self, object: &Value) -> anyhow::Result<()> {
        let part = |path: &str| object.pointer(path).and_then(Value::as_str);
        if let (Some("EniClass"), Some(name)) = (part("/kind"), part("/metadata/name")) {
            self.owns_class(name);
        }
        let file = self.write(object)?;
        self.kubectl(&["apply", "-f", &file]).map(drop)
    }

    /// Whether the API server takes an object, by a dry run.
    pub fn dry_run(&self, object: &Value) -> anyhow::Result<()> {
        self.send(&["apply", "--dry-run=server"], object)
    }

    /// Hands an object to a verb of kubectl.
    pub fn send(&self, verb: &[&str], object: &Value) -> anyhow::Result<()> {
        let file = self.write(object)?;
        self.kubectl(&[verb, &["-f", &file]].concat()).map(drop)
    }

    fn write(&self, object: &Value) -> anyhow::Result<String> {
        let number = self.file.replace(self.file.get() + 1);
        let file = self
            .world
            .cluster
            .state_dir()
            .join(format!("{}-{number}.json", self.name));
        std::fs::write(&file, object.to_string())?;
        Ok(text(&file))
    }

    /// A class that was made otherwise goes when this value goes.
    pub fn owns_class(&self, name: &str) {
        self.classes.borrow_mut().push(name.to_owned());
    }

    /// Puts something back when this value goes: the latest change first.
    pub fn at_end(&self, undo: impl FnOnce(&World) -> anyhow::Result<()> + 'static) {
        self.undo.push(undo);
    }

    /// Runs kubectl at the end.
    pub fn kubectl_at_end(&self, args: &[&str]) {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        self.at_end(move |world| {
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            world.kubectl(&args).map(drop)
        });
    }

    /// Orders a fault of the simulated EC2; all faults are forgotten when this value goes.
    pub fn fault(&self, order: &Value) -> anyhow::Result<()> {
        self.at_end(World::forget_faults);
        self.world
            .cluster
            .sim("POST", "/sim/faults", Some(order))
            .map(drop)
            .map_err(Into::into)
    }

    /// Sets how the simulated EC2 behaves; it is healthy again when this value goes.
    pub fn settings(&self, settings: &Value) -> anyhow::Result<()> {
        let set = |world: &World, settings: &Value| {
            let set = world.cluster.sim("POST", "/sim/settings", Some(settings));
            set.map(drop).map_err(anyhow::Error::from)
        };
        self.at_end(move |world| set(world, &json!({})));
        set(self.world, settings)
    }

    /// Lets the simulated EC2 take as long as the real one, until this value goes.
    pub fn real_delays(&self) -> anyhow::Result<()> {
        self.at_end(|world| world.set_delays(&SHORT));
        self.world.set_delays(&REAL)
    }

    /// Runs a command in a pod's container; its standard output, or an error with what it said.
    pub fn exec(&self, pod: &str, command: &[&str]) -> anyhow::Result<String> {
        self.kubectl(&[&["exec", pod, "--"], command].concat())
    }

    /// Deletes pods, and waits until no claim is left and EC2 holds nothing of ours.
    pub fn delete_pods(&self, pods: &[&str]) -> anyhow::Result<()> {
        let delete = [
            "delete",
            "pod",
            "--ignore-not-found",
            "--wait=true",
            "--timeout=60s",
        ];
        self.kubectl(&[&delete, pods].concat())?;
        self.world.await_clean()
    }

    /// Undoes what was done here, and says what could not be undone.
    pub fn end(mut self) -> anyhow::Result<()> {
        self.put_back()
    }

    fn put_back(&mut self) -> anyhow::Result<()> {
        let mut failed = self.undo.run(self.world);
        // Only once.
        if std::mem::take(&mut self.made) {
            let (namespace, classes) = (&self.name, self.classes.take());
            let delete = ["delete", "namespace", namespace, "--ignore-not-found"];
            let deleted = self
                .world
                .kubectl(&[&delete[..], &["--wait=false"]].concat());
            failed.extend(deleted.err());
            // A class that goes before its claims would change what happens to them.
            let gone = self.world.wait("the claims to be gone", SOON / 2, || {
                Ok(self.claims().map_or(true, |claims| claims.is_empty()))
            });
            failed.extend(gone.err());
            for class in classes {
                let delete = ["delete", "eniclass", &class, "--ignore-not-found"];
                failed.extend(self.world.kubectl(&delete).err());
            }
        }
        if failed.is_empty() {
            return Ok(());
        }
        let all: Vec<String> = failed.iter().map(|error| format!("{error:#}")).collect();
        bail!(
            "{} is not put back as it was: {}",
            self.name,
            all.join("; ")
        )
    }
}

impl Drop for Space<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.put_back() {
            eprintln!("{error:#}");
        }
    }
}
