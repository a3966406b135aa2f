use squall_sdk::{IntoResponse, handler};

#[handler]
async fn hello() -> impl IntoResponse {
    ("x-a", "text")
}

fn main() {}
