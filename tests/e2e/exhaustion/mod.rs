//! Attacks that use up what the operator has: time, memory, workers, calls. A tenant with rights in one namespace
//! creates as many objects as it can, and a credential in another namespace must be renewed in time all the same.
//!
//! The tests use a few hundred objects. With `TEMPCRED_ATTACK_SIZE=10000`, the attacks have their full size and the promised
//! limits, and each prints a row. CONTRIBUTING.md has the command.

mod attacks;
mod siege;
