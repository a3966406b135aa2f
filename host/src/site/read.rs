//! Reads files that anybody may be changing, or replacing by something that is no
//! file. Everything here blocks, but only on the disk.

use crate::config::{HandlerConfig, SecretSource};
use crate::limits::Size;
use std::collections::BTreeMap;
use std::env::VarError;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::{env, fmt};

/// Why a file could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("there is no such file")]
    Missing,
    #[error("cannot read the file: {0}")]
    Unreadable(io::Error),
    #[error("it is not a regular file")]
    NotAFile,
    #[error("the file has {size} bytes, more than {limit}")]
    TooLarge { size: u64, limit: AtMost },
}

/// A size, and what to call it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AtMost {
    size: Size,
    name: &'static str,
}

impl fmt::Display for AtMost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} allows ({})", self.name, self.size)
    }
}

/// What a secret may have: a key, a certificate with its chain.
const SECRET_SIZE: AtMost = AtMost { size: Size::kib(64), name: "a secret" };

/// Reads the file of a component of at most `size`.
pub(crate) fn read_component(path: &Path, size: Size) -> Result<Vec<u8>, ReadError> {
    read_whole(path, AtMost { size, name: "`component_size`" })
}

/// Reads a whole file: never waits for a FIFO, never takes more than `limit`, never
/// maps what could be cut under our feet.
fn read_whole(path: &Path, limit: AtMost) -> Result<Vec<u8>, ReadError> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
        .map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => ReadError::Missing,
            _ => ReadError::Unreadable(e),
        })?;
    let found = file.metadata().map_err(ReadError::Unreadable)?;
    if !found.is_file() {
        return Err(ReadError::NotAFile);
    }
    if found.len() > limit.size.get() {
        return Err(ReadError::TooLarge { size: found.len(), limit });
    }
    let mut bytes = Vec::with_capacity(usize::try_from(found.len()).unwrap_or(0));
    file.take(limit.size.get() + 1).read_to_end(&mut bytes).map_err(ReadError::Unreadable)?;
    let size = bytes.len() as u64;
    if size > limit.size.get() {
        return Err(ReadError::TooLarge { size, limit });
    }
    Ok(bytes)
}

/// A handler's config values and secrets, under their names.
#[derive(Clone, Default, PartialEq)]
pub(super) struct Values(pub(super) BTreeMap<String, String>);

/// Names only: a value may be a secret.
impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Values {
    /// Reads the secrets anew.
    pub(super) fn read(config: &HandlerConfig) -> Result<Self, String> {
        let mut values = config.grants.config.clone();
        for (name, source) in &config.grants.secrets {
            let value = secret(source).map_err(|problem| format!("secret `{name}`: {problem}"))?;
            values.insert(name.clone(), value);
        }
        Ok(Values(values))
    }
}

fn secret(source: &SecretSource) -> Result<String, String> {
    match source {
        SecretSource::Environment(variable) => env::var(variable).map_err(|error| match error {
            VarError::NotPresent => format!("the variable `{variable}` is not set"),
            VarError::NotUnicode(_) => format!("the variable `{variable}` is not UTF-8"),
        }),
        SecretSource::File(path) => {
            let failed = |problem: &dyn fmt::Display| format!("`{}`: {problem}", path.display());
            let bytes = read_whole(path, SECRET_SIZE).map_err(|e| failed(&e))?;
            let text = String::from_utf8(bytes).map_err(|_| failed(&"it is not UTF-8"))?;
            Ok(text.trim_end_matches(['\r', '\n']).to_owned())
        }
    }
}
