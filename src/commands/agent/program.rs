//! The agent as a program of its own, which contains no other command.
//!
//! The agent runs in as many Pods as there are. Of the program with all commands, the kernel maps about 10 MB into each:
//! for each page that a process needs, it also maps the neighbours that are cached.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// The name of the program. It is beside `tempcred` in the image, and takes the same arguments.
const NAME: &str = "tempcred-agent";

/// Replaces this process by the small program if its command is `agent` and the small program is beside it. Returns
/// otherwise: then this program is the agent, with more memory.
pub fn become_small_agent() {
    let mut words = std::env::args_os();
    let (Some(program), Some(command)) = (words.next(), words.next()) else { return };
    if command != "agent" {
        return;
    }
    // Fails without /proc.
    let Ok(own) = std::env::current_exe() else { return };
    let small = own.with_file_name(NAME);
    // Even a failed exec resets the handling of signals, so it is not simply tried.
    if small.is_file() {
        let _ = Command::new(small).arg0(program).arg(command).args(words).exec();
    }
}
