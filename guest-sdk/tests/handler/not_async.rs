use squall_sdk::handler;

#[handler]
fn hello() -> &'static str {
    "hello"
}

fn main() {}
