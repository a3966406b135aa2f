//! Durable writes of 1 KB by 64 writers at once: through the store, with all its limits
//! and counts, and by redb alone. Fair to compare with is redb that commits like the
//! store, once for all who wait. No HTTP and no guests here.

use crate::bars::Bar;
use crate::note;
use crate::table::{Table, rounded};
use anyhow::{Context, Result, ensure};
use redb::{Database, TableDefinition};
use squall::config::Durability;
use squall::id::{HandlerName, SchemaNumber};
use squall::limits::{HandlerLimits, LiveLimits, ServerLimits, Size};
use squall::meter::ServerMeter;
use squall::store::{Access, Bucket, Store};
use squall_test_guests::scratch;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::oneshot;

const WRITERS: u64 = 64;
/// Of each writer: enough for a file that no page of which stays the same.
const KEYS: u64 = 500;
const VALUE: usize = 1000;
/// Each way takes its turn this often, so that a disk's moods meet all of them.
const ROUNDS: usize = 3;

/// One way of writing durably.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// A transaction and a flush for each.
    Alone,
    /// One for all who wait.
    Together,
    Store,
}

/// What came of one round.
#[derive(Clone, Copy, Default)]
struct Seen {
    per_second: f64,
    flushes_per_second: f64,
}

pub(crate) fn measure(time: Duration) -> Result<Vec<Bar>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ways = [Way::Alone, Way::Together, Way::Store];
    let mut seen = [const { Vec::new() }; 3];
    for round in 1..=ROUNDS {
        for (way, seen) in ways.iter().zip(&mut seen) {
            note(format_args!("state: {way:?}, round {round}"));
            seen.push(runtime.block_on(run(*way, time))?);
        }
    }
    let [alone, together, store] = seen.map(median);
    let mut table =
        Table::new(&["1 KB writes, 64 writers", "writes/s", "flushes/s", "of redb alike"]);
    let mut row = |name: &str, seen: Seen| {
        table.row(vec![
            name.to_owned(),
            rounded(seen.per_second),
            rounded(seen.flushes_per_second),
            format!("{:.2}", seen.per_second / together.per_second),
        ]);
    };
    row("redb, a commit for each", alone);
    row("redb, a commit for all who wait", together);
    row("the store", store);
    table.print("Durable writes");
    let of_redb = store.per_second / together.per_second;
    let what = "durable writes of 1 KB: of redb with the same commits";
    Ok(vec![Bar::ratio(what, of_redb, 0.6, Some(0.9))])
}

fn median(mut rounds: Vec<Seen>) -> Seen {
    rounds.sort_by(|a, b| a.per_second.total_cmp(&b.per_second));
    rounds.get(ROUNDS / 2).copied().unwrap_or_default()
}

async fn run(way: Way, time: Duration) -> Result<Seen> {
    // Not where files may be in memory.
    std::fs::create_dir_all(scratch())?;
    let folder = TempDir::new_in(scratch())?;
    let file = folder.path().join("state.redb");
    match way {
        Way::Alone => native(&file, time, 1).await,
        Way::Together => native(&file, time, usize::MAX).await,
        Way::Store => store(&file, time).await,
    }
}

async fn store(file: &Path, time: Duration) -> Result<Seen> {
    let limits = LiveLimits::new(&ServerLimits::default(), 1024)?;
    let meter = Arc::<ServerMeter>::default();
    let store = Store::in_file(file, Durability::Flushed, &limits, &meter).await?;
    let handler = HandlerLimits { state_size: Size::gib(1), ..HandlerLimits::default() };
    let access = Access {
        handler: &HandlerName::new("app"),
        schema: SchemaNumber(0),
        buckets: &["default".to_owned()],
        limits: &handler,
        meter: &Arc::default(),
    };
    let buckets = store.buckets(access).await?;
    let bucket = buckets.get("default")?.clone();
    let write = move |key: String, value: Vec<u8>| {
        let bucket: Bucket = bucket.clone();
        async move { Ok(bucket.set(key, value).await?) }
    };
    let per_second = load(time, write).await?;
    let seen = Seen {
        per_second,
        flushes_per_second: meter.state_flushes.get() as f64 / time.as_secs_f64(),
    };
    store.close().await;
    Ok(seen)
}

type Write = (String, Vec<u8>, oneshot::Sender<()>);

/// redb by itself, with up to `most` writes in a transaction.
async fn native(file: &Path, time: Duration, most: usize) -> Result<Seen> {
    let mut builder = Database::builder();
    builder.set_cache_size(ServerLimits::default().state_cache.to_usize());
    let database = builder.create(file)?;
    let (sender, receiver) = channel::<Write>();
    let thread = std::thread::spawn(move || commit_all(&database, &receiver, most));
    let orders: Sender<Write> = sender.clone();
    let write = move |key: String, value: Vec<u8>| {
        let orders = orders.clone();
        async move {
            let (done, answer) = oneshot::channel();
            orders.send((key, value, done)).ok().context("the thread has ended")?;
            Ok(answer.await?)
        }
    };
    let per_second = load(time, write).await?;
    drop(sender);
    let flushes = thread.join().ok().context("the thread panicked")??;
    Ok(Seen { per_second, flushes_per_second: flushes as f64 / time.as_secs_f64() })
}

fn commit_all(database: &Database, orders: &Receiver<Write>, most: usize) -> Result<u64> {
    const TABLE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("data");
    let mut flushes = 0;
    while let Ok(first) = orders.recv() {
        let writes: Vec<Write> =
            [first].into_iter().chain(orders.try_iter().take(most - 1)).collect();
        let transaction = database.begin_write()?;
        let mut table = transaction.open_table(TABLE)?;
        for (key, value, _) in &writes {
            table.insert(key.as_str(), value.as_slice())?;
        }
        drop(table);
        transaction.commit()?;
        flushes += 1;
        for (_, _, done) in writes {
            let _ = done.send(());
        }
    }
    Ok(flushes)
}

/// Writes a second that all writers together have got done.
async fn load<W, F>(time: Duration, write: W) -> Result<f64>
where
    W: Fn(String, Vec<u8>) -> F + Clone + Send + 'static,
    F: Future<Output = Result<()>> + Send,
{
    let began = Instant::now();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let write = write.clone();
            tokio::spawn(async move {
                let mut done = 0_u64;
                while began.elapsed() < time {
                    write(format!("{writer}-{}", done % KEYS), vec![b'x'; VALUE]).await?;
                    done += 1;
                }
                Ok::<_, anyhow::Error>(done)
            })
        })
        .collect();
    let mut all = 0;
    for writer in writers {
        all += writer.await??;
    }
    ensure!(all > 0, "nothing was written");
    Ok(all as f64 / began.elapsed().as_secs_f64())
}
