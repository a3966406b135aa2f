use squall_sdk::{Request, handler};

#[handler]
async fn hello(_request: Request, _name: String) {}

fn main() {}
