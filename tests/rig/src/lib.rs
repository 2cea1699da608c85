//! The test rig: what tempcred's end-to-end tests and its demo run against.
//!
//! Nothing that matters is mocked. [`Rig::start`] brings up a real etcd,
//! kube-apiserver and kube-controller-manager, [`Rig::moto`] a real STS peer.
//! Only faults that no real peer produces on demand are simulated: the
//! [`sts::Responder`] throttles, delays, returns wrong replies and counts, the
//! [`Proxy`] cuts connections to the API server.
//!
//! # Guarantees
//!
//! * No process outlives the rig, even if the rig's own process is killed: see
//!   [`janitor`].
//! * Two rigs can run side by side: own ports, own folder, own cluster.
//! * Nothing is written outside `target/rig` and the caches of Go, pip and npm.
//!
//! # Environment
//!
//! | Variable | Effect |
//! |---|---|
//! | `TEMPCRED_RIG_KUBECONFIG` | use this cluster, start no control plane |
//! | `KUBEBUILDER_ASSETS` | take etcd and kube-apiserver from this folder |
//! | `TEMPCRED_RIG_KEEP` | leave the run's folder (logs, audit log) behind |

mod audit;
mod background;
mod cache;
mod clock;
mod connections;
mod control_plane;
mod golang;
mod install;
pub mod intercept;
pub mod janitor;
mod moto;
mod mount;
mod ports;
mod process;
mod progress;
mod proxy;
mod python;
mod random;
mod rig;
mod sdk;
mod source;
pub mod strict;
pub mod sts;
mod tool;
mod users;
mod workspace;

pub use audit::{Audit, Request};
pub use clock::Clock;
pub use connections::ConnectionSampler;
pub use mount::Mount;
pub use ports::free_port;
pub use process::{Process, memory};
pub use progress::Progress;
pub use proxy::Proxy;
pub use rig::Rig;
pub use sdk::Sdk;
pub use tool::{Tool, flux_crd, prometheus_crds};
pub use users::User;
