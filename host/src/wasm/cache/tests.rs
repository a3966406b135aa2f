//! Entries that are damaged, old, foreign, or written by several at once.

use super::*;
use crate::limits::{ServerLimits, Size};

fn limits(cache_size: Size) -> LiveLimits {
    LiveLimits::new(&ServerLimits { cache_size, ..Default::default() }, 1_000).unwrap()
}

fn component(engine: &Engine) -> (ContentHash, Component) {
    let bytes = wat::parse_str("(component (core module))").unwrap();
    (ContentHash::of(&bytes), Component::new(engine, &bytes).unwrap())
}

fn setup() -> (tempfile::TempDir, Cache, Engine, ContentHash, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(&dir.path().join("c"), &limits(Size::mib(10))).unwrap();
    let engine = Engine::default();
    let (hash, compiled) = component(&engine);
    assert!(cache.get(&engine, hash).is_none());
    cache.put(&engine, hash, &compiled);
    let path = cache.path(&engine, hash);
    (dir, cache, engine, hash, path)
}

#[test]
fn a_sound_entry_is_a_hit() {
    let (_dir, cache, engine, hash, _) = setup();
    assert!(cache.get(&engine, hash).is_some());
}

/// Row O20: every flipped byte, every cut, is a miss.
#[test]
fn damage_is_a_miss() {
    let (_dir, cache, engine, hash, path) = setup();
    let good = fs::read(&path).unwrap();
    for at in [0, HASH_SIZE, good.len() / 2, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&path, &bad).unwrap();
        assert!(cache.get(&engine, hash).is_none(), "byte {at}");
    }
    for len in [0, 10, HASH_SIZE, good.len() - 1] {
        fs::write(&path, &good[..len]).unwrap();
        assert!(cache.get(&engine, hash).is_none(), "length {len}");
    }
    fs::write(&path, &good).unwrap();
    assert!(cache.get(&engine, hash).is_some());
}

#[test]
fn a_file_that_others_may_write_or_a_link_is_a_miss() {
    use std::os::unix::fs::PermissionsExt;
    let (dir, cache, engine, hash, path) = setup();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(cache.get(&engine, hash).is_none());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let aside = dir.path().join("aside");
    fs::rename(&path, &aside).unwrap();
    std::os::unix::fs::symlink(&aside, &path).unwrap();
    assert!(cache.get(&engine, hash).is_none());
}

#[test]
fn a_folder_that_is_not_ours_alone_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let open = dir.path().join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
    let error = Cache::open(&open, &limits(Size::mib(1))).unwrap_err().to_string();
    assert!(error.contains("chmod 700"), "{error}");
    let link = dir.path().join("link");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o700)).unwrap();
    std::os::unix::fs::symlink(&open, &link).unwrap();
    assert!(Cache::open(&link, &limits(Size::mib(1))).is_err());
}

#[test]
fn other_files_in_the_folder_are_left_alone() {
    let (_dir, mut cache, engine, hash, path) = setup();
    let name = path.file_name().unwrap().to_str().unwrap();
    let longer = format!("0{name}");
    let upper = name.to_uppercase();
    let foreign = ["notes.squall", "thesis.tex", "x.tmp", &longer, &upper, &format!("{name}.bak")];
    for name in foreign {
        let file = cache.folder.join(name);
        fs::write(&file, vec![0; 1000]).unwrap();
        File::open(&file).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    }
    // A folder and a link of the form of an entry, and what the link leads to.
    let entry = |first: char| cache.folder.join(format!("{first}{}", &name[1..]));
    let (folder, link) = (entry('0'), entry('1'));
    fs::create_dir(&folder).unwrap();
    std::os::unix::fs::symlink(cache.folder.join("thesis.tex"), &link).unwrap();
    cache.limits = limits(Size::bytes(0));
    assert!(cache.make_room(1).is_err(), "more than fits at all");
    assert!(path.exists(), "and nothing goes for it");
    cache.make_room(0).unwrap();
    assert!(!path.exists());
    assert!(foreign.iter().all(|name| cache.folder.join(name).exists()));
    assert!(folder.exists() && link.is_symlink());
    assert!(cache.get(&engine, hash).is_none());
}

#[test]
fn what_a_writer_left_behind_goes_and_what_is_being_written_stays() {
    let (_dir, cache, _, _, path) = setup();
    let [left, fresh] = ["7-0.tmp", "7-1.tmp"].map(|end| path.with_extension(end));
    for file in [&left, &fresh] {
        fs::write(file, "x").unwrap();
    }
    File::open(&left).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    cache.make_room(0).unwrap();
    assert!(!left.exists() && fresh.exists() && path.exists());
}

#[test]
fn writers_of_one_entry_do_not_meet() {
    let (_dir, cache, _, _, path) = setup();
    let payload = vec![7; 1 << 20];
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20 {
                    write_whole(&path, &payload).unwrap();
                    assert_eq!(read_sound(&path).as_ref(), Some(&payload));
                }
            });
        }
    });
    assert_eq!(fs::read_dir(&cache.folder).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn a_failed_write_leaves_nothing_behind() {
    let (_dir, cache, _, _, path) = setup();
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(write_whole(&path, b"x").is_err());
    assert_eq!(fs::read_dir(&cache.folder).unwrap().count(), 1);
}

#[test]
fn the_oldest_entries_go_first() {
    let (_dir, mut cache, engine, hash, path) = setup();
    let old = cache.path(&engine, ContentHash::of(b"old"));
    fs::write(&old, vec![0; 1000]).unwrap();
    File::open(&old).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    cache.limits = limits(Size::bytes(fs::metadata(&path).unwrap().len() + 999));
    cache.make_room(0).unwrap();
    assert!(!old.exists());
    assert!(cache.get(&engine, hash).is_some());
}

#[test]
fn a_folder_that_was_deleted_is_made_again() {
    let (dir, cache, engine, hash, path) = setup();
    let folder = dir.path().join("c");
    fs::remove_dir_all(&folder).unwrap();
    let (_, compiled) = component(&engine);
    cache.put(&engine, hash, &compiled);
    assert!(path.is_file());
    assert!(cache.get(&engine, hash).is_some());
    assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
}

#[test]
fn a_fifo_in_place_of_an_entry_is_a_miss() {
    let (_dir, cache, engine, hash, path) = setup();
    fs::remove_file(&path).unwrap();
    let made = std::process::Command::new("mkfifo").arg("-m600").arg(&path).status().unwrap();
    assert!(made.success());
    let (told, tell) = std::sync::mpsc::channel();
    std::thread::spawn(move || told.send(cache.get(&engine, hash).is_none()));
    assert_eq!(tell.recv_timeout(Duration::from_secs(10)), Ok(true));
}
