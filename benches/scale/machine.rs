//! The machine and the commit that the results belong to.

use std::fs;
use std::process::Command;

use anyhow::Result;
use jiff::Timestamp;
use serde::Serialize;

/// A description for the results. It names no host.
#[derive(Serialize, Debug)]
pub struct Machine {
    /// Number of CPUs that this process may use.
    pub cpus: usize,
    /// Model of the CPU.
    pub cpu_model: String,
    /// Memory, in GiB.
    pub memory_gib: u64,
    /// Release of the Linux kernel.
    pub kernel: String,
    /// Day of the measurement, in UTC.
    pub date: String,
    /// Commit of the checkout, with `-dirty` if files were changed. `unknown` outside a checkout.
    pub commit: String,
}

impl Machine {
    /// Describes this machine.
    ///
    /// # Errors
    /// If `/proc` cannot be read.
    pub fn describe() -> Result<Self> {
        let field = |file: &str, name: &str| -> Result<String> {
            let text = fs::read_to_string(file)?;
            let value = text.lines().find_map(|line| line.strip_prefix(name));
            Ok(value.unwrap_or("unknown").trim_start_matches([' ', '\t', ':']).to_owned())
        };
        let memory = field("/proc/meminfo", "MemTotal")?;
        let kib: u64 = memory.trim_end_matches(" kB").parse().unwrap_or_default();
        Ok(Self {
            cpus: std::thread::available_parallelism()?.get(),
            cpu_model: field("/proc/cpuinfo", "model name")?,
            memory_gib: kib >> 20,
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            date: Timestamp::now().strftime("%Y-%m-%d").to_string(),
            commit: commit().unwrap_or_else(|| "unknown".to_owned()),
        })
    }
}

fn commit() -> Option<String> {
    let describe = ["describe", "--always", "--abbrev=12", "--exclude=*", "--dirty"];
    let output = Command::new("git")
        .args(describe)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
