//! Randomness and digests, as text.

use anyhow::{Result, anyhow};
use aws_lc_rs::{digest, rand};

/// `N` random bytes.
///
/// # Panics
///
/// If the operating system has no randomness to give, which nothing here
/// could continue without.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[expect(clippy::expect_used, reason = "no caller could go on without randomness")]
    rand::fill(&mut bytes).expect("the system's source of randomness fails");
    bytes
}

/// `2 * N` random hexadecimal digits.
pub(crate) fn hex<const N: usize>() -> String {
    to_hex(&bytes::<N>())
}

/// Lower-case hexadecimal.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256.
pub(crate) fn sha256(data: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, data).as_ref());
    out
}

/// A new RSA key as PKCS#8 PEM, for signing the tokens of ServiceAccounts.
pub(crate) fn rsa_key_pem() -> Result<String> {
    use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
    use aws_lc_rs::rsa::{KeyPair, KeySize};
    use base64::{Engine, prelude::BASE64_STANDARD};

    let key = KeyPair::generate(KeySize::Rsa2048).map_err(|_| anyhow!("cannot make an RSA key"))?;
    let der: Pkcs8V1Der<'_> = key.as_der().map_err(|_| anyhow!("cannot encode an RSA key"))?;
    let text = BASE64_STANDARD.encode(der.as_ref());
    let mut pem = String::from("-----BEGIN PRIVATE KEY-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = tail;
    }
    pem.push_str("-----END PRIVATE KEY-----\n");
    Ok(pem)
}
