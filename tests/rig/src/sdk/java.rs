//! The AWS SDK for Java and a compiler, from Maven Central.

use std::env::{join_paths, var_os};
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::runtimes::Runtimes;
use crate::cache;
use crate::janitor::Janitor;
use crate::progress::Progress;
use crate::python::INSTALLED_WITHIN;
use crate::workspace;

/// For a quick start: the programs run for seconds.
const QUICK: [&str; 3] = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto"];

/// The file with the authorities that the client for Maven Central trusts.
const CERTIFICATES: &str = "REQUESTS_CA_BUNDLE";

pub(super) fn command(runtimes: &Runtimes) -> Result<Command> {
    let folder = workspace::sources().join("sdks/java");
    let read = |name: &str| {
        let path = folder.join(name);
        fs::read_to_string(&path).with_context(|| path.display().to_string())
    };
    let inputs = [read("jars.txt")?, read("compiler.txt")?, read("Calls.java")?];
    let inputs: Vec<_> = inputs.iter().map(String::as_str).collect();
    let dir = cache::made_once("sdk-java", &inputs, |dir, janitor| {
        let _progress = Progress::start("installing the AWS SDK for Java (8 MB, about 10 s, once)");
        make(runtimes, &folder, dir, janitor)
    })?;
    let mut command = Command::new(runtimes.java());
    command.args(QUICK).arg("-cp").arg(class_path(&dir)?).arg("Calls");
    Ok(command)
}

fn make(runtimes: &Runtimes, folder: &Path, dir: &Path, janitor: &Janitor) -> Result<()> {
    for list in ["jars", "compiler"] {
        let mut fetch = runtimes.python();
        fetch.arg(folder.join("fetch.py")).arg(folder.join(format!("{list}.txt")));
        fetch.arg(dir.join(list));
        // It does not know the variable that other clients have for this.
        if let (Some(certificates), None) = (var_os("SSL_CERT_FILE"), var_os(CERTIFICATES)) {
            fetch.env(CERTIFICATES, certificates);
        }
        janitor.spawn("maven-artifact", &fetch)?.must_succeed(INSTALLED_WITHIN)?;
    }
    let classes = dir.join("classes");
    fs::create_dir(&classes)?;
    // The runtime has no compiler of its own.
    let mut compiler = Command::new(runtimes.java());
    compiler.args(QUICK).arg("-cp").arg(dir.join("compiler").join("*"));
    compiler.args(["org.eclipse.jdt.internal.compiler.batch.Main", "-17", "-proc:none", "-cp"]);
    compiler.arg(class_path(dir)?).arg("-d").arg(classes).arg(folder.join("Calls.java"));
    janitor.spawn("ecj", &compiler)?.must_succeed(INSTALLED_WITHIN)
}

/// The program and the SDK. Each file is named, because the compiler knows no `*`.
fn class_path(dir: &Path) -> Result<OsString> {
    let jars = fs::read_dir(dir.join("jars"))?.map(|entry| Ok(entry?.path()));
    let jars = jars.collect::<Result<Vec<_>>>()?;
    Ok(join_paths([dir.join("classes")].into_iter().chain(jars))?)
}
