//! The store on a server of Redis' protocol: Redis, Valkey. What must happen at once is a
//! script, and as durable as the server's own settings make it.

use super::backend::{Answer, Backend, Swapped};
use super::error::StoreError;
use super::view::{Usage, View};
use crate::id::{HandlerName, SchemaNumber};
use crate::limits::LiveLimits;
use crate::logging::Seldom;
use ::redis::aio::{ConnectionManager, ConnectionManagerConfig};
use ::redis::{Client, Cmd, FromRedisValue, RedisError, Script, ScriptInvocation, cmd};
use anyhow::{Context, Result};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::fmt;
use std::time::Duration;

pub(super) struct Redis {
    /// One for all; it is made anew when it breaks.
    connection: ConnectionManager,
    scripts: Scripts,
    troubles: Seldom<&'static str>,
}

struct Scripts {
    get: Script,
    set: Script,
    delete: Script,
    increment: Script,
    swap: Script,
}

/// Of each handler the schema that served last.
const SCHEMAS: &str = "squall:schemas";

/// Between two tries to reach a server that is gone, at most.
const RETRY: Duration = Duration::from_secs(1);

/// What a script says: what came of it, a value, bytes and keys that are kept then.
type Said = (String, Option<Vec<u8>>, u64, u64);

impl Redis {
    pub(super) async fn connect(url: &str, limits: &LiveLimits) -> Result<Self> {
        // Neither text has the address, which may hold a password.
        let client = Client::open(url).context("`url` of the state is no address of Redis")?;
        let wait = limits.now().state_wait;
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(wait))
            .set_connection_timeout(Some(wait))
            .set_number_of_retries(1)
            .set_max_delay(RETRY);
        let connection = client.get_connection_manager_with_config(config).await.context(
            "the server of the state cannot be reached; start it, or correct `url` below `[server.state]`",
        )?;
        Ok(Redis { connection, scripts: Scripts::new(), troubles: Seldom::new() })
    }

    /// Asks something that changes nothing: once more if the connection turns out broken.
    async fn ask<T: FromRedisValue>(&self, command: Cmd) -> Result<T, StoreError> {
        let ask = || async { command.query_async(&mut self.connection.clone()).await };
        let answer = match ask().await {
            Err(error) if RedisError::is_connection_dropped(&error) => ask().await,
            answer => answer,
        };
        answer.map_err(|error| self.failed(&error))
    }

    async fn write(&self, view: &View, call: &ScriptInvocation<'_>) -> Result<Said, StoreError> {
        let said: Result<Said, _> = call.invoke_async(&mut self.connection.clone()).await;
        let (what, value, bytes, keys) = said.map_err(|error| self.failed(&error))?;
        let usage = Usage { bytes, keys };
        match what.as_str() {
            "bytes" => Err(view.owner.quota.too_many_bytes(usage)),
            "count" => Err(view.owner.quota.too_many_keys(usage)),
            "number" => Err(StoreError::NotANumber),
            _ => {
                usage.show(&view.owner.meter);
                Ok((what, value, bytes, keys))
            }
        }
    }

    fn failed(&self, error: &RedisError) -> StoreError {
        if let Some(left_out) = self.troubles.speak("asking") {
            tracing::error!(left_out, "the server of the state failed: {error}");
        }
        StoreError::Unavailable("the store does not answer as it should")
    }
}

impl Scripts {
    fn new() -> Self {
        let write = |rest: &str| Script::new(&[include_str!("redis/begin.lua"), rest].concat());
        Scripts {
            get: Script::new(include_str!("redis/get.lua")),
            set: write(include_str!("redis/set.lua")),
            delete: write(include_str!("redis/delete.lua")),
            increment: write(include_str!("redis/increment.lua")),
            swap: write(include_str!("redis/swap.lua")),
        }
    }
}

/// The names of a view's keys on the server. No part of them has a `:` in it. What
/// belongs together has the part in braces in common, which keeps it on one node.
fn values(view: &View) -> String {
    format!("squall:{{{}}}:{}:{}:values", view.owner.handler, view.schema, view.bucket)
}

fn keys(view: &View) -> String {
    format!("squall:{{{}}}:{}:{}:keys", view.owner.handler, view.schema, view.bucket)
}

fn usage(handler: &HandlerName) -> String {
    format!("squall:{{{handler}}}:usage")
}

fn begin<'a>(script: &'a Script, view: &View) -> ScriptInvocation<'a> {
    let mut call = script.prepare_invoke();
    call.key(values(view)).key(keys(view)).key(usage(&view.owner.handler));
    call.arg(view.owner.quota.bytes).arg(view.owner.quota.keys);
    call
}

impl Backend for Redis {
    fn get_many<'a>(
        &'a self,
        view: &'a View,
        keys: Vec<String>,
        most: usize,
    ) -> Answer<'a, Vec<Option<Vec<u8>>>> {
        let get = async move {
            if let [key] = keys.as_slice() {
                let mut get = cmd("HGET");
                get.arg(values(view)).arg(key);
                return Ok(vec![self.ask(get).await?]);
            }
            let mut get = self.scripts.get.key(values(view));
            get.arg(most).arg(keys);
            let found: Result<Option<_>, _> = get.invoke_async(&mut self.connection.clone()).await;
            let found = found.map_err(|error| self.failed(&error))?;
            found.ok_or_else(|| StoreError::values_too_large(most))
        };
        get.boxed()
    }

    fn exists<'a>(&'a self, view: &'a View, key: String) -> Answer<'a, bool> {
        let mut exists = cmd("HEXISTS");
        exists.arg(values(view)).arg(key);
        self.ask(exists).boxed()
    }

    fn list<'a>(
        &'a self,
        view: &'a View,
        prefix: String,
        after: Option<String>,
        most: usize,
    ) -> Answer<'a, Vec<String>> {
        let from = match after {
            Some(after) if after >= prefix => format!("({after}"),
            _ => format!("[{prefix}"),
        };
        let mut list = cmd("ZRANGEBYLEX");
        list.arg(keys(view)).arg(from).arg("+").arg("LIMIT").arg(0).arg(most);
        let list = async move {
            let found: Vec<String> = self.ask(list).await?;
            Ok(found.into_iter().take_while(|key| key.starts_with(&prefix)).collect())
        };
        list.boxed()
    }

    fn set_many<'a>(&'a self, view: &'a View, values: Vec<(String, Vec<u8>)>) -> Answer<'a, ()> {
        let mut set = begin(&self.scripts.set, view);
        for (key, value) in values {
            set.arg(key).arg(value);
        }
        async move { self.write(view, &set).await.map(drop) }.boxed()
    }

    fn delete_many<'a>(&'a self, view: &'a View, keys: Vec<String>) -> Answer<'a, ()> {
        let mut delete = begin(&self.scripts.delete, view);
        delete.arg(keys);
        async move { self.write(view, &delete).await.map(drop) }.boxed()
    }

    fn increment<'a>(&'a self, view: &'a View, key: String, delta: i64) -> Answer<'a, i64> {
        let mut increment = begin(&self.scripts.increment, view);
        increment.arg(key).arg(delta);
        let increment = async move {
            let (_, sum, ..) = self.write(view, &increment).await?;
            let sum = sum.and_then(|sum| std::str::from_utf8(&sum).ok()?.parse().ok());
            sum.ok_or(StoreError::NotANumber)
        };
        increment.boxed()
    }

    fn compare_and_swap<'a>(
        &'a self,
        view: &'a View,
        key: String,
        expected: Option<Vec<u8>>,
        value: Option<Vec<u8>>,
    ) -> Answer<'a, Swapped> {
        let mut swap = begin(&self.scripts.swap, view);
        swap.arg(key);
        for value in [expected, value] {
            swap.arg(u8::from(value.is_some())).arg(value.unwrap_or_default());
        }
        let swap = async move {
            let (what, value, ..) = self.write(view, &swap).await?;
            Ok(if what == "differed" { Swapped::Differed(value) } else { Swapped::Done })
        };
        swap.boxed()
    }

    fn usage<'a>(&'a self, handler: &'a HandlerName) -> Answer<'a, Usage> {
        let mut kept = cmd("HMGET");
        kept.arg(usage(handler)).arg("bytes").arg("count");
        let kept = async move {
            let (bytes, keys): (Option<u64>, Option<u64>) = self.ask(kept).await?;
            Ok(Usage { bytes: bytes.unwrap_or_default(), keys: keys.unwrap_or_default() })
        };
        kept.boxed()
    }

    fn schema<'a>(&'a self, handler: &'a HandlerName) -> Answer<'a, Option<SchemaNumber>> {
        let mut schema = cmd("HGET");
        schema.arg(SCHEMAS).arg(handler.as_str());
        async move { Ok(self.ask::<Option<u32>>(schema).await?.map(SchemaNumber)) }.boxed()
    }

    fn set_schema<'a>(&'a self, handler: &'a HandlerName, schema: SchemaNumber) -> Answer<'a, ()> {
        let mut set = cmd("HSET");
        set.arg(SCHEMAS).arg(handler.as_str()).arg(schema.0);
        // As good twice as once.
        async move { self.ask::<u32>(set).await.map(drop) }.boxed()
    }

    /// The server has everything already.
    fn close(&self) -> BoxFuture<'_, ()> {
        std::future::ready(()).boxed()
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redis")
    }
}
