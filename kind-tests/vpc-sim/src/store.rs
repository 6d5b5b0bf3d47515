//! The state in a file, so that a simulator that was killed goes on where it was.

use std::{fs, io, path::PathBuf};

use crate::{SimError, state::Sim};

/// The file, and what is in it.
pub(crate) struct Store {
    path: PathBuf,
    kept: String,
}

impl Store {
    /// The file at `path` and the state that it holds; there may be neither.
    pub(crate) fn open(path: PathBuf) -> Result<(Self, Option<Sim>), SimError> {
        let kept = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(source) => return Err(SimError::File { path, source }),
        };
        let sim = match kept.as_str() {
            "" => None,
            text => match serde_json::from_str(text) {
                Ok(sim) => Some(sim),
                Err(source) => return Err(SimError::State { path, source }),
            },
        };
        Ok((Self { path, kept }, sim))
    }

    /// Writes the state if it differs from what was written last. The file is always whole: it is replaced by another one.
    /// It survives the end of the process, not that of the machine, whose links would be gone anyway.
    pub(crate) fn keep(&mut self, sim: &Sim) -> Result<(), SimError> {
        let path = || self.path.clone();
        let text = serde_json::to_string(sim).map_err(|source| SimError::State {
            path: path(),
            source,
        })?;
        if text == self.kept {
            return Ok(());
        }
        let new = self.path.with_extension("new");
        fs::write(&new, &text)
            .and_then(|()| fs::rename(&new, &self.path))
            .map_err(|source| SimError::File {
                path: path(),
                source,
            })?;
        self.kept = text;
        Ok(())
    }
}
