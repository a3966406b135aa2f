use squall_sdk::handler;

#[handler]
async fn hello() -> u32 {
    7
}

fn main() {}
