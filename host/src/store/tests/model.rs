//! G34: whatever handlers do, each sees its own, as if it had a map for each bucket.

use super::super::{Bucket, Page, Store, StoreError, Swapped};
use super::{Handler, in_memory};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Views that could run into each other if their names were just put together.
const VIEWS: [(&str, u32, &str); 8] = [
    ("a", 0, "b"),
    ("a", 0, "bb"),
    ("a", 1, "b"),
    ("ab", 0, "b"),
    ("a", 0x6162_6364, "b"),
    ("a.b", 0, "c"),
    ("a", 0, "b.c"),
    ("b", 0, "a"),
];

#[derive(Clone, Debug)]
enum Step {
    Get(String),
    GetMany(Vec<String>),
    List(String, Option<String>),
    Set(String, Vec<u8>),
    SetMany(Vec<(String, Vec<u8>)>),
    DeleteMany(Vec<String>),
    Increment(String, i64),
    Swap(String, Option<Vec<u8>>, Option<Vec<u8>>),
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[ab]{0,2}",
        1 => Just("b\0\0\0\0\u{1}b".to_owned()),
        1 => Just("../b".to_owned()),
        1 => any::<String>().prop_filter("within `state_key`", |key| key.len() <= 1024),
    ]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        2 => vec(any::<u8>(), 0..4),
        1 => (-3_i64..12).prop_map(|n| n.to_string().into_bytes()),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let maybe = || proptest::option::of(value());
    prop_oneof![
        key().prop_map(Step::Get),
        vec(key(), 0..4).prop_map(Step::GetMany),
        ("[ab]{0,1}", proptest::option::of(key())).prop_map(|(p, c)| Step::List(p, c)),
        (key(), value()).prop_map(|(k, v)| Step::Set(k, v)),
        vec((key(), value()), 0..4).prop_map(Step::SetMany),
        vec(key(), 0..4).prop_map(Step::DeleteMany),
        (key(), -9_i64..9).prop_map(|(k, n)| Step::Increment(k, n)),
        (key(), maybe(), maybe()).prop_map(|(k, e, v)| Step::Swap(k, e, v)),
    ]
}

type Model = BTreeMap<String, Vec<u8>>;

async fn take(step: Step, bucket: &Bucket, model: &mut Model) {
    match step {
        Step::Get(key) => {
            assert_eq!(bucket.exists(key.clone()).await, Ok(model.contains_key(&key)));
            assert_eq!(bucket.get(key.clone()).await, Ok(model.get(&key).cloned()));
        }
        Step::GetMany(keys) => {
            let wanted = keys.iter().map(|key| model.get(key).cloned()).collect();
            assert_eq!(bucket.get_many(keys).await, Ok(wanted));
        }
        Step::List(prefix, cursor) => {
            let is_next = |key: &&String| cursor.as_ref().is_none_or(|cursor| *key > cursor);
            let keys = model.keys().filter(|key| key.starts_with(&prefix)).filter(is_next);
            let wanted = Page { keys: keys.cloned().collect(), next: None };
            assert_eq!(bucket.list_keys(prefix, cursor.clone()).await, Ok(wanted));
        }
        Step::Set(key, value) => {
            bucket.set(key.clone(), value.clone()).await.unwrap();
            model.insert(key, value);
        }
        Step::SetMany(values) => {
            bucket.set_many(values.clone()).await.unwrap();
            model.extend(values);
        }
        Step::DeleteMany(keys) => {
            bucket.delete_many(keys.clone()).await.unwrap();
            model.retain(|key, _| !keys.contains(key));
        }
        Step::Increment(key, delta) => {
            let text = model.get(&key).map_or(Ok("0"), |value| std::str::from_utf8(value));
            let is_plain = |text: &&str| text.parse::<i64>().is_ok_and(|n| n.to_string() == **text);
            let wanted = match text.ok().filter(is_plain) {
                Some(text) => Ok(text.parse::<i64>().unwrap() + delta),
                None => Err(StoreError::NotANumber),
            };
            assert_eq!(bucket.increment(key.clone(), delta).await, wanted);
            if let Ok(number) = wanted {
                model.insert(key, number.to_string().into_bytes());
            }
        }
        Step::Swap(key, expected, value) => {
            let present = model.get(&key).cloned();
            let swapped = bucket.compare_and_swap(key.clone(), expected.clone(), value.clone());
            if present != expected {
                assert_eq!(swapped.await, Ok(Swapped::Differed(present)));
                return;
            }
            assert_eq!(swapped.await, Ok(Swapped::Done));
            match value {
                Some(value) => drop(model.insert(key, value)),
                None => drop(model.remove(&key)),
            }
        }
    }
}

async fn check(store: &Store, steps: Vec<(usize, Step)>) {
    let handlers = ["a", "ab", "a.b", "b"].map(Handler::new);
    let handler = |name: &str| handlers.iter().find(|h| h.name.as_str() == name).unwrap();
    let mut views = Vec::new();
    for (name, schema, bucket) in VIEWS {
        let buckets = handler(name).buckets(store, schema, &[bucket]).await;
        views.push((buckets.get(bucket).unwrap().clone(), Model::new()));
    }
    for (view, step) in steps {
        let (bucket, model) = &mut views[view];
        take(step, bucket, model).await;
    }
    // Each has its own, all of it, and it is counted.
    let mut counted = BTreeMap::<&str, (u64, u64)>::new();
    for ((bucket, model), (name, ..)) in views.iter().zip(VIEWS) {
        let page = bucket.list_keys(String::new(), None).await.unwrap();
        assert_eq!(page.keys, model.keys().cloned().collect::<Vec<_>>());
        for (key, value) in model {
            assert_eq!(bucket.get(key.clone()).await.as_ref(), Ok(&Some(value.clone())));
            let (bytes, keys) = counted.entry(name).or_default();
            *bytes += (key.len() + value.len()) as u64;
            *keys += 1;
        }
    }
    for handler in &handlers {
        let wanted = counted.get(handler.name.as_str()).copied().unwrap_or_default();
        assert_eq!(handler.usage(), wanted, "{}", handler.name);
    }
}

fn steps() -> impl Strategy<Value = Vec<(usize, Step)>> {
    vec((0..VIEWS.len(), step()), 0..60)
}

fn run(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(work);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn g34_each_view_is_a_map_of_its_own(steps in steps()) {
        run(async { check(&in_memory().await, steps).await });
    }
}

#[cfg(feature = "redis")]
#[test]
fn g34_each_view_is_a_map_of_its_own_on_a_server() {
    use proptest::test_runner::TestRunner;
    let Some(redis) = super::redis::Redis::start() else { return };
    let client = ::redis::Client::open(redis.url()).unwrap();
    let mut runner = TestRunner::new(ProptestConfig { cases: 60, ..ProptestConfig::default() });
    let checked = runner.run(&steps(), |steps| {
        run(async {
            let mut connection = client.get_multiplexed_async_connection().await.unwrap();
            let emptied = ::redis::cmd("FLUSHALL").exec_async(&mut connection).await;
            emptied.unwrap();
            check(&super::on_server(&redis).await, steps).await;
        });
        Ok(())
    });
    checked.unwrap();
}
