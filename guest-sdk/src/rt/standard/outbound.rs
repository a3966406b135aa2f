//! Requests that this component sends.

use super::super::{expects_body, only_in_a_component};
use super::incoming::{IncomingBody, reason};
use super::outgoing::{self, fields};
use super::request::header_map;
use crate::fetch::{FetchError, FetchErrorKind as Kind};
use crate::{Body, Response};
use http::uri::Scheme;
use http::{Method, StatusCode, header};
use wasip3::http::client;
use wasip3::http::types::{self, ErrorCode};

pub(crate) async fn send(request: http::Request<Body>) -> Result<Response, FetchError> {
    only_in_a_component();
    let response = client::send(lower(request)?).await.map_err(fault)?;
    let mut lifted = Response::default();
    *lifted.status_mut() = StatusCode::from_u16(response.get_status_code())
        .map_err(|error| FetchError::new(Kind::Protocol, error.to_string()))?;
    *lifted.headers_mut() = header_map(&response.get_headers());
    *lifted.body_mut() = Body::from(IncomingBody::of_response(response));
    Ok(lifted)
}

fn lower(request: http::Request<Body>) -> Result<types::Request, FetchError> {
    let (mut head, body) = request.into_parts();
    let invalid = |reason: &str| FetchError::new(Kind::InvalidRequest, reason.to_owned());
    let scheme = match head.uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTPS => types::Scheme::Https,
        Some(scheme) if *scheme == Scheme::HTTP => types::Scheme::Http,
        Some(scheme) => return Err(invalid(&format!("the scheme `{scheme}` is not HTTP"))),
        None => return Err(invalid("the URL has no scheme and host")),
    };
    let authority = head.uri.authority().ok_or_else(|| invalid("the URL has no host"))?;
    // The host sets it from the URL, and refuses another.
    head.headers.remove(header::HOST);

    let body = outgoing::start(body);
    let length = body.length.filter(|length| *length > 0 || expects_body(&head.method));
    let (request, transmitted) =
        types::Request::new(fields(&head.headers, length), body.contents, body.ending, None);
    drop(transmitted);
    let set = request
        .set_scheme(Some(&scheme))
        .and_then(|()| request.set_authority(Some(authority.as_str())))
        .and_then(|()| {
            request.set_path_with_query(head.uri.path_and_query().map(|path| path.as_str()))
        });
    set.map_err(|()| invalid("the host does not take this URL"))?;
    if head.method != Method::GET {
        let method = method(&head.method);
        request.set_method(&method).map_err(|()| invalid("the host does not take this method"))?;
    }
    Ok(request)
}

fn method(method: &Method) -> types::Method {
    match *method {
        Method::GET => types::Method::Get,
        Method::HEAD => types::Method::Head,
        Method::POST => types::Method::Post,
        Method::PUT => types::Method::Put,
        Method::DELETE => types::Method::Delete,
        Method::CONNECT => types::Method::Connect,
        Method::OPTIONS => types::Method::Options,
        Method::TRACE => types::Method::Trace,
        Method::PATCH => types::Method::Patch,
        _ => types::Method::Other(method.as_str().to_owned()),
    }
}

fn fault(error: ErrorCode) -> FetchError {
    let kind = match &error {
        ErrorCode::DestinationIpProhibited | ErrorCode::HttpRequestDenied => Kind::Denied,
        ErrorCode::DnsError(_) | ErrorCode::DestinationNotFound => Kind::UnknownHost,
        ErrorCode::DestinationUnavailable
        | ErrorCode::DestinationIpUnroutable
        | ErrorCode::ConnectionRefused
        | ErrorCode::ConnectionTerminated
        | ErrorCode::HttpResponseIncomplete => Kind::Unreachable,
        ErrorCode::DnsTimeout
        | ErrorCode::ConnectionTimeout
        | ErrorCode::ConnectionReadTimeout
        | ErrorCode::ConnectionWriteTimeout
        | ErrorCode::HttpResponseTimeout => Kind::Timeout,
        ErrorCode::TlsProtocolError
        | ErrorCode::TlsCertificateError
        | ErrorCode::TlsAlertReceived(_) => Kind::Tls,
        ErrorCode::ConnectionLimitReached => Kind::Limit,
        ErrorCode::HttpRequestLengthRequired
        | ErrorCode::HttpRequestBodySize(_)
        | ErrorCode::HttpRequestMethodInvalid
        | ErrorCode::HttpRequestUriInvalid
        | ErrorCode::HttpRequestUriTooLong
        | ErrorCode::HttpRequestHeaderSectionSize(_)
        | ErrorCode::HttpRequestHeaderSize(_)
        | ErrorCode::HttpRequestTrailerSectionSize(_)
        | ErrorCode::HttpRequestTrailerSize(_) => Kind::InvalidRequest,
        ErrorCode::HttpResponseHeaderSectionSize(_)
        | ErrorCode::HttpResponseHeaderSize(_)
        | ErrorCode::HttpResponseBodySize(_)
        | ErrorCode::HttpResponseTrailerSectionSize(_)
        | ErrorCode::HttpResponseTrailerSize(_)
        | ErrorCode::HttpResponseTransferCoding(_)
        | ErrorCode::HttpResponseContentCoding(_)
        | ErrorCode::HttpUpgradeFailed
        | ErrorCode::HttpProtocolError
        | ErrorCode::LoopDetected
        | ErrorCode::ConfigurationError
        | ErrorCode::InternalError(_) => Kind::Protocol,
    };
    FetchError::new(kind, reason(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_host_have_their_kinds() {
        let dns = types::DnsErrorPayload { rcode: None, info_code: None };
        for (error, kind, status) in [
            (ErrorCode::HttpRequestDenied, Kind::Denied, 502),
            (ErrorCode::DestinationIpProhibited, Kind::Denied, 502),
            (ErrorCode::DnsError(dns), Kind::UnknownHost, 502),
            (ErrorCode::DnsTimeout, Kind::Timeout, 504),
            (ErrorCode::ConnectionTimeout, Kind::Timeout, 504),
            (ErrorCode::HttpResponseTimeout, Kind::Timeout, 504),
            (ErrorCode::ConnectionRefused, Kind::Unreachable, 502),
            (ErrorCode::ConnectionTerminated, Kind::Unreachable, 502),
            (ErrorCode::HttpResponseIncomplete, Kind::Unreachable, 502),
            (ErrorCode::TlsCertificateError, Kind::Tls, 502),
            (ErrorCode::ConnectionLimitReached, Kind::Limit, 502),
            (ErrorCode::HttpRequestBodySize(None), Kind::InvalidRequest, 500),
            (ErrorCode::HttpProtocolError, Kind::Protocol, 502),
            (ErrorCode::LoopDetected, Kind::Protocol, 502),
        ] {
            let text = format!("{error:?}");
            let fault = fault(error);
            assert_eq!((fault.kind(), fault.status().as_u16()), (kind, status), "{text}");
        }
    }
}
