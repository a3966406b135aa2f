//! Greets whoever asks. See the README.

use serde::Deserialize;
use squall_sdk::{Request, Result, config, handler};

#[derive(Deserialize)]
struct Query {
    name: Option<String>,
}

#[handler]
async fn hello(request: Request) -> Result<String> {
    let Query { name } = request.query()?;
    let name = request.capture("name").map(String::from).or(name);
    let name = name.as_deref().unwrap_or("World");
    let greeting = config::get("greeting");
    let greeting = greeting.as_deref().unwrap_or("Hello");
    Ok(format!("{greeting}, {name}!\n"))
}
