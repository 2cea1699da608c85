//! `tempcred doctor`: checks what the operator needs in the cluster and at AWS, and says what to change.
//!
//! Requests and decisions are separate: `gather` makes all requests, and `judge` decides from the replies. Checks that do
//! not depend on each other go on when others fail, and each request has a timeout.

mod advice;
mod args;
mod aws;
mod check;
mod clock;
mod cluster;
mod grant;
mod list;
mod report;

use std::process::ExitCode;

use jiff::Timestamp;

pub use args::Doctor;

use self::args::Format;
use self::report::Report;
use super::hardening;
use super::terminal::output::{FAILED, ended, print, width};
use crate::telemetry::version;

/// Makes all checks, and prints the report.
pub async fn doctor(args: Doctor) -> ExitCode {
    // The process holds the credentials of the operator. If it fails, the checks are not less useful.
    let _ = hardening::no_core_dumps();
    ended(examine(args.normalized()).await, FAILED)
}

async fn examine(args: Doctor) -> anyhow::Result<ExitCode> {
    let (cluster, aws) = futures::future::join(cluster::gather(&args), aws::gather(&args)).await;
    let now = Timestamp::now();
    let mut findings = cluster::judge(&cluster, aws.region(), now);
    findings.extend(aws::judge(&args, &aws, cluster.grants(), now));
    findings.push(clock::judge(aws.clock(), cluster.clock()));
    let report = Report::new(findings);
    print(&match args.output {
        Some(Format::Json) => {
            format!("{}\n", serde_json::to_string_pretty(&report.json(version::with_commit()))?)
        }
        None => format!("tempcred {}\n\n{}", version::with_commit(), report.text(width())),
    })?;
    Ok(if report.has_problems() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
