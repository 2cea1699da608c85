//! What a process uses, from `/proc`.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// Clock ticks per second in `/proc`, a constant of Linux on all current architectures.
const TICKS: u64 = 100;

/// Peak resident memory, in bytes.
pub fn peak_memory(pid: u32) -> Result<f64> {
    Ok(rig::memory(pid, "VmHWM")? as f64)
}

/// Current resident memory, in bytes.
pub fn resident_memory(pid: u32) -> Result<f64> {
    Ok(rig::memory(pid, "VmRSS")? as f64)
}

/// CPU time so far, in user mode and in the kernel.
pub fn cpu(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name of the program, in parentheses, may contain spaces.
    let (_, fields) = stat.rsplit_once(") ").context("/proc/PID/stat is malformed")?;
    let fields: Vec<_> = fields.split(' ').collect();
    let ticks = |index: usize| -> Result<u64> {
        Ok(fields.get(index).context("/proc/PID/stat is too short")?.parse()?)
    };
    // Fields 14 and 15 of the line: utime and stime.
    Ok(Duration::from_millis((ticks(11)? + ticks(12)?) * 1000 / TICKS))
}
