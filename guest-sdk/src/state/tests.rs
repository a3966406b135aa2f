use super::*;
use futures_executor::block_on;
use futures_util::{FutureExt, TryStreamExt};
use http::StatusCode;
use std::cell::Cell;

const BUCKET: Bucket = Bucket::named("default");

fn bytes(text: &str) -> Option<Bytes> {
    Some(Bytes::copy_from_slice(text.as_bytes()))
}

#[test]
fn values_are_there_until_they_are_removed() {
    block_on(async {
        assert_eq!(BUCKET.get("a").await?, None);
        BUCKET.set("a", "one").await?;
        assert_eq!(BUCKET.get("a").await?, bytes("one"));
        assert_eq!(Bucket::named("other").get("a").await?, None);
        assert_eq!(Bucket::from("default".to_owned()).get("a").await?, bytes("one"));
        BUCKET.set_many([("b", "two"), ("c", "three")]).await?;
        let many = BUCKET.get_many(["c", "x", "a"]).await?;
        assert_eq!(many, [bytes("three"), None, bytes("one")]);
        BUCKET.delete("a").await?;
        BUCKET.delete_many(["b", "x"]).await?;
        assert!(!BUCKET.exists("a").await? && BUCKET.exists("c").await?);
        Ok::<_, StateError>(())
    })
    .unwrap();
}

#[test]
fn numbers_are_counted_with_and_others_are_not() {
    block_on(async {
        assert_eq!(BUCKET.increment("n", 5).await, Ok(5));
        assert_eq!(BUCKET.increment("n", -7).await, Ok(-2));
        assert_eq!(BUCKET.get("n").await, Ok(bytes("-2")));
        assert_eq!(BUCKET.increment("n", i64::MIN).await, Err(StateError::NotANumber));
        BUCKET.set("n", "seven").await?;
        assert_eq!(BUCKET.increment("n", 1).await, Err(StateError::NotANumber));
        Ok::<_, StateError>(())
    })
    .unwrap();
}

#[test]
fn a_swap_is_done_only_if_nothing_has_changed() {
    block_on(async {
        let swap = |expected: Option<&'static [u8]>, value: Option<&str>| {
            BUCKET.compare_and_swap("s", expected, value.map(Into::into)).now_or_never().unwrap()
        };
        assert_eq!(swap(Some(b"x"), Some("one"))?, Swapped::Differed(None));
        assert_eq!(swap(None, Some("one"))?, Swapped::Done);
        assert_eq!(swap(None, Some("two"))?, Swapped::Differed(bytes("one")));
        assert_eq!(swap(Some(b"one"), None)?, Swapped::Done);
        assert!(!BUCKET.exists("s").await?);
        Ok::<_, StateError>(())
    })
    .unwrap();
}

#[test]
fn an_update_is_asked_again_with_what_others_have_written() {
    block_on(async {
        let rounds = Cell::new(0);
        let quick = |n: Option<u32>| {
            // Somebody is quicker, once.
            if rounds.replace(rounds.get() + 1) == 0 {
                BUCKET.set("n", "10").now_or_never().unwrap()?;
            }
            Ok(n.unwrap_or(0) + 1)
        };
        assert_eq!(BUCKET.update_json("n", quick).await?, 11);
        assert_eq!((rounds.get(), BUCKET.get("n").await?), (2, bytes("11")));
        // Somebody always is.
        let slow = |n: Option<u32>| {
            let n = n.unwrap_or(0) + 1;
            BUCKET.set_json("n", &n).now_or_never().unwrap()?;
            Ok(n)
        };
        let error = BUCKET.update_json("n", slow).await.unwrap_err();
        assert_eq!(error.status(), StatusCode::SERVICE_UNAVAILABLE);
        // A change that is refused changes nothing.
        BUCKET.set("n", "1").await?;
        let refused = BUCKET.update_json("n", |_: Option<u32>| Err(Error::conflict("no"))).await;
        assert_eq!(refused.unwrap_err().status(), StatusCode::CONFLICT);
        assert_eq!(BUCKET.get_json("n").await?, Some(1));
        Ok::<_, Error>(())
    })
    .unwrap();
}

#[test]
fn keys_come_in_order_and_over_all_pages() {
    block_on(async {
        let keys: Vec<String> = (0..25).map(|n| format!("k{n:02}")).collect();
        BUCKET.set_many(keys.iter().rev().map(|key| (key.clone(), ""))).await?;
        BUCKET.set_many([("j", ""), ("l", "")]).await?;
        let page = BUCKET.list_keys("k", None).await?;
        assert_eq!((page.keys.len(), page.next.as_deref()), (10, Some("k09")));
        assert_eq!(BUCKET.keys("k").try_collect::<Vec<_>>().await?, keys);
        let mut two = BUCKET.keys("k2");
        let mut found = Vec::new();
        while let Some(key) = two.next_key().await? {
            found.push(key);
        }
        assert_eq!(found, keys[20..]);
        assert_eq!(two.next_key().await?, None);
        assert_eq!(BUCKET.list_keys("x", None).await?, Page { keys: vec![], next: None });
        Ok::<_, StateError>(())
    })
    .unwrap();
}

/// A router of another crate wants futures that may be sent.
#[test]
fn its_futures_can_be_sent() {
    fn sent(_: impl Send) {}
    sent(BUCKET.get("a"));
    sent(BUCKET.update_json("a", |n: Option<u32>| Ok(n.unwrap_or(0))));
    sent(BUCKET.keys("a").next_key());
}

#[test]
fn clients_are_told_what_they_can_do_and_nothing_else() {
    for (error, status, outside) in [
        (StateError::NoSuchBucket("notes".to_owned()), 500, ""),
        (StateError::TooLarge("secret".to_owned()), 413, "in one piece"),
        (StateError::Quota("secret".to_owned()), 507, "no room"),
        (StateError::NotANumber, 500, ""),
        (StateError::Contended("secret".to_owned()), 503, "try again"),
        (StateError::Unavailable("secret".to_owned()), 503, "later"),
        (StateError::Unsupported("secret"), 500, ""),
        (from_json::<u32>("secret", Some(b"x")).unwrap_err(), 500, ""),
    ] {
        let inside = error.to_string();
        let error = Error::from(error);
        assert_eq!(error.status().as_u16(), status, "{inside}");
        assert!(error.outside().contains(outside), "{inside}");
        assert_eq!(error.outside().is_empty(), outside.is_empty(), "{inside}");
        assert!(!error.outside().contains("secret"), "{inside}");
    }
    let inside = StateError::NoSuchBucket("notes".to_owned()).to_string();
    assert!(inside.contains("`key_value = [\"notes\"]`"), "{inside}");
}
