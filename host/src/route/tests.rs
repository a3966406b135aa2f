use super::*;
use anyhow::Result;

fn routes(list: &[(&str, &str, &str)]) -> Result<Routes<String>> {
    let key = |&(host, methods, path): &(&str, &str, &str)| -> Result<(RouteKey, String)> {
        let key = RouteKey {
            host: (!host.is_empty()).then(|| HostPattern::parse(host)).transpose()?,
            methods: methods.split_whitespace().map(|m| m.parse().unwrap()).collect(),
            path: match path.strip_prefix("mount ") {
                Some(mount) => PathPattern::mount(mount)?,
                None => PathPattern::path(path)?,
            },
        };
        Ok((key, format!("{host} {methods} {path}").trim().to_owned()))
    };
    Ok(Routes::new(list.iter().map(key).collect::<Result<_>>()?)?)
}

fn find(routes: &Routes<String>, host: &str, method: Method, path: &str) -> String {
    match routes.find(host, &method, path) {
        Found::Route { target, captures, .. } => {
            captures.iter().fold(target.clone(), |s, (name, value)| format!("{s} {name}={value}"))
        }
        Found::OtherMethods(methods) => format!("405 {methods:?}"),
        Found::Nothing => "404".into(),
    }
}

#[test]
fn the_most_specific_route_wins_in_any_order() {
    let list = [
        ("", "", "/users/{id}"),
        ("", "", "/users/me"),
        ("", "", "/users/{id}/posts/{post}"),
        ("", "", "/files/{*rest}"),
        ("", "", "mount /users"),
        ("", "", "mount /"),
    ];
    let mut reversed = list;
    reversed.reverse();
    for list in [list, reversed] {
        let r = routes(&list).unwrap();
        let at = |path| find(&r, "any", Method::GET, path);
        assert_eq!(at("/users/me"), "/users/me");
        assert_eq!(at("/users/7"), "/users/{id} id=7");
        assert_eq!(at("/users/7/posts/a%2Fb"), "/users/{id}/posts/{post} id=7 post=a%2Fb");
        assert_eq!(at("/users/7/other"), "mount /users");
        assert_eq!(at("/users"), "mount /users");
        assert_eq!(at("/users/"), "mount /users");
        assert_eq!(at("/files/a/b"), "/files/{*rest} rest=a/b");
        assert_eq!(at("/files"), "mount /");
        assert_eq!(at("/"), "mount /");
    }
}

#[test]
fn an_exact_path_stands_before_a_mount_and_a_mount_before_a_shorter_one() {
    let r = routes(&[
        ("", "", "mount /a"),
        ("", "", "/a"),
        ("", "", "/a/"),
        ("", "", "mount /a/b"),
        ("", "", "/{x}/b/c"),
        ("", "", "/{x}/{*rest}"),
        ("", "GET", "mount /a"),
    ])
    .unwrap();
    let at = |method, path| find(&r, "any", method, path);
    assert_eq!(at(Method::GET, "/a"), "/a");
    assert_eq!(at(Method::GET, "/a/"), "/a/");
    assert_eq!(at(Method::GET, "/a/b"), "mount /a/b");
    assert_eq!(at(Method::GET, "/a/b/c"), "mount /a/b");
    assert_eq!(at(Method::GET, "/a/c"), "GET mount /a");
    assert_eq!(at(Method::PUT, "/a/c"), "mount /a");
    assert_eq!(at(Method::PUT, "/z/b/c"), "/{x}/b/c x=z");
    assert_eq!(at(Method::PUT, "/z/b/d"), "/{x}/{*rest} x=z rest=b/d");
    assert_eq!(at(Method::PUT, "/z/"), "404", "a catch-all takes at least something");
    assert_eq!(at(Method::PUT, "//b/c"), "404", "a capture takes at least something");
}

#[test]
fn hosts_go_from_exact_to_wildcard_to_any() {
    let r = routes(&[
        ("", "", "mount /"),
        ("*.example.com", "", "/a"),
        ("*.api.example.com", "", "/a"),
        ("api.example.com", "", "/a"),
    ])
    .unwrap();
    let at = |host| find(&r, host, Method::GET, "/a");
    assert_eq!(at("api.example.com"), "api.example.com  /a");
    assert_eq!(at("x.api.example.com"), "*.api.example.com  /a");
    assert_eq!(at("www.example.com"), "*.example.com  /a");
    assert_eq!(at("example.com"), "mount /");
    assert_eq!(at("badexample.com"), "mount /");
    assert_eq!(find(&r, "api.example.com", Method::GET, "/b"), "mount /");
}

#[test]
fn a_named_method_is_more_specific_and_others_get_405() {
    let r = routes(&[
        ("", "GET", "/a"),
        ("", "POST PUT", "/a"),
        ("", "GET", "/b/{x}"),
        ("", "", "/b/c"),
        ("", "PATCH", "/c"),
        ("", "", "/c"),
    ])
    .unwrap();
    let at = |method, path| find(&r, "", method, path);
    assert_eq!(at(Method::GET, "/a"), "GET /a");
    assert_eq!(at(Method::HEAD, "/a"), "GET /a");
    assert_eq!(at(Method::PUT, "/a"), "POST PUT /a");
    assert_eq!(at(Method::DELETE, "/a"), "405 [GET, HEAD, POST, PUT]");
    assert_eq!(at(Method::from_bytes(b"PURGE").unwrap(), "/a"), "405 [GET, HEAD, POST, PUT]");
    assert_eq!(at(Method::GET, "/b/c"), "/b/c");
    assert_eq!(at(Method::PATCH, "/c"), "PATCH /c");
    assert_eq!(at(Method::GET, "/c"), "/c");
    assert_eq!(at(Method::GET, "/d"), "404");
}

#[test]
fn routes_that_no_request_can_tell_apart_are_refused() {
    let conflicts: &[&[(&str, &str, &str)]] = &[
        &[("", "", "/a"), ("", "", "/a")],
        &[("", "", "/a/{x}"), ("", "", "/a/{y}")],
        &[("", "GET", "/a"), ("", "GET POST", "/a")],
        &[("", "GET", "/a"), ("", "HEAD", "/a")],
        &[("", "", "mount /a"), ("", "", "/a/{*rest}")],
        &[("", "", "mount /a"), ("", "", "mount /a/")],
        &[("h.com", "", "/a"), ("H.com", "", "/a")],
    ];
    for list in conflicts {
        let error = routes(list).unwrap_err().to_string();
        assert!(error.contains("is in conflict with"), "{list:?}: {error}");
    }
}

#[test]
fn bad_patterns_are_refused_with_a_reason() {
    for path in [
        "",
        "a",
        "/{",
        "/{}",
        "/x{id}",
        "/{*rest}/x",
        "/{ID}",
        "/{a}/{a}",
        "/a//b",
        "/../a",
        "/%41",
    ] {
        assert!(PathPattern::path(path).is_err(), "{path}");
    }
    for host in ["", "*", "a b", "host:80", "*.", "a..", ".com"] {
        assert!(HostPattern::parse(host).is_err(), "{host}");
    }
}
