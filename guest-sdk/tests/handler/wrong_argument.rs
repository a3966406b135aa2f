use squall_sdk::handler;

#[handler]
async fn hello(_name: String) {}

fn main() {}
