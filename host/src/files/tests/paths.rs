//! Fault G36: no spelling of a path leads outside or tells what exists.

use super::*;

#[tokio::test]
async fn no_path_leads_outside() {
    let site =
        Site::with(&[("index.html", "home"), ("a/b/c.txt", "inside"), ("a/index.html", "a")]);
    let up = [
        "..",
        "%2e%2e",
        "%2E%2E",
        ".%2e",
        "%2e.",
        "%252e%252e",
        "%25252e%25252e",
        "..%00",
        "..%2f",
        "..%5c",
        "..\\",
        "%c0%ae%c0%ae",
        "%e0%80%ae%e0%80%ae",
        "\u{ff0e}\u{ff0e}",
        "..;",
        "....",
        "...",
        "..%09",
        "..%20",
    ];
    let slashes = ["/", "//", "%2f", "%2F", "%252f", "%5c", "\\", "/./", "%c0%af", "/%2e/"];
    let prefixes = ["/", "/a/", "/a/b/", "/a/b/c.txt/", "//", "/./", "", "/.well-known/"];
    let absolute = site.outside.display().to_string();
    let absolute = absolute.trim_start_matches('/');
    for prefix in prefixes {
        for up in up {
            for slash in slashes {
                for times in 1..4 {
                    let climb = format!("{up}{slash}").repeat(times);
                    for tail in ["outside/secret.txt", "etc/passwd", absolute] {
                        let path = format!("{prefix}{climb}{tail}");
                        let answer = site.get(&path).await;
                        assert_eq!(answer.status, 404, "{path}");
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn hostile_paths_are_not_found() {
    let site = Site::with(&[
        ("index.html", "home"),
        ("a/index.html", "a"),
        ("a/b.txt", "b"),
        ("a\\b.txt", "backslash"),
        ("a%2fb.txt", "escape"),
    ]);
    let long = format!("/{}", "a".repeat(4096));
    let deep = "/a".repeat(2048);
    let long_escapes = format!("/{}", "%61".repeat(4096));
    let huge = format!("/{}", "%20".repeat(30_000));
    let secret = site.outside.join("secret.txt").display().to_string();
    let file_uri = format!("/file://{secret}");
    let twice = format!("/{secret}");
    let paths = [
        "",
        "a",
        "a/b.txt",
        "*",
        "//",
        "//a/",
        "//a/b.txt",
        "/a//b.txt",
        "/./a/b.txt",
        "/a/./b.txt",
        "/a/.",
        "/a/..",
        "/a/../a/b.txt",
        "/a/%2e/b.txt",
        "/a/%2e%2e/a/b.txt",
        "/a%2fb.txt",
        "/a%2Fb.txt",
        "/a%5cb.txt",
        "/a\\b.txt",
        "/a/b.txt%00",
        "/a/b%00.txt",
        "/%00/a/b.txt",
        "/a/b.txt/",
        "/a/b.txt/.",
        "/a/b.txt/..",
        "/a/b.txt%20",
        "/a/b.txt%0a",
        "/a/b.txt%0d%0aX:%20y",
        "/%ff",
        "/%c3",
        "/a/%",
        "/a/%6",
        "/a/%zz",
        "/C:/",
        "/c:%5ca",
        "/a/b.txt::$DATA",
        "/con",
        "/~root/.ssh/id_rsa",
        "/proc/self/environ",
        "/dev/zero",
        &long,
        &deep,
        &long_escapes,
        &huge,
        &secret,
        &file_uri,
        &twice,
    ];
    for path in paths {
        site.get(path).await.is(404, "");
    }
}

#[tokio::test]
async fn dotfiles_are_not_found() {
    let site = Site::with(&[
        (".env", "password"),
        (".git/config", "remote"),
        (".htaccess", "deny"),
        ("a/.env", "password"),
        ("a/.git/index.html", "git"),
        (".well-known/security.txt", "contact"),
        (".well-known/.hidden", "hidden"),
        (".well-known/acme/token", "token"),
        (".well-known/app/index.html", "app"),
        ("a/.well-known/x", "not at the root"),
    ]);
    let hidden = [
        "/.env",
        "/%2eenv",
        "/%2Eenv",
        "/.git/config",
        "/%2egit/config",
        "/.git/",
        "/.git",
        "/.htaccess",
        "/a/.env",
        "/a/%2eenv",
        "/a/.git/",
        "/a/.git",
        "/a/.git/index.html",
        "/.well-known/.hidden",
        "/a/.well-known/x",
        "/.well-known",
        "/.well-known/",
    ];
    for path in hidden {
        site.get(path).await.is(404, "");
    }
    let shown = [
        ("/.well-known/security.txt", "contact"),
        ("/%2ewell-known/security.txt", "contact"),
        ("/.well-known/acme/token", "token"),
        ("/.well-known/app/", "app"),
    ];
    for (path, content) in shown {
        site.get(path).await.is(200, content);
    }
}

/// What is refused and what is not there are one answer, to the last header.
#[tokio::test]
async fn a_404_tells_nothing() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let site = Site::with(&[("bare/a.txt", "a"), (".env", "password"), ("closed.txt", "closed")]);
    let closed = fs::Permissions::from_mode(0o000);
    fs::set_permissions(site.root.join("closed.txt"), closed).unwrap();
    symlink(&site.outside, site.root.join("link")).unwrap();
    symlink("nowhere", site.root.join("dangling")).unwrap();
    let nothing = site.get("/none").await;
    let mut paths = vec![
        "/none.txt",
        "/bare",
        "/bare/",
        "/.env",
        "/..",
        "/%00",
        "/bare/a.txt/",
        "/bare/a.txt/x",
        "/link",
        "/link/",
        "/link/secret.txt",
        "/link/none",
        "/dangling",
        "/a%2fb",
    ];
    // Root may read everything.
    if fs::File::open(site.root.join("closed.txt")).is_err() {
        paths.push("/closed.txt");
    }
    let conditions = [
        ("if-none-match", "*"),
        ("if-match", "\"x\""),
        ("range", "bytes=9-"),
        ("accept-encoding", "br"),
    ];
    for path in paths {
        assert_eq!(site.get(path).await, nothing, "{path}");
        for condition in conditions {
            let answer = site.get_with(path, &[condition]).await;
            assert_eq!(answer, nothing, "{path} {condition:?}");
        }
    }
}
