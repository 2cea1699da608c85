//! Counts the machine instructions of another process by single-stepping it. No profiler and no performance counter of
//! the processor is needed.

use std::process::{Command, Stdio};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// The implementations of functions such as `memcpy` that glibc chooses on every processor of this architecture.
const SAME_EVERYWHERE: &str = "glibc.cpu.hwcaps=-AVX,-AVX2,-AVX512F,-AVX512VL,-AVX512BW,-ERMS,-FSRM,-BMI2,-SSSE3,-SSE4_1,-SSE4_2";

/// Lets the parent of this process trace this thread.
pub fn allow() {
    ptrace::traceme().expect("a process must be allowed to be traced by its parent (ptrace)");
}

/// Limits this thread, and the processes that it starts, to one processor. The two processes take turns at each
/// instruction, and to wake another processor takes many times as long as a step.
pub fn stay_on_one_processor() {
    let this = Pid::from_raw(0);
    let allowed = sched_getaffinity(this).expect("the processors of this thread");
    let is_allowed = |processor: &usize| allowed.is_set(*processor) == Ok(true);
    let processor = (0..CpuSet::count()).rfind(is_allowed).expect("it runs on one");
    let mut only = CpuSet::new();
    only.set(processor).expect("a processor of this machine");
    sched_setaffinity(this, &only).expect("a thread may choose its processor");
}

/// Runs a command that calls [`allow`], and stops itself (SIGSTOP) at the beginning and at the end of each part to count.
/// Returns the number of instructions of each part.
#[expect(clippy::zombie_processes, reason = "waitpid waits for any child")]
pub fn instructions(command: &mut Command) -> Vec<u64> {
    let command = command.env("GLIBC_TUNABLES", SAME_EVERYWHERE).stdout(Stdio::null());
    let child = command.spawn().expect("this program starts itself");
    let process = Pid::from_raw(child.id().cast_signed());
    let (mut counts, mut current) = (Vec::new(), None);
    loop {
        // The thread that is traced need not be the first one of the process.
        let any = Pid::from_raw(-1);
        let resumed = match waitpid(any, Some(WaitPidFlag::__WALL)).expect("a child to wait for") {
            WaitStatus::Stopped(thread, Signal::SIGSTOP) => match current.take() {
                Some(count) => {
                    counts.push(count);
                    ptrace::cont(thread, None)
                }
                None => {
                    ptrace::setoptions(thread, ptrace::Options::PTRACE_O_EXITKILL)
                        .expect("a traced process accepts options");
                    current = Some(0);
                    ptrace::step(thread, None)
                }
            },
            WaitStatus::Stopped(thread, Signal::SIGTRAP) => {
                current = current.map(|count: u64| count + 1);
                ptrace::step(thread, None)
            }
            WaitStatus::Stopped(thread, other) => ptrace::cont(thread, other),
            WaitStatus::Exited(pid, 0) if pid == process => return counts,
            // The traced thread ends before its process.
            WaitStatus::Exited(_, 0) => continue,
            other => panic!("the traced process ended early: {other:?}"),
        };
        resumed.expect("a stopped process can be resumed");
    }
}
