//! Keeps the memory of this process out of files.

use std::io;

use rustix::process::{Resource, Rlimit, setrlimit};

/// Disables core dumps: a crash must not write secret values to a disk or to a crash collector.
///
/// The function sets the resource limit for core dumps to zero and, on Linux, marks the process as not dumpable. Both
/// are needed: a collector that the kernel pipes core dumps to may ignore the limit, and other systems have only the
/// limit. A process that is not dumpable also cannot be read by other processes of the same user.
///
/// # Errors
/// If one of the system calls fails. The other one is made nevertheless.
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
    fn core_dumps_are_disabled_twice() {
        // Also disables core dumps of the test process, which is harmless.
        no_core_dumps().unwrap();
        assert_eq!(getrlimit(Resource::Core), Rlimit { current: Some(0), maximum: Some(0) });
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    }
}
