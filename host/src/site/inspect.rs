//! What is wrong with a site, as far as it shows without running any of it.

use super::given::Given;
use super::precious::Precious;
use super::read::read_component;
use super::refusal::{LoadError, Problem};
use super::registry::Folders;
use crate::config::{Config, HandlerConfig};
use crate::limits::Size;
use crate::wasm::examine;

/// All that is wrong with the files that `config` names, in the words of who would load
/// them. Nothing is compiled or run: that is for a config that is right. Blocks.
pub(crate) fn inspect_site(config: &Config) -> Vec<String> {
    let precious = Precious::of(config);
    let mut problems = Vec::new();
    for (name, handler) in &config.handlers {
        let component = check_component(handler, config.limits.component_size);
        let given = Given::read(handler).map(drop).map_err(LoadError::Grant);
        let checked = [precious.check(handler), component, given];
        let errors = checked.into_iter().filter_map(Result::err);
        problems.extend(errors.map(|error| Problem::of(name, handler, &error).text));
    }
    problems.extend(Folders::open(config).err().unwrap_or_default());
    problems
}

fn check_component(handler: &HandlerConfig, size: Size) -> Result<(), LoadError> {
    let bytes = read_component(&handler.component, size)?;
    examine(&bytes)?;
    Ok(())
}
