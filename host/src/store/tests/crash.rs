//! G35: a machine that stops at any moment loses nothing that was acknowledged, and what
//! is counted is what is there.

use super::super::Store;
use super::{Disk, Handler, on};
use crate::config::Durability;
use crate::meter::ServerMeter;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A generator that needs no seed from outside.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }
}

/// What is in the store is counted as the handler's.
async fn assert_counted(store: &Store, handler: &str) {
    let handler = Handler::new(handler);
    let bucket = handler.bucket(store).await;
    let (mut bytes, mut keys) = (0, 0);
    for key in bucket.list_keys(String::new(), None).await.unwrap().keys {
        bytes += (key.len() + bucket.get(key).await.unwrap().unwrap().len()) as u64;
        keys += 1;
    }
    assert_eq!(handler.usage(), (bytes, keys));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g35_a_crash_loses_nothing_that_was_acknowledged() {
    let disk = Disk::default();
    let meter = Arc::<ServerMeter>::default();
    let store = on(&disk, Durability::Flushed, &meter).await;
    let acknowledged = Arc::new(Mutex::new(BTreeMap::<String, u64>::new()));
    let writers: Vec<_> = (0..4)
        .map(|writer: u64| {
            let (store, acknowledged) = (store.clone(), acknowledged.clone());
            tokio::spawn(async move {
                let bucket = Handler::new("app").bucket(&store).await;
                for n in 1.. {
                    let key = format!("{writer}-{}", n % 7);
                    let value = format!("{n}{}", " ".repeat((n % 900) as usize));
                    if bucket.set(key.clone(), value.into_bytes()).await.is_err() {
                        return;
                    }
                    acknowledged.lock().insert(key, n);
                }
            })
        })
        .collect();
    let mut chance = Chance(7);
    for _ in 0..40 {
        tokio::time::sleep(Duration::from_millis(chance.next() % 10)).await;
        let before = acknowledged.lock().clone();
        let crashed = disk.after_crash(|| chance.next().is_multiple_of(2));
        let store = on(&crashed, Durability::Flushed, &Arc::default()).await;
        let bucket = Handler::new("app").bucket(&store).await;
        for (key, n) in before {
            let value = bucket.get(key.clone()).await.unwrap();
            let value = value.unwrap_or_else(|| panic!("`{key}` is lost"));
            let found: u64 = String::from_utf8(value).unwrap().trim().parse().unwrap();
            assert!(found >= n, "`{key}` is {found}, older than {n}");
        }
        assert_counted(&store, "app").await;
        store.close().await;
    }
    store.close().await;
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(meter.state_flushes.get() > 0);
    assert_eq!(meter.state_queue.get(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn relaxed_writes_are_flushed_in_time_and_at_the_end() {
    let disk = Disk::default();
    let meter = Arc::<ServerMeter>::default();
    let store = on(&disk, Durability::Relaxed, &meter).await;
    let bucket = Handler::new("app").bucket(&store).await;
    let survives = async |key: &str| {
        let crashed = on(&disk.after_crash(|| false), Durability::Flushed, &Arc::default()).await;
        Handler::new("app").bucket(&crashed).await.exists(key.into()).await.unwrap()
    };
    bucket.set("a".into(), b"1".to_vec()).await.unwrap();
    assert_eq!(meter.state_flushes.get(), 0);
    assert!(!survives("a").await, "not flushed yet");
    while meter.state_flushes.get() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(survives("a").await, "without another write");
    bucket.set("b".into(), b"1".to_vec()).await.unwrap();
    assert!(!survives("b").await);
    store.close().await;
    assert!(survives("b").await);
}

/// A process that is killed leaves what it has given to the system.
#[tokio::test]
async fn a_store_that_was_not_closed_is_checked_and_opened() {
    let disk = Disk::default();
    let store = on(&disk, Durability::Flushed, &Arc::default()).await;
    let bucket = Handler::new("app").bucket(&store).await;
    bucket.set("a".into(), b"1".to_vec()).await.unwrap();
    let killed = on(&disk.after_crash(|| true), Durability::Flushed, &Arc::default()).await;
    assert_eq!(Handler::new("app").bucket(&killed).await.exists("a".into()).await, Ok(true));
}
