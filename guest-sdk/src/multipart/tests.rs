use super::*;
use crate::BoxError;
use bytes::Bytes;
use futures_executor::block_on;
use futures_util::{StreamExt, stream};

fn form(content_type: &str, body: impl Into<Body>) -> Result<Multipart, Rejection> {
    let request = http::Request::post("/").header("content-type", content_type);
    block_on(Multipart::from_request(request.body(body.into()).unwrap().into()))
}

fn of(body: impl Into<Body>) -> Multipart {
    form("multipart/form-data; boundary=XX", body).unwrap()
}

fn field(name: &str, content: &str) -> String {
    format!("--XX\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{content}\r\n")
}

/// Names and texts of all fields, or what is wrong with the form.
fn read(mut form: Multipart) -> Result<Vec<(String, String)>, Rejection> {
    block_on(async {
        let mut fields = Vec::new();
        while let Some(field) = form.next_field().await? {
            fields.push((field.name().unwrap_or_default().to_owned(), field.text().await?));
        }
        Ok(fields)
    })
}

fn two_fields() -> String {
    field("a", "one") + &field("b", "two\r\nlines") + "--XX--\r\n"
}

#[test]
fn fields_come_in_order_however_the_body_is_cut() {
    let whole = two_fields().into_bytes();
    for size in 1..whole.len() + 1 {
        let chunks: Vec<_> = whole.chunks(size).map(Bytes::copy_from_slice).collect();
        let body = Body::stream(stream::iter(chunks).map(Ok::<_, BoxError>));
        let fields = read(of(body)).unwrap();
        let fields: Vec<_> = fields.iter().map(|(n, t)| (n.as_str(), t.as_str())).collect();
        assert_eq!(fields, [("a", "one"), ("b", "two\r\nlines")], "pieces of {size}");
    }
}

#[test]
fn a_file_has_a_name_and_a_type() {
    let body = "--XX\r\ncontent-disposition: form-data; name=f; filename=\"a.png\"\r\n\
        content-type: image/png\r\n\r\n\x01\r\n--XX--\r\n";
    let mut form = of(body);
    let field = block_on(form.next_field()).unwrap().unwrap();
    assert_eq!((field.name(), field.file_name()), (Some("f"), Some("a.png")));
    assert_eq!(field.content_type(), Some("image/png"));
    assert_eq!(field.headers().len(), 2);
}

#[test]
fn what_is_not_read_is_skipped() {
    let mut form = of(field("a", &"x".repeat(300_000)) + &two_fields());
    form = form.total_limit(1 << 20);
    block_on(async {
        let mut first = form.next_field().await.unwrap().unwrap();
        first.chunk().await.unwrap();
        assert_eq!(form.next_field().await.unwrap().unwrap().text().await.unwrap(), "one");
        form.next_field().await.unwrap();
        assert!(form.next_field().await.unwrap().is_none());
        assert!(form.next_field().await.unwrap().is_none());
    });
}

#[test]
fn limits_are_kept() {
    let length = two_fields().len() as u64;
    for (form, status, words) in [
        (of(two_fields()).total_limit(length), 200, ""),
        (of(two_fields()).total_limit(length - 1), 413, "the form has more than"),
        (of(two_fields()).field_limit(10), 200, ""),
        (of(two_fields()).field_limit(9), 413, "the field `b` is too large"),
        (of(field("a", &"x".repeat(Body::DEFAULT_LIMIT)) + "--XX--"), 413, "the form has more"),
        (
            of(field("a", &"x".repeat(Body::DEFAULT_LIMIT + 1)) + "--XX--").total_limit(1 << 30),
            413,
            "the field `a` is too large",
        ),
    ] {
        let answer = read(form).map_err(|rejection| (rejection.status(), rejection.to_string()));
        match answer {
            Ok(_) => assert_eq!(status, 200),
            Err((found, text)) => {
                assert_eq!(found, status, "{text}");
                assert!(text.contains(words), "{text}");
            }
        }
    }
}

#[test]
fn what_is_no_form_is_the_clients_fault() {
    let not_text: &'static [u8] =
        b"--XX\r\ncontent-disposition: form-data; name=a\r\n\r\n\xff\r\n--XX--";
    for (body, words) in [
        (Body::empty(), "no whole form"),
        ("nothing of the kind".into(), "no whole form"),
        (field("a", "one").into(), "the field `a` does not end"),
        ("--XX\r\ncontent-disposition: form-data; name=a\r\n\r\n".into(), "does not end"),
        ("--XX\r\nno header\r\n\r\n--XX--".into(), "not written as it must be"),
        (not_text.into(), "the field `a` is not UTF-8"),
    ] {
        let rejection = read(of(body)).unwrap_err();
        assert_eq!(rejection.status(), 400, "{rejection}");
        assert!(rejection.to_string().contains(words), "{rejection}");
    }
}

#[test]
fn the_type_must_be_that_of_a_form() {
    for (given, status) in [
        ("application/json", 415),
        ("", 415),
        ("multipart/mixed; boundary=XX", 415),
        ("multipart/form-data", 400),
    ] {
        assert_eq!(form(given, "").unwrap_err().status(), status, "{given}");
    }
    let request = http::Request::post("/").body("").unwrap();
    assert!(block_on(Multipart::optional_from_request(request.into())).unwrap().is_none());
}

#[test]
fn an_upload_that_breaks_off_is_not_taken_for_whole() {
    let (sender, body) = Body::channel();
    drop(sender);
    assert_eq!(read(of(body)).unwrap_err().kind(), RejectionKind::Internal);
}

/// A body of `chunks` chunks of 64 KiB, all of them there at once; and how many of them
/// have been taken.
fn quick(chunks: usize, start: String) -> (Body, Delivered) {
    let taken = Delivered::default();
    let counted = taken.clone();
    let chunks = stream::iter(0..chunks).map(move |n| {
        counted.add(1);
        let chunk = if n == 0 { start.clone() } else { "x".repeat(64 * 1024) };
        Ok::<_, BoxError>(chunk)
    });
    (Body::stream(chunks), taken)
}

#[test]
fn a_form_that_comes_quickly_is_not_taken_in_whole() {
    let (body, taken) = quick(1000, field("a", "").trim_end().to_owned() + "\r\n\r\n");
    let mut form = of(body).total_limit(1 << 30);
    block_on(async {
        let mut field = form.next_field().await.unwrap().unwrap();
        for _ in 0..10 {
            field.chunk().await.unwrap();
        }
    });
    assert!((10..20).contains(&taken.bytes()), "{} chunks were taken", taken.bytes());
}

#[test]
fn a_head_without_an_end_is_not_taken_in_whole() {
    for start in ["", "--XX\r\nx: "] {
        let (body, taken) = quick(1000, start.to_owned());
        let rejection = read(of(body).total_limit(1 << 30)).unwrap_err();
        assert_eq!(rejection.status(), 413);
        assert!(taken.bytes() < 5, "{} chunks were taken", taken.bytes());
    }
}
