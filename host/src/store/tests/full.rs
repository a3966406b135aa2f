//! Disks that fail.

use super::super::StoreError;
use super::disk::Room;
use super::{Disk, Handler, on};
use crate::config::Durability;
use crate::meter::ServerMeter;
use std::sync::Arc;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn o18_a_full_disk_refuses_writes_until_it_has_room() {
    for room in [Room::NoMore, Room::None] {
        let disk = Disk::default();
        let store = on(&disk, Durability::Flushed, &Arc::default()).await;
        let handler = Handler::new("app");
        let bucket = handler.bucket(&store).await;
        bucket.set("before".into(), vec![1; 1000]).await.unwrap();
        disk.set_room(room);
        let mut refused = None;
        for n in 0..200 {
            let set = bucket.set(n.to_string(), vec![2; 50_000]).await;
            if set.is_err() {
                refused = Some((n.to_string(), set));
                break;
            }
        }
        let (key, set) = refused.expect("the disk is full");
        assert!(matches!(set, Err(StoreError::Unavailable(_))), "{set:?}");
        let usage = handler.usage();
        // A file that nothing can be written to cannot even be opened.
        if room == Room::None {
            disk.set_room(Room::Plenty);
        }
        // What was there can be read, as soon as the file is open again, and without a
        // write that opens it.
        assert!(!until_ok(async || bucket.exists(key.clone()).await).await);
        assert_eq!(bucket.get("before".into()).await, Ok(Some(vec![1; 1000])));
        assert_eq!(handler.usage(), usage);
        disk.set_room(Room::Plenty);
        until_ok(async || bucket.set(key.clone(), vec![3; 50_000]).await).await;
        assert_eq!(bucket.get("before".into()).await, Ok(Some(vec![1; 1000])), "{room:?}");
        assert_eq!(bucket.get(key).await, Ok(Some(vec![3; 50_000])));
        let fresh = Handler::new("app");
        fresh.bucket(&store).await;
        assert_eq!(fresh.usage(), handler.usage());
    }
}

/// A library that trips over what it finds in a file takes neither the server nor the
/// store along.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_while_writing_is_a_failure_like_others() {
    let disk = Disk::default();
    let store = on(&disk, Durability::Flushed, &Arc::default()).await;
    let bucket = Handler::new("app").bucket(&store).await;
    bucket.set("a".into(), b"1".to_vec()).await.unwrap();
    disk.set_room(Room::Panic);
    let set = bucket.set("a".into(), b"2".to_vec()).await;
    assert!(matches!(set, Err(StoreError::Unavailable(_))), "{set:?}");
    disk.set_room(Room::Plenty);
    assert_eq!(until_ok(async || bucket.get("a".into()).await).await, Some(b"1".to_vec()));
    until_ok(async || bucket.set("a".into(), b"3".to_vec()).await).await;
    assert_eq!(bucket.get("a".into()).await, Ok(Some(b"3".to_vec())));
}

async fn until_ok<T>(ask: impl AsyncFn() -> Result<T, StoreError>) -> T {
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(StoreError::Unavailable(_)) => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_stands_still_holds_nobody_for_longer_than_a_call_may_wait() {
    let disk = Disk::default();
    let meter = Arc::<ServerMeter>::default();
    let store = on(&disk, Durability::Flushed, &meter).await;
    let mut limits = (*store.limits.now()).clone();
    limits.state_wait = Duration::from_millis(200);
    store.limits.set(Arc::new(limits));
    let bucket = Handler::new("app").bucket(&store).await;
    bucket.set("a".into(), b"1".to_vec()).await.unwrap();
    disk.stand_still(true);
    let set = bucket.set("a".into(), b"2".to_vec()).await;
    assert_eq!(set, Err(StoreError::Unavailable("the store did not answer in time")));
    let again = bucket.set("never".into(), b"2".to_vec()).await;
    assert!(again.is_err());
    assert!(meter.state_queue.get() > 0, "both are on their way");
    assert_eq!(bucket.get("a".into()).await, Ok(Some(b"1".to_vec())), "reads go on");
    disk.stand_still(false);
    bucket.set("b".into(), b"3".to_vec()).await.unwrap();
    assert_eq!(bucket.exists("never".into()).await, Ok(false), "nobody waited for it any more");
    assert_eq!(meter.state_queue.get(), 0);
}

/// What waits for the disk holds no more than `state_queue`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_the_disk_is_bounded() {
    let disk = Disk::default();
    let meter = Arc::<ServerMeter>::default();
    let store = on(&disk, Durability::Flushed, &meter).await;
    let most = store.limits.now().state_queue.get();
    let bucket = Handler::new("app").bucket(&store).await;
    disk.stand_still(true);
    let writes: Vec<_> = (0..80)
        .map(|n| {
            let bucket = bucket.clone();
            tokio::spawn(async move { bucket.set(n.to_string(), vec![0; 1_000_000]).await })
        })
        .collect();
    while meter.state_queue.get() < most - 2_000_000 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(meter.state_queue.get() <= most);
    disk.stand_still(false);
    for write in writes {
        write.await.unwrap().unwrap();
    }
    assert_eq!(meter.state_queue.get(), 0);
}
