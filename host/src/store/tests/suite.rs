//! What every backend does. The same for all of them.

use super::super::{Page, Store, StoreError, Swapped};
use super::{Handler, in_memory};
use crate::limits::Size;

#[tokio::test]
async fn in_a_file() {
    all(&in_memory().await).await;
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn on_a_server() {
    let Some(redis) = super::redis::Redis::start() else { return };
    all(&super::on_server(&redis).await).await;
}

async fn all(store: &Store) {
    values(store).await;
    batches(store).await;
    pages(store).await;
    numbers(store).await;
    swaps(store).await;
    sizes(store).await;
    quotas(store).await;
    schemas(store).await;
    races(store).await;
}

fn text(value: &str) -> Option<Vec<u8>> {
    Some(value.as_bytes().to_vec())
}

fn strings<const N: usize>(keys: [&str; N]) -> Vec<String> {
    keys.map(str::to_owned).to_vec()
}

async fn values(store: &Store) {
    let handler = Handler::new("values");
    let bucket = handler.bucket(store).await;
    // Any text is a key, any bytes are a value.
    let all_bytes: Vec<u8> = (0..=255).collect();
    for key in ["", "a", "a/../b", "\0", "a\0", "ä", "{a}:b", "\u{10ffff}"] {
        assert_eq!(bucket.get(key.into()).await, Ok(None), "{key:?}");
        assert_eq!(bucket.exists(key.into()).await, Ok(false));
        for value in [&b"first"[..], b"", &all_bytes] {
            bucket.set(key.into(), value.to_vec()).await.unwrap();
            assert_eq!(bucket.get(key.into()).await, Ok(Some(value.to_vec())), "{key:?}");
            assert_eq!(bucket.exists(key.into()).await, Ok(true));
        }
    }
    assert_eq!(handler.usage().1, 8);
    bucket.delete("a".into()).await.unwrap();
    bucket.delete("a".into()).await.unwrap();
    assert_eq!(bucket.get("a".into()).await, Ok(None));
    assert_eq!(bucket.get("a\0".into()).await, Ok(Some(all_bytes)));
    assert_eq!(handler.usage().1, 7);
    assert_eq!(
        handler.buckets(store, 0, &["other"]).await.get("default").unwrap_err(),
        StoreError::NoSuchBucket
    );
}

async fn batches(store: &Store) {
    let handler = Handler::new("batches");
    let bucket = handler.bucket(store).await;
    let values = [("a", "1"), ("b", "2"), ("a", "3")];
    let values = values.map(|(key, value)| (key.to_owned(), value.as_bytes().to_vec()));
    bucket.set_many(values.to_vec()).await.unwrap();
    let found = bucket.get_many(strings(["b", "x", "a", "b"])).await;
    assert_eq!(found, Ok(vec![text("2"), None, text("3"), text("2")]));
    assert_eq!(handler.usage(), (4, 2));
    bucket.delete_many(strings(["a", "x", "a"])).await.unwrap();
    assert_eq!(handler.usage(), (2, 1));
    bucket.set_many(Vec::new()).await.unwrap();
    bucket.delete_many(Vec::new()).await.unwrap();
    assert_eq!(bucket.get_many(Vec::new()).await, Ok(Vec::new()));
}

async fn pages(store: &Store) {
    let mut handler = Handler::new("pages");
    handler.limits.state_page = 3;
    let bucket = handler.bucket(store).await;
    let keys = ["", "a", "a:1", "a:2", "a:3", "a:4", "a;", "b", "ä"];
    for key in keys {
        bucket.set(key.into(), b"x".to_vec()).await.unwrap();
    }
    let walk = async |prefix: &str| {
        let (mut found, mut cursor) = (Vec::new(), None);
        loop {
            let Page { keys, next } = bucket.list_keys(prefix.into(), cursor).await.unwrap();
            assert!(keys.len() <= 3);
            found.extend(keys);
            cursor = next;
            if cursor.is_none() {
                return found;
            }
        }
    };
    assert_eq!(walk("").await, keys);
    assert_eq!(walk("a:").await, keys[2..6]);
    assert_eq!(walk("b").await, ["b"]);
    assert_eq!(walk("c").await, [""; 0]);
    let page = async |prefix: &str, cursor: &str| {
        bucket.list_keys(prefix.into(), Some(cursor.into())).await.unwrap().keys
    };
    // From a key that is gone, from before the prefix, and from behind it.
    assert_eq!(page("a:", "a:2x").await, ["a:3", "a:4"]);
    assert_eq!(page("a:", "").await, ["a:1", "a:2", "a:3"]);
    assert_eq!(page("a:", "b").await, [""; 0]);
}

async fn numbers(store: &Store) {
    let handler = Handler::new("numbers");
    let bucket = handler.bucket(store).await;
    let add = async |delta| bucket.increment("n".into(), delta).await;
    assert_eq!(add(0).await, Ok(0));
    assert_eq!(add(41).await, Ok(41));
    assert_eq!(add(-42).await, Ok(-1));
    assert_eq!(bucket.get("n".into()).await, Ok(text("-1")));
    assert_eq!(handler.usage(), (3, 1));
    bucket.set("n".into(), i64::MAX.to_string().into_bytes()).await.unwrap();
    assert_eq!(add(-1).await, Ok(i64::MAX - 1), "every digit counts");
    assert_eq!(add(2).await, Err(StoreError::NotANumber));
    assert_eq!(add(i64::MIN).await, Ok(-2));
    assert_eq!(add(i64::MIN).await, Err(StoreError::NotANumber));
    for value in ["", "x", "1.0", "+1", " 1", "1 ", "01", "-0", "1e3", "9223372036854775808"] {
        bucket.set("n".into(), value.into()).await.unwrap();
        assert_eq!(add(1).await, Err(StoreError::NotANumber), "{value:?}");
        assert_eq!(bucket.get("n".into()).await, Ok(text(value)));
    }
}

async fn swaps(store: &Store) {
    let handler = Handler::new("swaps");
    let bucket = handler.bucket(store).await;
    let swap = async |expected: Option<&str>, value: Option<&str>| {
        let (expected, value) = (expected.and_then(text), value.and_then(text));
        bucket.compare_and_swap("k".into(), expected, value).await.unwrap()
    };
    assert_eq!(swap(Some("a"), Some("b")).await, Swapped::Differed(None));
    assert_eq!(swap(None, Some("")).await, Swapped::Done);
    assert_eq!(swap(None, Some("b")).await, Swapped::Differed(text("")), "empty is not none");
    assert_eq!(swap(Some(""), Some("bc")).await, Swapped::Done);
    assert_eq!(handler.usage(), (3, 1));
    assert_eq!(swap(Some("b"), None).await, Swapped::Differed(text("bc")));
    assert_eq!(swap(Some("bc"), None).await, Swapped::Done);
    assert_eq!(swap(None, None).await, Swapped::Done);
    assert_eq!(handler.usage(), (0, 0));
}

async fn sizes(store: &Store) {
    let mut handler = Handler::new("sizes");
    handler.limits.state_key = Size::bytes(4);
    handler.limits.state_value = Size::bytes(10);
    handler.limits.state_batch = Size::bytes(20);
    handler.limits.state_batch_keys = 3;
    let bucket = handler.bucket(store).await;
    let named = |result: Result<(), StoreError>, limit: &str| match result {
        Err(StoreError::TooLarge(text)) => assert!(text.contains(limit), "{text}"),
        other => panic!("{other:?} instead of `{limit}`"),
    };
    bucket.set("1234".into(), vec![0; 10]).await.unwrap();
    named(bucket.set("12345".into(), vec![]).await, "`state_key`");
    named(bucket.set("1".into(), vec![0; 11]).await, "`state_value`");
    named(bucket.get("12345".into()).await.map(drop), "`state_key`");
    named(bucket.exists("12345".into()).await.map(drop), "`state_key`");
    named(bucket.delete("12345".into()).await, "`state_key`");
    named(bucket.increment("12345".into(), 1).await.map(drop), "`state_key`");
    let swap = bucket.compare_and_swap("1".into(), None, Some(vec![0; 11])).await;
    named(swap.map(drop), "`state_value`");
    let many = |count: usize, size: usize| {
        (0..count).map(|n| (n.to_string(), vec![0; size])).collect::<Vec<_>>()
    };
    bucket.set_many(many(2, 9)).await.unwrap();
    named(bucket.set_many(many(2, 10)).await, "`state_batch`");
    named(bucket.set_many(many(4, 0)).await, "`state_batch_keys`");
    named(bucket.delete_many(strings(["1", "2", "3", "4"])).await, "`state_batch_keys`");
    named(bucket.get_many(strings(["1", "2", "3", "4"])).await.map(drop), "`state_batch_keys`");
    assert!(bucket.get_many(strings(["0", "1"])).await.is_ok());
    let larger = bucket.get_many(strings(["0", "1", "1234"])).await;
    named(larger.map(drop), "`state_batch`");
    // What was written within a larger limit can still be read.
    handler.limits.state_value = Size::bytes(1);
    let bucket = handler.bucket(store).await;
    assert_eq!(bucket.get("1234".into()).await, Ok(Some(vec![0; 10])));
}

async fn quotas(store: &Store) {
    let mut handler = Handler::new("quotas");
    handler.limits.state_size = Size::bytes(20);
    handler.limits.state_keys = 3;
    let bucket = handler.bucket(store).await;
    let full = |result: Result<(), StoreError>, limit: &str| match result {
        Err(StoreError::Quota(text)) => assert!(text.contains(limit), "{text}"),
        other => panic!("{other:?} instead of `{limit}`"),
    };
    bucket.set("a".into(), vec![0; 19]).await.unwrap();
    full(bucket.set("b".into(), vec![]).await, "`state_size`");
    full(bucket.set("a".into(), vec![0; 20]).await, "`state_size`");
    full(bucket.increment("b".into(), 1).await.map(drop), "`state_size`");
    full(bucket.compare_and_swap("b".into(), None, Some(vec![])).await.map(drop), "`state_size`");
    // All or none: the second of these is too much.
    full(
        bucket.set_many(vec![("a".into(), vec![]), ("b".into(), vec![0; 19])]).await,
        "`state_size`",
    );
    assert_eq!(handler.usage(), (20, 1));
    // What takes no more is done.
    bucket.set("a".into(), vec![1; 19]).await.unwrap();
    bucket.set_many(vec![("a".into(), vec![]), ("b".into(), vec![0; 18])]).await.unwrap();
    assert_eq!(handler.usage(), (20, 2));
    bucket.delete("b".into()).await.unwrap();
    bucket.set_many(vec![("b".into(), vec![]), ("c".into(), vec![])]).await.unwrap();
    full(bucket.set("d".into(), vec![]).await, "`state_keys`");
    full(bucket.increment("d".into(), 1).await.map(drop), "`state_keys`");
    // The quota is the handler's, whatever the bucket and schema.
    let other = handler.buckets(store, 7, &["other"]).await;
    full(other.get("other").unwrap().set("d".into(), vec![]).await, "`state_keys`");
    assert_eq!(handler.usage(), (3, 3));
    // A smaller quota lets go, and lets nothing in.
    handler.limits.state_keys = 1;
    handler.limits.state_size = Size::bytes(1);
    let bucket = handler.bucket(store).await;
    full(bucket.set("a".into(), vec![0]).await, "`state_size`");
    bucket.set("a".into(), vec![]).await.unwrap();
    bucket.delete_many(strings(["a", "b", "c"])).await.unwrap();
    assert_eq!(handler.usage(), (0, 0));
    let others = Handler::new("others");
    others.bucket(store).await.set("d".into(), vec![0; 100]).await.unwrap();
    assert_eq!(others.usage(), (101, 1));
}

async fn schemas(store: &Store) {
    let handler = Handler::new("schemas");
    assert_eq!(store.schema(&handler.name).await, Ok(None));
    for schema in [3, 4, 3] {
        let buckets = handler.buckets(store, schema, &["default"]).await;
        buckets.serve();
        let mut served = store.schema(&handler.name).await.unwrap();
        while served.map(|served| served.0) != Some(schema) {
            tokio::task::yield_now().await;
            served = store.schema(&handler.name).await.unwrap();
        }
        let bucket = buckets.get("default").unwrap();
        let found = bucket.get("k".into()).await.unwrap();
        assert!(found.is_none() || found == text(&schema.to_string()), "{found:?}");
        bucket.set("k".into(), schema.to_string().into_bytes()).await.unwrap();
    }
    assert_eq!(handler.usage(), (4, 2));
}

/// Nothing is lost and nothing counted twice where many write the same.
async fn races(store: &Store) {
    let handler = Handler::new("races");
    let bucket = handler.bucket(store).await;
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let bucket = bucket.clone();
            tokio::spawn(async move {
                for round in 0..20_u64 {
                    bucket.increment("n".into(), 1).await.unwrap();
                    let mut seen = bucket.get("swapped".into()).await.unwrap();
                    loop {
                        let number = seen
                            .as_deref()
                            .map_or(0, |n| std::str::from_utf8(n).unwrap().parse::<u64>().unwrap());
                        let next = (number + 1).to_string().into_bytes();
                        let swapped = bucket.compare_and_swap("swapped".into(), seen, Some(next));
                        match swapped.await.unwrap() {
                            Swapped::Done => break,
                            Swapped::Differed(value) => seen = value,
                        }
                    }
                    bucket.set(format!("{task}-{round}"), vec![0; 10]).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(bucket.get("n".into()).await, Ok(text("160")));
    assert_eq!(bucket.get("swapped".into()).await, Ok(text("160")));
    let fresh = Handler::new("races");
    fresh.bucket(store).await;
    let keys: usize =
        (0..8).flat_map(|t| (0..20).map(move |r| format!("{t}-{r}").len() + 10)).sum();
    assert_eq!(fresh.usage(), ((keys + 4 + 10) as u64, 162));
}
