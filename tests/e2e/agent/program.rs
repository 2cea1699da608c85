//! `tempcred agent` is a small program of its own, if that is beside `tempcred`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use super::{Agent, clean, unique};
use crate::world::{binary, rig};

/// Command lines that end by themselves.
const LINES: [&[&str]; 5] = [
    &["--help"],
    &["-h"],
    &[],
    &["--file=/none", "--listen=0.0.0.0:9911"],
    &["--check=http://127.0.0.1:1/readyz"],
];

/// `tempcred` in a folder of its own, so that the small program is not beside it.
fn alone() -> PathBuf {
    let folder = rig().dir().join(format!("alone-{}", unique()));
    fs::create_dir(&folder).unwrap();
    let program = folder.join("tempcred");
    fs::hard_link(env!("CARGO_BIN_EXE_tempcred"), &program)
        .or_else(|_| fs::copy(env!("CARGO_BIN_EXE_tempcred"), &program).map(|_| ()))
        .unwrap();
    program
}

fn run(program: &Path, args: &[&str]) -> Output {
    // A backtrace shows the program.
    clean(program).env_remove("RUST_BACKTRACE").arg("agent").args(args).output().unwrap()
}

#[test]
fn both_programs_say_the_same() {
    let (both, small) = (alone(), Path::new(env!("CARGO_BIN_EXE_tempcred-agent")));
    for line in LINES {
        let (expected, said) = (run(&both, line), run(small, line));
        assert_eq!(said.status.code(), expected.status.code(), "{line:?}");
        let text = |bytes: &[u8]| {
            String::from_utf8(bytes.to_vec())
                .unwrap()
                .replace("tempcred-agent agent", "tempcred agent")
        };
        assert_eq!(text(&said.stdout), text(&expected.stdout), "{line:?}");
        assert_eq!(text(&said.stderr), text(&expected.stderr), "{line:?}");
        assert!(!said.stdout.is_empty() || !said.stderr.is_empty(), "{line:?}");
    }
}

#[tokio::test]
async fn the_small_program_replaces_the_large_one_if_it_is_there() {
    let mount = super::mount("reports").await;
    let file = format!("--file={}", mount.path("credentials.json"));
    for (program, expected) in [(binary(), "tempcred-agent"), (alone(), "tempcred")] {
        let agent = Agent::of(&program, std::slice::from_ref(&file)).await;
        let running = fs::read_link(format!("/proc/{}/exe", agent.process.pid())).unwrap();
        assert_eq!(running.file_name().unwrap(), expected);
        assert_eq!(agent.get("/livez").await.status, 200);
    }
}
