//! Pages for people.

use crate::stories;
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{Html, Redirect};
use minijinja::value::Serde;
use minijinja::{Environment, Value, context};
use serde::Deserialize;
use std::sync::Arc;

/// The templates, parsed once. They are part of the component.
#[derive(Clone)]
pub struct Pages(Arc<Environment<'static>>);

type Page = Result<Html<String>, StatusCode>;

const TEMPLATES: [(&str, &str); 4] = [
    ("layout.html", include_str!("../templates/layout.html")),
    ("list.html", include_str!("../templates/list.html")),
    ("story.html", include_str!("../templates/story.html")),
    ("nothing.html", include_str!("../templates/nothing.html")),
];

impl Pages {
    pub fn new(title: String) -> Self {
        let mut templates = Environment::new();
        for (name, text) in TEMPLATES {
            // They are the same in every build, so a test of any page finds a mistake.
            templates.add_template(name, text).expect("a template that can be parsed");
        }
        templates.add_global("site", title);
        Self(Arc::new(templates))
    }

    fn page(&self, name: &str, values: Value) -> Page {
        let page = self.0.get_template(name).and_then(|template| template.render(values));
        page.map(Html).map_err(|error| {
            eprintln!("{name}: {error:#}");
            StatusCode::INTERNAL_SERVER_ERROR
        })
    }
}

#[derive(Deserialize)]
pub struct Search {
    #[serde(default)]
    q: String,
}

pub async fn list(State(pages): State<Pages>, Query(Search { q }): Query<Search>) -> Page {
    pages.page("list.html", context! { stories => Serde(stories::find(&q)), q })
}

pub async fn story(State(pages): State<Pages>, Path(id): Path<u32>) -> Page {
    let story = stories::by_id(id).ok_or(StatusCode::NOT_FOUND)?;
    pages.page("story.html", context! { story => Serde(story) })
}

#[derive(Deserialize)]
pub struct Words {
    words: String,
}

/// A form is answered by a redirect, so that reloading the page sends nothing again.
pub async fn search(Form(Words { words }): Form<Words>) -> Redirect {
    let query: String = form_urlencoded::byte_serialize(words.as_bytes()).collect();
    Redirect::to(&format!("/?q={query}"))
}

pub async fn nothing(State(pages): State<Pages>) -> (StatusCode, Page) {
    (StatusCode::NOT_FOUND, pages.page("nothing.html", context! {}))
}
