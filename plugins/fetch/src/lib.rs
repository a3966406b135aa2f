//! Asks several servers at once and tells how they answered. See the README.

use futures_util::{StreamExt, stream};
use serde::Serialize;
use squall_sdk::time::{self, Instant};
use squall_sdk::{Error, Json, Query, Result, config, fetch, handler};
use std::time::Duration;

/// How many URLs one request may name, so that it does not become many.
const MOST_URLS: usize = 32;
/// How many are under way at once. The server has a limit of its own; this keeps
/// the component below it, so that none fails for having to wait.
const AT_ONCE: usize = 8;
/// How long one may take, from the first byte sent to the last one read.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How much of an answer is read to tell its length.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

#[derive(Serialize)]
struct Report {
    url: String,
    #[serde(flatten)]
    outcome: Outcome,
    milliseconds: u128,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Outcome {
    Answer { status: u16, length: u64 },
    Fault { error: String },
}

#[handler]
async fn fan_out(Query(query): Query<Vec<(String, String)>>) -> Result<Json<Vec<Report>>> {
    let urls = urls(query)?;
    let reports = stream::iter(urls.into_iter().map(report)).buffered(AT_ONCE);
    Ok(Json(reports.collect().await))
}

/// Those of the query, or else those of the config.
fn urls(query: Vec<(String, String)>) -> Result<Vec<String>> {
    let named = query.into_iter().filter_map(|(key, value)| (key == "url").then_some(value));
    let mut urls: Vec<String> = named.collect();
    if urls.is_empty() {
        let upstreams = config::get("upstreams").unwrap_or_default();
        let separators = |c: char| c == ',' || c.is_whitespace();
        urls =
            upstreams.split(separators).filter(|url| !url.is_empty()).map(str::to_owned).collect();
    }
    match urls.len() {
        0 => Err(Error::bad_request("no `url` in the query, and no `upstreams` in the config")),
        1..=MOST_URLS => Ok(urls),
        _ => Err(Error::bad_request(format!("more than {MOST_URLS} URLs"))),
    }
}

async fn report(url: String) -> Report {
    let start = Instant::now();
    let outcome = match time::timeout(TIMEOUT, ask(&url)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => Outcome::Fault { error },
        Err(elapsed) => Outcome::Fault { error: elapsed.to_string() },
    };
    Report { url, outcome, milliseconds: start.elapsed().as_millis() }
}

async fn ask(url: &str) -> Result<Outcome, String> {
    let response = fetch::get(url).send().await.map_err(|error| error.to_string())?;
    let status = response.status().as_u16();
    let mut body = response.into_body();
    let mut length = 0;
    while let Some(chunk) = body.chunk().await.map_err(|error| error.to_string())? {
        length += chunk.len() as u64;
        if length > MOST_BYTES {
            return Err(format!("the answer is longer than {MOST_BYTES} bytes"));
        }
    }
    Ok(Outcome::Answer { status, length })
}
