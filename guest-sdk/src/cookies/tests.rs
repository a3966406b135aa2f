use super::*;
use crate::IntoResponse;
use futures_executor::block_on;

fn received(headers: &[(&str, &str)]) -> Cookies {
    let mut request = http::Request::get("/").header("host", "a.example");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = Request::from(request.body("").unwrap());
    block_on(Cookies::from_request_parts(&request)).unwrap()
}

fn set(cookies: Cookies) -> Vec<String> {
    let response = (cookies, ()).into_response();
    assert_eq!(response.status(), 200);
    let fields = response.headers().get_all("set-cookie").iter();
    fields.map(|field| field.to_str().unwrap().to_owned()).collect()
}

/// What a client that has been given these cookies sends.
fn sent_back(cookies: Cookies) -> Cookies {
    let fields = set(cookies);
    let pairs: Vec<_> = fields.iter().map(|field| field.split(';').next().unwrap()).collect();
    received(&[("cookie", &pairs.join("; "))])
}

#[test]
fn cookies_of_all_fields_are_read_and_bad_ones_left_out() {
    let cookies = received(&[("cookie", "a=1; b=x%20y; ; nonsense; c=%ff; a=2"), ("cookie", "d=")]);
    for (name, value) in
        [("a", Some("1")), ("b", Some("x y")), ("c", None), ("d", Some("")), ("e", None)]
    {
        assert_eq!(cookies.get(name), value, "{name}");
    }
}

#[test]
fn a_name_is_not_decoded() {
    let cookies = received(&[("cookie", "%5F_Host-a=1")]);
    assert_eq!(cookies.get("__Host-a"), None);
}

#[test]
fn a_cookie_is_as_safe_as_it_can_be_unless_it_says_otherwise() {
    let plain = received(&[]).add(("a", "1"));
    assert_eq!(set(plain), ["a=1; HttpOnly; SameSite=Lax; Path=/"]);
    let secure = received(&[("x-forwarded-proto", "https")]).add(("a", "1"));
    assert_eq!(set(secure), ["a=1; HttpOnly; SameSite=Lax; Secure; Path=/"]);
    let prefixed = received(&[]).add(("__Host-a", "1"));
    assert_eq!(set(prefixed), ["__Host-a=1; HttpOnly; SameSite=Lax; Secure; Path=/"]);
    let cookie = Cookie::build(("a", "1")).path("/b").http_only(false).secure(false);
    let own = received(&[("x-forwarded-proto", "https")]).add(cookie.same_site(SameSite::Strict));
    assert_eq!(set(own), ["a=1; SameSite=Strict; Path=/b"]);
}

#[test]
fn changes_are_seen_and_replace_each_other() {
    let cookies = received(&[("cookie", "a=1; b=2")]).add(("a", "3")).add(("a", "4")).remove("b");
    assert_eq!((cookies.get("a"), cookies.get("b")), (Some("4"), None));
    assert_eq!(
        set(cookies),
        [
            "a=4; HttpOnly; SameSite=Lax; Path=/",
            "b=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        ]
    );
    // Another path is another cookie.
    let cookies = received(&[]).add(("a", "1")).add(Cookie::build(("a", "2")).path("/b"));
    assert_eq!(set(cookies).len(), 2);
}

#[test]
fn any_value_comes_back_and_none_becomes_an_attribute() {
    for value in ["", "a b", "x; Domain=evil.example", "\"quoted\", é", "50%", "\r\n", "=.="] {
        let cookies = received(&[]).add(("a", value.to_owned()));
        assert_eq!(sent_back(cookies).get("a"), Some(value));
    }
}

#[test]
fn a_cookie_that_is_none_is_a_500() {
    for cookie in [
        Cookie::new("two words", "1"),
        Cookie::new("a;b", "1"),
        Cookie::new("", "1"),
        Cookie::build(("a", "1")).path("/;Domain=evil.example").build(),
        Cookie::build(("a", "1")).domain("a\r\n").build(),
    ] {
        let response = (received(&[]).add(cookie), "text").into_response();
        assert_eq!(response.status(), 500);
        assert!(response.headers().get("set-cookie").is_none());
    }
}

#[test]
fn a_signed_cookie_comes_back() {
    for value in ["ada", "", "a.b", "é; x"] {
        let cookies = received(&[]).add_signed(("user", value)).unwrap();
        let cookies = sent_back(cookies);
        assert_eq!(cookies.get_signed("user").unwrap(), Some(value));
        let (text, signature) = cookies.get("user").unwrap().rsplit_once('.').unwrap();
        assert_eq!((text, signature.len()), (value, 43), "32 bytes in base64url");
    }
}

#[test]
fn a_signature_is_for_one_value_of_one_cookie() {
    let cookies = received(&[]).add_signed(("user", "ada")).unwrap();
    let good = cookies.get("user").unwrap().to_owned();
    let moved = format!("admin={good}");
    let changed = format!("user={}", good.replace("ada", "eve"));
    let cut = format!("user={}", &good[..good.len() - 1]);
    for (cookie, name) in [
        (moved.as_str(), "admin"),
        (&changed, "user"),
        (&cut, "user"),
        ("user=ada", "user"),
        ("user=ada.", "user"),
        ("user=.", "user"),
        ("user=ada.!!", "user"),
    ] {
        let cookies = received(&[("cookie", cookie)]);
        assert_eq!(cookies.get_signed(name).unwrap(), None, "{cookie}");
    }
    let cookies = received(&[("cookie", &format!("user={good}"))]);
    assert_eq!(cookies.get_signed("user").unwrap(), Some("ada"));
}
