//! The part of HTTP/1.1 that AWS clients use for STS.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::net::SocketAddr;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const MOST_HEADERS: usize = 64;

/// A request, read in full.
pub(crate) struct HttpRequest {
    pub(crate) method: String,
    /// With the query, if there is one.
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// The parts of a request before its body, and their length.
struct Head {
    method: String,
    path: String,
    headers: BTreeMap<String, String>,
    length: usize,
}

/// A reply to be.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// The next request of a connection, None at its end. `buffer` keeps what was read
/// beyond it.
pub(crate) async fn read_request(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
) -> io::Result<Option<HttpRequest>> {
    let Head { method, path, headers, length: head_length } = loop {
        if let Some(found) = parse_head(buffer)? {
            break found;
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    };
    if headers.get("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    let length = headers.get("content-length").map_or(Ok(0), |text| text.parse::<usize>());
    let end = head_length + length.map_err(invalid)?;
    while buffer.len() < end {
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
    let rest = buffer.split_off(end);
    let body = buffer.split_off(head_length);
    *buffer = rest;
    Ok(Some(HttpRequest { method, path, headers, body }))
}

fn parse_head(buffer: &[u8]) -> io::Result<Option<Head>> {
    let mut slots = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut request = httparse::Request::new(&mut slots);
    match request.parse(buffer).map_err(invalid)? {
        httparse::Status::Partial => Ok(None),
        httparse::Status::Complete(length) => Ok(Some(Head {
            method: request.method.unwrap_or_default().to_owned(),
            path: request.path.unwrap_or_default().to_owned(),
            headers: to_map(request.headers),
            length,
        })),
    }
}

fn to_map(headers: &[httparse::Header<'_>]) -> BTreeMap<String, String> {
    let pair = |header: &httparse::Header<'_>| {
        (header.name.to_lowercase(), String::from_utf8_lossy(header.value).into_owned())
    };
    headers.iter().map(pair).collect()
}

impl Reply {
    /// The bytes of the head, with the length of the whole body and this request ID.
    pub(super) fn head(&self, now: Timestamp, id: &str) -> Vec<u8> {
        let Self { status, body } = self;
        let length = body.len();
        let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&now).unwrap_or_default();
        format!(
            "HTTP/1.1 {status} {}\r\nx-amzn-RequestId: {id}\r\nContent-Type: text/xml\r\n\
             Content-Length: {length}\r\nDate: {date}\r\n\r\n",
            reason(*status)
        )
        .into_bytes()
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Status",
    }
}

/// Passes a request on and returns what the peer says.
pub(super) async fn forward(peer: SocketAddr, request: &HttpRequest) -> io::Result<Reply> {
    let mut head = format!("POST / HTTP/1.1\r\nHost: {peer}\r\nConnection: close\r\n");
    for (name, value) in &request.headers {
        if !matches!(name.as_str(), "host" | "connection" | "expect" | "accept-encoding") {
            // Writing to a String does not fail.
            let _ = write!(head, "{name}: {value}\r\n");
        }
    }
    head.push_str("\r\n");
    let mut stream = TcpStream::connect(peer).await?;
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&request.body).await?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;

    let mut slots = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut response = httparse::Response::new(&mut slots);
    let httparse::Status::Complete(length) = response.parse(&bytes).map_err(invalid)? else {
        return Err(invalid("the peer's reply breaks off"));
    };
    let status = response.code.unwrap_or(502);
    Ok(Reply { status, body: bytes.split_off(length) })
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
