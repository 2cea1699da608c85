//! Real AWS SDKs over several rotations in one process. Every call is a real call to STS, which checks the key, its
//! expiration, the token and the signature. Files change as the kubelet changes them.
//!
//! | module | holds |
//! |---|---|
//! | [`client`] | a running program with an SDK, which makes a call when the test asks for it |
//! | [`place`] | how a program gets the credentials: its files, its agent, its variables |
//! | [`scene`] | rotations by the test, and which key signed each call |
//! | [`behavior`] | what an SDK does when credentials are rotated |
//! | [`agent`], [`process`], [`file`] | a test for each SDK |
//! | [`operator`] | rotations by the operator |
//! | [`judge`] | what the STS of these tests checks |

mod agent;
mod behavior;
mod client;
mod file;
mod judge;
mod operator;
mod place;
mod process;
mod rust;
mod scene;
