//! What the compiler says about a handler that is none, and a schema that is none. After a
//! change of the words look at them with `TRYBUILD=overwrite cargo test --test handler`.

#[test]
fn each_mistake_has_a_clear_message() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/handler/*.rs");
    cases.compile_fail("tests/schema/*.rs");
}
