//! What the site is about, and the API to it.

use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use serde::Serialize;

#[derive(Clone, Copy, Serialize)]
pub struct Story {
    pub id: u32,
    pub title: &'static str,
}

const STORIES: [Story; 3] = [
    Story { id: 1, title: "Hello, World" },
    Story { id: 2, title: "Small & fast" },
    Story { id: 3, title: "A sandbox for each" },
];

/// Those that have `words` in their title.
pub fn find(words: &str) -> Vec<Story> {
    let words = words.to_lowercase();
    STORIES.into_iter().filter(|story| story.title.to_lowercase().contains(&words)).collect()
}

pub fn by_id(id: u32) -> Option<Story> {
    STORIES.into_iter().find(|story| story.id == id)
}

pub async fn all() -> Json<[Story; 3]> {
    Json(STORIES)
}

pub async fn one(Path(id): Path<u32>) -> Result<Json<Story>, StatusCode> {
    by_id(id).map(Json).ok_or(StatusCode::NOT_FOUND)
}
