//! What is sent: all of it, flat in memory, or visibly broken.

use super::super::CHUNK;
use super::*;
use http_body::Body as _;
use std::io::{Seek, SeekFrom, Write};

const MIB: usize = 1 << 20;

/// One frame of `body`.
async fn frame(body: &mut Body) -> Bytes {
    let frame = body.frame().await.unwrap().unwrap();
    frame.into_data().unwrap()
}

#[tokio::test]
async fn a_body_knows_its_length() {
    let site = Site::new();
    site.write("a.bin", vec![7; MIB + 1]);
    let mut body = site.response("/a.bin").await.into_body();
    let mut left = MIB as u64 + 1;
    while !body.is_end_stream() {
        assert_eq!(body.size_hint().exact(), Some(left));
        let data = frame(&mut body).await;
        assert!(data.len() <= CHUNK, "{}", data.len());
        assert!(data.iter().all(|&byte| byte == 7));
        left -= data.len() as u64;
    }
    assert_eq!(left, 0);
    assert!(body.frame().await.is_none());
}

/// A file of one chunk is one piece, whose head and content are sent at once.
#[tokio::test]
async fn a_small_file_is_one_frame() {
    let site = Site::new();
    for (size, frames) in [(1, 1), (CHUNK, 1), (CHUNK + 1, 2), (3 * CHUNK, 3)] {
        site.write("a.bin", vec![7; size]);
        let mut body = site.response("/a.bin").await.into_body();
        let mut count = 0;
        while !body.is_end_stream() {
            frame(&mut body).await;
            count += 1;
        }
        assert_eq!(count, frames, "{size}");
    }
}

#[tokio::test]
async fn a_file_that_shrinks_breaks_the_body() {
    let site = Site::new();
    let path = site.write("a.bin", vec![7; MIB]);
    let mut body = site.response("/a.bin").await.into_body();
    frame(&mut body).await;
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_len(2 * CHUNK as u64 + 5).unwrap();
    assert_eq!(read(body).await, Err(FaultKind::FileChanged));

    // Before the first byte, and within a range.
    file.set_len(MIB as u64).unwrap();
    let body = site.response("/a.bin").await.into_body();
    file.set_len(0).unwrap();
    assert_eq!(read(body).await, Err(FaultKind::FileChanged));

    file.set_len(MIB as u64).unwrap();
    let head = Request::get("/a.bin").header("range", "bytes=10-99999");
    let head = head.body(()).unwrap().into_parts().0;
    let response = site.files.serve(&head, "/a.bin", permit()).await.unwrap();
    assert_eq!(response.status(), 206);
    file.set_len(50_000).unwrap();
    assert_eq!(read(response.into_body()).await, Err(FaultKind::FileChanged));
}

#[tokio::test]
async fn a_body_that_broke_stays_broken() {
    let site = Site::new();
    let path = site.write("a.bin", vec![7; MIB]);
    let mut body = site.response("/a.bin").await.into_body();
    fs::File::create(&path).unwrap();
    let error = body.frame().await.unwrap().unwrap_err();
    assert!(matches!(error, BodyError::Failed(_)), "{error}");
    assert!(body.frame().await.is_none());
    assert!(!body.is_end_stream());
}

#[tokio::test]
async fn a_file_that_grows_is_cut_where_it_ended() {
    let site = Site::new();
    for size in [CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 5] {
        let path = site.write("a.bin", vec![7; size]);
        let body = site.response("/a.bin").await.into_body();
        let mut file = fs::File::options().append(true).open(&path).unwrap();
        file.write_all(&vec![8; MIB]).unwrap();
        assert_eq!(read(body).await.unwrap(), vec![7; size]);
    }
}

#[tokio::test]
async fn a_file_that_is_replaced_is_sent_as_it_was() {
    let site = Site::new();
    let path = site.write("a.bin", vec![7; MIB]);
    let new = site.write("new.bin", vec![8; MIB]);
    let mut body = site.response("/a.bin").await.into_body();
    frame(&mut body).await;
    fs::rename(&new, &path).unwrap();
    let rest = read(body).await.unwrap();
    assert!(rest.iter().all(|&byte| byte == 7));
    fs::remove_file(&path).unwrap();
    site.get("/a.bin").await.is(404, "");
}

/// The process grows by less than a quarter of the file, whatever other tests
/// need meanwhile. (It is two chunks, but that is not to be seen from here.)
#[cfg(target_os = "linux")]
#[tokio::test]
async fn memory_is_flat_however_large_the_file() {
    const SIZE: u64 = 640 << 20;
    fn resident() -> usize {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kib = line.unwrap().split_whitespace().nth(1).unwrap();
        kib.parse::<usize>().unwrap() << 10
    }
    let site = Site::new();
    let path = site.write("big.bin", "");
    // Sparse, but for its last byte.
    let mut file = fs::File::create(&path).unwrap();
    file.seek(SeekFrom::Start(SIZE - 1)).unwrap();
    file.write_all(b"!").unwrap();

    let mut body = site.response("/big.bin").await.into_body();
    let before = resident();
    let (mut received, mut last) = (0, 0);
    while !body.is_end_stream() {
        let data = frame(&mut body).await;
        assert!(data.len() <= CHUNK);
        received += data.len() as u64;
        last = data[data.len() - 1];
        if received % (16 << 20) == 0 {
            let grown = resident().saturating_sub(before);
            assert!(grown as u64 * 4 < SIZE, "{grown} bytes more after {received}");
        }
    }
    assert_eq!((received, last), (SIZE, b'!'));
}

/// One handle while the body lives, none after the client has left.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn handles_are_closed() {
    let site = Site::new();
    site.write("a.bin", vec![7; MIB]);
    site.write("a.bin.gz", vec![7; MIB]);
    let open = || {
        let links = fs::read_dir("/proc/self/fd").unwrap();
        let paths = links.filter_map(|link| fs::read_link(link.unwrap().path()).ok());
        paths.filter(|path| path.starts_with(&site.root) && *path != site.root).count()
    };
    let mut body = site.response("/a.bin").await.into_body();
    frame(&mut body).await;
    assert_eq!(open(), 1);
    drop(body);
    site.get_with("/a.bin", &[("if-none-match", "*")]).await;
    site.get_with("/a.bin", &[("range", "bytes=9999999-")]).await;
    site.ask(Method::HEAD, "/a.bin", &[]).await;
    assert_eq!(open(), 0);
}

#[tokio::test]
async fn many_at_once_are_each_whole() {
    let site = Site::new();
    let content: Vec<u8> = (0..200_000_u32).map(|n| (n % 253) as u8).collect();
    site.write("a.bin", &content);
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..64_usize {
        let files = site.files.clone();
        let wanted = content[n..].to_vec();
        tasks.spawn(async move {
            let range = format!("bytes={n}-");
            let headers = [("range", range.as_str())];
            let answer = ask(&files, Method::GET, "/a.bin", "/a.bin", &headers).await;
            assert_eq!(answer.body, wanted);
        });
    }
    while let Some(result) = tasks.join_next().await {
        result.unwrap();
    }
}
