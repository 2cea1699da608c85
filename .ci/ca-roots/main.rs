//! Prints the root certificates of Mozilla's trust store as PEM, for the container image.
//!
//! The certificates come from a crate and not from the build machine. Every build of a commit therefore
//! contains the same certificates, and `Cargo.lock` pins their version.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use webpki_root_certs::TLS_SERVER_ROOT_CERTS;

/// Maximum length of a line of PEM.
const COLUMNS: usize = 64;

fn main() -> std::io::Result<()> {
    let mut pem = String::new();
    for certificate in TLS_SERVER_ROOT_CERTS {
        pem.push_str("-----BEGIN CERTIFICATE-----\n");
        for (at, letter) in STANDARD.encode(certificate).chars().enumerate() {
            if at > 0 && at % COLUMNS == 0 {
                pem.push('\n');
            }
            pem.push(letter);
        }
        pem.push_str("\n-----END CERTIFICATE-----\n");
    }
    std::io::stdout().lock().write_all(pem.as_bytes())
}
