//! What a handler is given besides its code: values, secrets, trust and folders. Everything
//! here blocks.

use super::read::{AtMost, read_whole};
use crate::config::{Folder, HandlerConfig, SecretSource};
use crate::limits::Size;
use crate::signing::SigningKeys;
use crate::upstream::ExtraRoots;
use std::collections::BTreeMap;
use std::env::VarError;
use std::fs::OpenOptions;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::SystemTime;
use std::{env, fmt};

/// What a generation was given. Another one that is given the same needs not be made.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Given {
    pub(super) values: Values,
    pub(super) roots: ExtraRoots,
    pub(super) signing: Signing,
    folders: Vec<Inode>,
}

/// A handler's config values and secrets, under their names.
#[derive(Clone, Default, PartialEq)]
pub(super) struct Values(pub(super) BTreeMap<String, String>);

/// A handler's signing keys as they were read, newest first.
#[derive(Clone, Default, PartialEq)]
pub(super) struct Signing(Vec<String>);

impl Signing {
    pub(super) fn keys(&self) -> SigningKeys {
        let mut keys = SigningKeys::default();
        for secret in &self.0 {
            // Those that are too short were refused.
            let _ = keys.push(secret.as_bytes());
        }
        keys
    }
}

/// Their number only.
impl fmt::Debug for Signing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} keys", self.0.len())
    }
}

/// Names only: a value may be a secret.
impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Which folder it is, whatever its name.
#[derive(Clone, Debug, PartialEq)]
struct Inode {
    device: u64,
    number: u64,
    /// A number may be given again.
    created: Option<SystemTime>,
}

/// What a secret may have: a key, a certificate with its chain.
const SECRET_SIZE: AtMost = AtMost { size: Size::kib(64), name: "a secret" };

/// The bundle of a whole system has a quarter of that.
const ROOTS_SIZE: AtMost = AtMost { size: Size::mib(1), name: "`outbound_ca`" };

impl Given {
    /// Reads the secrets and certificates and looks at the folders anew, or says all that
    /// is wrong with them.
    pub(super) fn read(config: &HandlerConfig) -> Result<Self, String> {
        let mut values = config.grants.config.clone();
        let (mut folders, mut problems) = (Vec::new(), Vec::new());
        for (name, source) in &config.grants.secrets {
            match secret(source) {
                Ok(value) => drop(values.insert(name.clone(), value)),
                Err(problem) => problems.push(format!("secret `{name}`: {problem}")),
            }
        }
        let mut signing = Signing::default();
        for (i, source) in config.grants.signing_keys.iter().enumerate() {
            let key = secret(source).and_then(|key| {
                let long = SigningKeys::default().push(key.as_bytes());
                long.map(|()| key).map_err(|short| short.to_string())
            });
            match key {
                Ok(key) => signing.0.push(key),
                Err(problem) => problems.push(format!("`signing_keys[{i}]`: {problem}")),
            }
        }
        let roots = config.grants.outbound_ca.as_deref().map(roots).transpose();
        let roots = roots.unwrap_or_else(|problem| {
            problems.push(format!("`outbound_ca`: {problem}"));
            None
        });
        for folder in &config.grants.folders {
            match inode(folder) {
                Ok(inode) => folders.push(inode),
                Err(problem) => problems.push(problem),
            }
        }
        if !problems.is_empty() {
            return Err(problems.join("; "));
        }
        Ok(Given { values: Values(values), roots: roots.unwrap_or_default(), signing, folders })
    }
}

pub(super) fn secret(source: &SecretSource) -> Result<String, String> {
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

fn roots(path: &Path) -> Result<ExtraRoots, String> {
    let failed = |problem: &dyn fmt::Display| format!("`{}`: {problem}", path.display());
    let pem = read_whole(path, ROOTS_SIZE).map_err(|e| failed(&e))?;
    ExtraRoots::parse(&pem).map_err(|e| failed(&e))
}

fn inode(folder: &Folder) -> Result<Inode, String> {
    let found = OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::DIRECTORY.bits().cast_signed())
        .open(&folder.host)
        .and_then(|open| open.metadata());
    let found =
        found.map_err(|e| format!("cannot open folder `{}`: {e}", folder.host.display()))?;
    Ok(Inode { device: found.dev(), number: found.ino(), created: found.created().ok() })
}
