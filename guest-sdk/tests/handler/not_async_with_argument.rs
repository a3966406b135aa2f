use squall_sdk::{Request, handler};

#[handler]
fn hello(_request: Request) -> &'static str {
    "hello"
}

fn main() {}
