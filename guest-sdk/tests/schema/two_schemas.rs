squall_sdk::schema!(1);

mod state {
    squall_sdk::schema!(2);
}

fn main() {}
