//! Keeps notes, for several people at once. See the README.

use serde::{Deserialize, Serialize};
use squall_sdk::state::{Bucket, Swapped};
use squall_sdk::{
    Bytes, ETag, Error, FromRequest, IntoResponse, Json, Method, Path, Preconditions, Query,
    Request, Response, Result, StatusCode, handler, header, log,
};

// How notes are kept. Who changes that counts on.
squall_sdk::schema!(1);

const NOTES: Bucket = Bucket::named("notes");
const COUNTERS: Bucket = Bucket::named("counters");

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Note {
    title: String,
    #[serde(default)]
    text: String,
}

#[handler]
async fn notes(
    method: Method,
    id: Option<Path<u64>>,
    preconditions: Preconditions,
    request: Request,
) -> Result<Response> {
    match (method, id) {
        (Method::GET, None) => list(request).await.map(IntoResponse::into_response),
        (Method::POST, None) => create(request).await.map(IntoResponse::into_response),
        (Method::GET, Some(Path(id))) => {
            let note = find(id).await?;
            preconditions.check(&ETag::of(&note))?;
            Ok(shown(note))
        }
        (Method::PUT, Some(Path(id))) => {
            let note = read(request).await?;
            replace(id, &preconditions, Some(note.clone())).await?;
            Ok(shown(note))
        }
        (Method::DELETE, Some(Path(id))) => {
            replace(id, &preconditions, None).await?;
            log::info!(note = id; "removed a note");
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        (_, None) => Err(not_allowed("GET, POST")),
        (_, Some(_)) => Err(not_allowed("GET, PUT, DELETE")),
    }
}

#[derive(Deserialize)]
struct Start {
    after: Option<String>,
}

#[derive(Serialize)]
struct List {
    notes: Vec<Entry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Serialize)]
struct Entry {
    id: u64,
    title: String,
}

async fn list(request: Request) -> Result<Json<List>> {
    let Query(Start { after }) = Query::from_request(request).await?;
    let page = NOTES.list_keys("", after.as_deref()).await?;
    let values = NOTES.get_many(&page.keys).await?;
    let mut notes = Vec::new();
    for (key, value) in page.keys.iter().zip(values) {
        // One that was removed a moment ago has none.
        let Some(value) = value else { continue };
        let Note { title, .. } = serde_json::from_slice(&value)?;
        notes.push(Entry { id: key.parse()?, title });
    }
    Ok(Json(List { notes, next: page.next.map(|key| format!("?after={key}")) }))
}

async fn create(request: Request) -> Result<impl IntoResponse> {
    let path = request.uri().path().trim_end_matches('/').to_owned();
    let note = read(request).await?;
    let id = COUNTERS.increment("note", 1).await?.try_into()?;
    NOTES.set(&key(id), note.clone()).await?;
    log::info!(note = id; "made a note");
    Ok((StatusCode::CREATED, [(header::LOCATION, format!("{path}/{id}"))], shown(note)))
}

/// The note as it is kept, and sent.
async fn read(request: Request) -> Result<Bytes> {
    let Json(note) = Json::<Note>::from_request(request).await?;
    if note.title.trim().is_empty() {
        return Err(Error::bad_request("a note has a title"));
    }
    Ok(serde_json::to_vec(&note)?.into())
}

async fn find(id: u64) -> Result<Bytes> {
    let note = NOTES.get(&key(id)).await?;
    note.ok_or_else(|| Error::not_found("there is no such note"))
}

/// Writes or removes a note, if it is still the one that the client knows.
async fn replace(id: u64, preconditions: &Preconditions, value: Option<Bytes>) -> Result<()> {
    let present = find(id).await?;
    preconditions.check(&ETag::of(&present))?;
    match NOTES.compare_and_swap(&key(id), Some(&present), value.map(Into::into)).await? {
        Swapped::Done => Ok(()),
        Swapped::Differed(_) => Err(Error::conflict("somebody was quicker")),
    }
}

/// With zeros before it, so that the order of keys is that of numbers.
fn key(id: u64) -> String {
    format!("{id:020}")
}

fn shown(note: Bytes) -> Response {
    (ETag::of(&note), [(header::CONTENT_TYPE, "application/json")], note).into_response()
}

fn not_allowed(methods: &'static str) -> Error {
    Error::new(StatusCode::METHOD_NOT_ALLOWED, methods).with_header(header::ALLOW, methods)
}

#[cfg(test)]
mod tests;
