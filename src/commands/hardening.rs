//! What keeps the memory of this process out of files.

use std::io;

use rustix::process::{Resource, Rlimit, setrlimit};

/// Turns core dumps off: a crash must not write secrets to a disk, or to whatever collects crashes.
///
/// Done twice, as neither is enough: a collector that the kernel pipes cores to may ignore the limit, and
/// on other systems than Linux only the limit exists. On Linux it also keeps other processes of the same
/// user from reading this one's memory.
///
/// # Errors
/// If the system refuses; whatever else could be done was done.
pub fn no_core_dumps() -> io::Result<()> {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let limited = setrlimit(Resource::Core, none);
    let private = not_dumpable();
    Ok(limited.and(private)?)
}

#[cfg(target_os = "linux")]
fn not_dumpable() -> rustix::io::Result<()> {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
}

#[cfg(not(target_os = "linux"))]
fn not_dumpable() -> rustix::io::Result<()> {
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use rustix::process::{DumpableBehavior, dumpable_behavior, getrlimit};

    #[test]
    fn there_is_neither_room_nor_leave_for_a_core() {
        // This process is the test's own, and wants no cores either.
        no_core_dumps().unwrap();
        assert_eq!(getrlimit(Resource::Core), Rlimit { current: Some(0), maximum: Some(0) });
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    }
}
