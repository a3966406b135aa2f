use squall_sdk::handler;

#[handler]
struct Hello;

fn main() {}
