use squall_sdk::{Method, handler};

#[handler]
async fn hello(_method: Method, _id: u32) {}

fn main() {}
