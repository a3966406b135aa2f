mod one {
    #[squall_sdk::handler]
    async fn hello() {}
}

mod two {
    #[squall_sdk::handler]
    async fn hello() {}
}

fn main() {}
