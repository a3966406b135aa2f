squall_sdk::schema!(4294967296);

mod negative {
    squall_sdk::schema!(-1);
}

mod nothing {
    squall_sdk::schema!();
}

mod text {
    squall_sdk::schema!("1");
}

fn main() {}
