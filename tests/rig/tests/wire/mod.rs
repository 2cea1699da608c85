//! A client of STS that returns the bytes of a reply.

#![allow(unreachable_pub, reason = "shared by test binaries, not a library")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use rig::sts::Responder;

/// Longer than any reply takes.
pub const SOON: Duration = Duration::from_secs(10);

/// A reply as the bytes say it.
pub struct Reply {
    pub status: u16,
    head: String,
    pub body: String,
    /// The length of the body by the head.
    pub length: usize,
}

impl Reply {
    pub fn text(&self, name: &str) -> &str {
        let rest = self.body.split_once(&format!("<{name}>")).map_or("", |(_, rest)| rest);
        rest.split_once("</").map_or("", |(text, _)| text)
    }

    pub fn header(&self, name: &str) -> &str {
        let line = self.head.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.strip_prefix(": ")).unwrap_or_default()
    }

    pub fn expiration(&self) -> Result<Timestamp> {
        Ok(self.text("Expiration").parse()?)
    }
}

/// Sends a signed request, with this form as its body.
pub fn send(sts: &Responder, form: &str) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(sts.url().trim_start_matches("http://"))?;
    stream.set_read_timeout(Some(SOON))?;
    let scope = "Credential=AKIDEXAMPLE/20260101/eu-west-1/sts/aws4_request, SignedHeaders=host";
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: sts\r\nAuthorization: AWS4-HMAC-SHA256 {scope}\r\n\
         User-Agent: test\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    )?;
    Ok(stream)
}

/// Reads until the announced length or the end of the connection.
pub fn receive(mut stream: TcpStream) -> Result<Reply> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            let length = length.context("no length")?.parse()?;
            let read = if body.len() < length { stream.read(&mut chunk)? } else { 0 };
            if read == 0 {
                let status = head.split(' ').nth(1).context("no status")?.parse()?;
                return Ok(Reply { status, head: head.to_owned(), body: body.to_owned(), length });
            }
            bytes.extend(&chunk[..read]);
        } else {
            let read = stream.read(&mut chunk)?;
            ensure!(read > 0, "the connection ended before the head did");
            bytes.extend(&chunk[..read]);
        }
    }
}
