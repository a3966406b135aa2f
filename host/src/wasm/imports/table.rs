//! The interfaces that a component may import, and which grant gives each its use.

use super::super::inspect::{Shape, World};
use crate::config::Grants;

/// One import of a component, seen with the grants of its handler.
#[derive(Clone, Debug, PartialEq)]
pub struct Import {
    /// Such as `wasi:http/client@0.3.0`.
    pub name: String,
    pub status: ImportStatus,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportStatus {
    /// Every handler may use it.
    Free,
    /// A grant of this handler gives it its use.
    Granted,
    /// It is there, but every use is denied until this line is in the config.
    NotGranted(&'static str),
    /// It is there, but every use is denied, whatever the config says.
    NeverGranted,
    /// This host does not offer it.
    Missing,
}

/// Which grant an interface needs.
#[derive(Clone, Copy)]
enum Needs {
    Nothing,
    Outbound,
    Tcp,
    /// What no grant gives.
    Udp,
    Folders,
    Values,
    SigningKeys,
    Buckets,
}

/// Of the one version that there is of it, for every world.
const KEY_VALUE: [&str; 3] =
    ["wasi:keyvalue/atomics", "wasi:keyvalue/batch", "wasi:keyvalue/store"];

const TRACK_02: &[(&str, Needs)] = &[
    ("wasi:cli/environment", Needs::Nothing),
    ("wasi:cli/exit", Needs::Nothing),
    ("wasi:cli/stderr", Needs::Nothing),
    ("wasi:cli/stdin", Needs::Nothing),
    ("wasi:cli/stdout", Needs::Nothing),
    ("wasi:cli/terminal-input", Needs::Nothing),
    ("wasi:cli/terminal-output", Needs::Nothing),
    ("wasi:cli/terminal-stderr", Needs::Nothing),
    ("wasi:cli/terminal-stdin", Needs::Nothing),
    ("wasi:cli/terminal-stdout", Needs::Nothing),
    ("wasi:clocks/monotonic-clock", Needs::Nothing),
    ("wasi:clocks/wall-clock", Needs::Nothing),
    ("wasi:config/store", Needs::Values),
    ("wasi:filesystem/preopens", Needs::Folders),
    ("wasi:filesystem/types", Needs::Folders),
    ("wasi:http/outgoing-handler", Needs::Outbound),
    ("wasi:http/types", Needs::Nothing),
    ("wasi:io/error", Needs::Nothing),
    ("wasi:io/poll", Needs::Nothing),
    ("wasi:io/streams", Needs::Nothing),
    ("wasi:random/insecure", Needs::Nothing),
    ("wasi:random/insecure-seed", Needs::Nothing),
    ("wasi:random/random", Needs::Nothing),
    ("wasi:sockets/instance-network", Needs::Tcp),
    ("wasi:sockets/ip-name-lookup", Needs::Tcp),
    ("wasi:sockets/network", Needs::Tcp),
    ("wasi:sockets/tcp", Needs::Tcp),
    ("wasi:sockets/tcp-create-socket", Needs::Tcp),
    ("wasi:sockets/udp", Needs::Udp),
    ("wasi:sockets/udp-create-socket", Needs::Udp),
];

const TRACK_03: &[(&str, Needs)] = &[
    ("wasi:cli/environment", Needs::Nothing),
    ("wasi:cli/exit", Needs::Nothing),
    ("wasi:cli/stderr", Needs::Nothing),
    ("wasi:cli/stdin", Needs::Nothing),
    ("wasi:cli/stdout", Needs::Nothing),
    ("wasi:cli/terminal-input", Needs::Nothing),
    ("wasi:cli/terminal-output", Needs::Nothing),
    ("wasi:cli/terminal-stderr", Needs::Nothing),
    ("wasi:cli/terminal-stdin", Needs::Nothing),
    ("wasi:cli/terminal-stdout", Needs::Nothing),
    ("wasi:cli/types", Needs::Nothing),
    ("wasi:clocks/monotonic-clock", Needs::Nothing),
    ("wasi:clocks/system-clock", Needs::Nothing),
    ("wasi:clocks/types", Needs::Nothing),
    ("wasi:filesystem/preopens", Needs::Folders),
    ("wasi:filesystem/types", Needs::Folders),
    ("wasi:http/client", Needs::Outbound),
    ("wasi:http/types", Needs::Nothing),
    ("wasi:random/insecure", Needs::Nothing),
    ("wasi:random/insecure-seed", Needs::Nothing),
    ("wasi:random/random", Needs::Nothing),
    ("wasi:sockets/ip-name-lookup", Needs::Tcp),
    ("wasi:sockets/types", Needs::Tcp),
];

const TRACK_WEB: &[(&str, Needs)] = &[
    ("squall:web/client", Needs::Nothing),
    ("squall:web/handler", Needs::Nothing),
    ("squall:web/key-value", Needs::Buckets),
    ("squall:web/log", Needs::Nothing),
    ("squall:web/outbound", Needs::Outbound),
    ("squall:web/signing", Needs::SigningKeys),
    ("squall:web/types", Needs::Nothing),
];

/// Whether a component of `world` may import `name`.
pub(crate) fn is_known(world: World, name: &str) -> bool {
    needs(world, name).is_some()
}

impl Shape {
    /// The imports with what `grants` make of them.
    pub fn imports_with(&self, grants: &Grants) -> Vec<Import> {
        let status = |name: &String| match needs(self.world, name) {
            None => ImportStatus::Missing,
            Some(needs) => needs.status(grants),
        };
        self.imports
            .iter()
            .map(|name| Import { name: name.clone(), status: status(name) })
            .collect()
    }
}

fn needs(world: World, name: &str) -> Option<Needs> {
    let (interface, version) = name.split_once('@')?;
    let find = |track: &[(&str, Needs)]| {
        track.iter().find(|(known, _)| *known == interface).map(|(_, needs)| *needs)
    };
    if interface == "wasi:config/store" {
        return version.starts_with("0.2.0-rc").then_some(Needs::Values);
    }
    if KEY_VALUE.contains(&interface) {
        return (version == "0.2.0-draft2").then_some(Needs::Buckets);
    }
    if version.contains('-') {
        return None;
    }
    match (version, world) {
        (v, _) if v.starts_with("0.2.") => find(TRACK_02),
        (_, World::Http02) => None,
        (v, _) if v.starts_with("0.3.") => find(TRACK_03),
        (v, _) if v.starts_with("0.1.") => find(TRACK_WEB),
        _ => None,
    }
}

impl Needs {
    fn status(self, grants: &Grants) -> ImportStatus {
        let (granted, line) = match self {
            Needs::Nothing => return ImportStatus::Free,
            Needs::Udp => return ImportStatus::NeverGranted,
            Needs::Outbound => {
                (!grants.outbound.is_empty(), "outbound = [\"https://api.example.com\"]")
            }
            Needs::Tcp => {
                (!grants.outbound_tcp.is_empty(), "outbound_tcp = [\"db.example.com:5432\"]")
            }
            Needs::Folders => (
                !grants.folders.is_empty(),
                "folders = [{ host = \"data\", guest = \"/data\", access = \"read\" }]",
            ),
            Needs::SigningKeys => {
                (!grants.signing_keys.is_empty(), "signing_keys = [{ file = \"signing.key\" }]")
            }
            Needs::Values => {
                let any = !grants.config.is_empty() || !grants.secrets.is_empty();
                (any, "config = { key = \"value\" }")
            }
            Needs::Buckets => (!grants.key_value.is_empty(), "key_value = [\"default\"]"),
        };
        if granted { ImportStatus::Granted } else { ImportStatus::NotGranted(line) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_a_track_are_known_and_others_are_not() {
        assert!(is_known(World::Http02, "wasi:io/streams@0.2.0"));
        assert!(is_known(World::Http02, "wasi:io/streams@0.2.12"));
        assert!(is_known(World::Http03, "wasi:http/client@0.3.2"));
        assert!(is_known(World::Http03, "wasi:cli/stdout@0.2.6"));
        assert!(!is_known(World::Http02, "wasi:http/client@0.3.0"));
        assert!(!is_known(World::Http03, "wasi:http/client@0.4.0"));
        assert!(!is_known(World::Http03, "wasi:http/client@0.3.0-rc-2026-01-06"));
        assert!(is_known(World::Http02, "wasi:keyvalue/store@0.2.0-draft2"));
        assert!(is_known(World::Http03, "wasi:keyvalue/batch@0.2.0-draft2"));
        assert!(!is_known(World::Http03, "wasi:keyvalue/store@0.2.0-draft"));
        assert!(!is_known(World::Http02, "wasi:keyvalue/watcher@0.2.0-draft2"));
        assert!(!is_known(World::Http02, "acme:thing/x"));
    }

    #[test]
    fn no_line_of_a_config_grants_udp() {
        let udp = ["wasi:sockets/udp@0.2.6", "wasi:sockets/udp-create-socket@0.2.6"];
        let imports = udp.map(str::to_owned).to_vec();
        let shape = Shape { world: World::Http02, imports, schema: None };
        let tcp = crate::policy::TcpGrants::parse(&["db.example.com:5432".to_owned()]).unwrap();
        let granted = Grants { outbound_tcp: tcp, ..Grants::default() };
        for grants in [Grants::default(), granted] {
            for import in shape.imports_with(&grants) {
                assert_eq!(import.status, ImportStatus::NeverGranted, "{}", import.name);
            }
        }
    }
}
