//! What other programs reached in a run of their own.

use serde::Serialize;

/// A program that was measured in another run.
#[derive(Serialize, Clone, Copy, Debug)]
pub struct Peer {
    /// Its name.
    pub name: &'static str,
    /// Number of credentials.
    pub credentials: u32,
    /// Credentials per second.
    pub per_second: u32,
    /// Peak memory, in MB.
    pub memory_mb: u32,
}

/// Measured once, on 2 cores, with the same API server and an STS that replies after 20 ms.
pub const PEERS: &[Peer] = &[
    Peer { name: "kube-aws-iam-controller", credentials: 3000, per_second: 30, memory_mb: 57 },
    Peer {
        name: "External Secrets, STSSessionToken",
        credentials: 1000,
        per_second: 16,
        memory_mb: 573,
    },
    Peer {
        name: "a loop in Rust with the three calls of the bare floor",
        credentials: 3000,
        per_second: 502,
        memory_mb: 23,
    },
];
