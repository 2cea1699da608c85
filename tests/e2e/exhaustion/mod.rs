//! Attacks that use up what the operator has: time, memory, workers, calls. A tenant with rights in one namespace
//! creates as many objects as it can, and a credential in another namespace must be renewed in time all the same.
//!
//! The tests use a few hundred objects. `TEMPCRED_ATTACK_SIZE=10000 cargo test --release --test e2e -- exhaustion
//! --test-threads 1 --nocapture` carries the attacks out at full size, with the promised limits, and prints a row for each.

mod attacks;
mod siege;
