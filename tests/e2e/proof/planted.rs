//! Planted bugs: each must be found, by the runs without and with faults.
//!
//! They need a build of their own: `cargo test --features planted-bugs --test e2e -- proof::planted`.

use std::collections::BTreeMap;

use futures::StreamExt;
use futures::stream;
use rig::intercept::Fault;
use tempcred::planted::Bug;

use super::faults::{AT_ONCE, KILLS, NOT_HAPPENED, ORDERLY, OTHERS, Reference, Run, judged, runs};
use super::scenarios::Scenario;
use crate::world::heavy;

/// The scenarios in which a bug can show, and the faults that are tried there.
fn tried(bug: Bug) -> (&'static [Scenario], &'static [Fault]) {
    use Scenario as S;
    match bug {
        Bug::RenewsLate => (&[S::Rotation], &KILLS),
        Bug::ForgetsCredentials => (&[S::FirstIssue, S::Rotation], &OTHERS),
        Bug::WritesInParts => (&[S::FirstIssue, S::RenewalRequest], &KILLS),
        Bug::IgnoresOwnership => (&[S::FirstIssue, S::ForeignSecretDuringTheCall], &KILLS),
        Bug::IgnoresDeletedSecrets => (&[S::RestoreAfterDeletion], &KILLS),
        Bug::LogsValues | Bug::NeverIdle | Bug::DropsTags => (&[S::FirstIssue], &KILLS),
        Bug::RetriesAtOnce => (&[S::FailureAndRecovery], &KILLS),
        Bug::IgnoresUrgency => (&[S::Backlog], &ORDERLY),
        Bug::ActsWithoutLease => (&[S::ChangeOfLeader], &KILLS),
        Bug::DiesOfConflicts => (&[S::FirstIssue, S::Rotation], &OTHERS),
        Bug::ForgetsAfterRestart => (&[S::Rotation, S::RenewalRequest], &KILLS),
        Bug::TrustsTheWatch => (&[S::StartOnTheStale], &KILLS),
        Bug::IgnoresRelists => (&[S::UnseenDeletion], &KILLS),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_planted_bug_is_found() {
    let _alone = heavy().await;
    let mut found = BTreeMap::new();
    for bug in Bug::ALL {
        let (scenarios, faults) = tried(bug);
        let (mut all, mut failed) = (0, vec![]);
        for scenario in scenarios {
            // Without the bug: what is right.
            let reference = Reference::of(*scenario, None).await;
            let tried = runs(*scenario, &reference, faults);
            let results = stream::iter(tried).map(|run: Run| {
                let reference = &reference;
                async move { judged(run, reference, Some(bug)).await }
            });
            let results: Vec<_> = results.buffer_unordered(AT_ONCE).collect().await;
            all += results.len();
            // That a bug makes an effect disappear says nothing about an invariant.
            let wrong = results.into_iter().filter_map(Result::err);
            failed.extend(wrong.filter(|why| !why.starts_with(NOT_HAPPENED)));
        }
        println!("{bug:?} | {} of {all} runs | {}", failed.len(), failed.first().map_or("", |s| s));
        found.insert(bug, failed.len());
    }
    let missed: Vec<_> = found.iter().filter(|(_, runs)| **runs == 0).collect();
    assert!(missed.is_empty(), "not found: {missed:?}");
}
