use squall_sdk::{Json, Method, handler};

#[handler]
async fn hello(_numbers: Json<Vec<u8>>, _method: Method) {}

fn main() {}
