//! A DNS server that knows one name.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::sync::OnceLock;

/// An address where no resolver of the machine listens; every address of this network is local.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 53, 53, 53);

/// The length of a DNS header.
const HEADER: usize = 12;

/// The number of the type A.
const A: [u8; 2] = [0, 1];

/// The reply for all other names. Nothing listens there, so a query for a name in `/etc/hosts` makes the
/// test fail.
const NOBODY: Ipv4Addr = Ipv4Addr::new(127, 66, 66, 66);

/// Answers queries for this name with 127.0.0.1, until the program ends. None where listening on port 53 is
/// not allowed.
pub fn serve(name: &'static str) -> Option<IpAddr> {
    static STARTED: OnceLock<Option<IpAddr>> = OnceLock::new();
    *STARTED.get_or_init(|| match UdpSocket::bind((ADDRESS, 53)) {
        Ok(socket) => {
            std::thread::spawn(move || answer_all(&socket, &labels(name)));
            Some(ADDRESS.into())
        }
        Err(error) if error.kind() == ErrorKind::PermissionDenied => None,
        Err(error) => panic!("cannot listen on {ADDRESS}:53: {error}"),
    })
}

fn answer_all(socket: &UdpSocket, known: &[u8]) {
    let mut query = [0; 512];
    while let Ok((length, from)) = socket.recv_from(&mut query) {
        if let Some(reply) = reply(&query[..length], known) {
            let _ = socket.send_to(&reply, from);
        }
    }
}

/// A name in the wire format: each part after its length.
fn labels(name: &str) -> Vec<u8> {
    let part = |part: &str| [&[u8::try_from(part.len()).unwrap()], part.as_bytes()].concat();
    name.split('.').flat_map(part).collect()
}

/// The reply to a query with one question.
fn reply(query: &[u8], known: &[u8]) -> Option<Vec<u8>> {
    let name = query.get(HEADER..)?.iter().position(|byte| *byte == 0)?;
    let question = query.get(HEADER..HEADER + name + 5)?;
    let is_a = question[name + 1..name + 3] == A;
    // Number, "this is an answer without an error", one question, none or one answer.
    let mut reply = query[..2].to_vec();
    reply.extend([0x81, 0x80, 0, 1, 0, u8::from(is_a), 0, 0, 0, 0]);
    reply.extend(question);
    if is_a {
        // The name of the question, type A, class IN, one second, four bytes.
        reply.extend([0xC0, 0x0C, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
        let address = if question[..name] == *known { Ipv4Addr::LOCALHOST } else { NOBODY };
        reply.extend(address.octets());
    }
    Some(reply)
}
