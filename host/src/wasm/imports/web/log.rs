//! Lines for the log, with a level and named values.

use super::super::super::data::{Data, current_call};
use super::super::super::engine::Concurrency;
use super::super::super::web::log::{Host, HostWithStore, Level};
use super::Web;
use wasmtime::AsContextMut;
use wasmtime::component::Access;

impl Host for Data {}

impl HostWithStore<Data> for Web {
    fn is_enabled(mut host: Access<'_, Data, Self>, level: Level) -> wasmtime::Result<bool> {
        Ok(host.get().log.is_enabled(to_level(level)))
    }

    fn write(
        mut host: Access<'_, Data, Self>,
        level: Level,
        message: String,
        fields: Vec<(String, String)>,
    ) -> wasmtime::Result<()> {
        let call = current_call(&mut host.as_context_mut(), Concurrency::Many);
        host.get().log.write_line(to_level(level), &message, &fields, call.as_ref());
        Ok(())
    }
}

fn to_level(level: Level) -> tracing::Level {
    match level {
        Level::Trace => tracing::Level::TRACE,
        Level::Debug => tracing::Level::DEBUG,
        Level::Info => tracing::Level::INFO,
        Level::Warn => tracing::Level::WARN,
        Level::Error => tracing::Level::ERROR,
    }
}
