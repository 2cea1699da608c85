//! moto, the real STS (and IAM) peer.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::janitor::Janitor;
use crate::ports;
use crate::process::{Process, wait_until};
use crate::python::Python;

/// Loading its Python modules takes seconds, on a busy machine many.
const READY_WITHIN: Duration = Duration::from_secs(120);

/// A running moto server.
pub(crate) struct Moto {
    url: String,
    _process: Process,
}

impl Moto {
    pub(crate) fn start(python: &Python, janitor: &Janitor) -> Result<Self> {
        let [port] = ports::free()?;
        let mut command = Command::new(python.interpreter());
        command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()]);
        command.env("PYTHONUNBUFFERED", "1");
        let process = janitor.spawn("moto", &command)?;
        wait_until("moto's first answer", READY_WITHIN, || {
            process.must_run()?;
            Ok(answers(port).unwrap_or(false))
        })?;
        Ok(Self { url: format!("http://127.0.0.1:{port}"), _process: process })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

fn answers(port: u16) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(READY_WITHIN))?;
    stream.write_all(
        b"GET /moto-api/data.json HTTP/1.1\r\nHost: moto\r\nConnection: close\r\n\r\n",
    )?;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply)?;
    Ok(reply.starts_with(b"HTTP/1.1 200"))
}
