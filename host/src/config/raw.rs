//! The shape of `squall.toml`, key by key. Unknown keys are refused.

use crate::limits::{PartialHandlerLimits, PartialServerLimits};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    #[serde(default)]
    pub(super) server: Server,
    #[serde(default)]
    pub(super) limits: PartialHandlerLimits,
    #[serde(default)]
    pub(super) handlers: BTreeMap<String, Handler>,
    #[serde(default)]
    pub(super) routes: Vec<Route>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Server {
    #[serde(default)]
    pub(super) listen: Option<OneOrMany>,
    #[serde(default)]
    pub(super) admin: Option<String>,
    #[serde(default)]
    pub(super) trusted_proxies: Vec<String>,
    #[serde(default)]
    pub(super) access_log: Option<String>,
    #[serde(default)]
    pub(super) outbound_ca: Option<String>,
    #[serde(default)]
    pub(super) state: State,
    #[serde(default)]
    pub(super) limits: PartialServerLimits,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    #[serde(default)]
    pub(super) backend: Option<String>,
    #[serde(default)]
    pub(super) file: Option<String>,
    #[serde(default)]
    pub(super) durability: Option<String>,
    #[serde(default)]
    pub(super) url: Option<TextOrSecret>,
}

#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "`url` is a text such as `\"redis://127.0.0.1:6379\"`, or `{ env = \"VARIABLE\" }` or `{ file = \"PATH\" }` that holds it"
)]
pub(super) enum TextOrSecret {
    Text(String),
    Secret(Secret),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Handler {
    pub(super) component: String,
    #[serde(default)]
    pub(super) source: Option<String>,
    #[serde(default)]
    pub(super) isolation: Option<String>,
    #[serde(default)]
    pub(super) health: Option<String>,
    #[serde(default)]
    pub(super) outbound: Vec<String>,
    #[serde(default)]
    pub(super) outbound_private: Vec<String>,
    #[serde(default)]
    pub(super) outbound_tcp: Vec<String>,
    #[serde(default)]
    pub(super) config: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) secrets: BTreeMap<String, Secret>,
    #[serde(default)]
    pub(super) folders: Vec<Folder>,
    #[serde(default)]
    pub(super) signing_keys: Vec<Secret>,
    #[serde(default)]
    pub(super) key_value: Vec<String>,
    #[serde(default)]
    pub(super) schema: Option<u32>,
    #[serde(default)]
    pub(super) schema_change: Option<String>,
    #[serde(default)]
    pub(super) limits: PartialHandlerLimits,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Secret {
    #[serde(default)]
    pub(super) env: Option<String>,
    #[serde(default)]
    pub(super) file: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Folder {
    pub(super) host: String,
    pub(super) guest: String,
    #[serde(default)]
    pub(super) access: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Route {
    #[serde(default)]
    pub(super) host: Option<String>,
    #[serde(default)]
    pub(super) methods: Vec<String>,
    #[serde(default)]
    pub(super) path: Option<String>,
    #[serde(default)]
    pub(super) mount: Option<String>,
    #[serde(default)]
    pub(super) handler: Option<String>,
    #[serde(default)]
    pub(super) folder: Option<String>,
    #[serde(default)]
    pub(super) redirect: Option<String>,
    #[serde(default)]
    pub(super) status: Option<u16>,
}

#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "`listen` is an address such as `\"127.0.0.1:3000\"`, or a list of them"
)]
pub(super) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}
