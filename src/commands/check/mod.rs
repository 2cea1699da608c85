//! `tempcred check`: validates manifests before they are applied, and shows what changed grants would do.

mod advice;
mod args;
mod cluster;
mod finding;
mod grants;
mod impact;
mod input;
mod limits;
mod metadata;
mod node;
mod object;
mod output;
mod relations;
mod report;
mod rule;
mod scalar;
mod schema;
mod structural;
mod validate;
mod yaml;

use std::process::ExitCode;

use tempcred_core::api::StoredGrant;
use tempcred_core::desired::Desired;

pub use args::Check;
pub use rule::Rule;

use finding::{Finding, Place};
use input::Input;
use report::Report;
use schema::Schemas;
use validate::Validated;

/// Namespace of manifests that set none, if no flag does.
const DEFAULT_NAMESPACE: &str = "default";

/// Exit code if an input cannot be read.
const UNREADABLE: u8 = 2;

/// Checks manifests and prints the report to standard output.
pub async fn check(args: &Check) -> ExitCode {
    let printed = match report(args).await {
        Ok(report) => output::print(args.output, &report).map(|()| report.exit_code()),
        Err(error) => Err(error),
    };
    match printed {
        Ok(code) => code.into(),
        Err(error) => {
            eprintln!("Error: {error:#}");
            UNREADABLE.into()
        }
    }
}

async fn report(args: &Check) -> anyhow::Result<Report> {
    let namespace = args.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE);
    let mut input = Input::default();
    let paths: Vec<_> = args.files.iter().chain(&args.grants).cloned().collect();
    input.read(&paths, namespace);
    let validated = Validated::of(&input.objects, &Schemas::new()?);
    let mut report = offline(args, &input, &validated);
    if args.cluster {
        let context = args.context.as_deref();
        let live = cluster::read(context, args.namespace.as_deref(), args.all_namespaces).await?;
        let changed = validated.grants.iter().map(|grant| &grant.stored);
        compare(cluster_name(args), &live, changed, &mut report);
    }
    report.findings.extend(input.findings);
    report.sort();
    Ok(report)
}

/// The name of the cluster. Empty if it is not known.
fn cluster_name(args: &Check) -> &str {
    args.cluster_name.as_deref().unwrap_or_default()
}

/// The report on files.
fn offline(args: &Check, input: &Input, validated: &Validated<'_>) -> Report {
    let Validated { credentials, grants: granting, .. } = validated;
    let with_grants = !args.grants.is_empty();
    let stored = granting.iter().map(|grant| &grant.stored).filter(|_| with_grants);
    let namespaces = grants::namespaces(&input.objects);
    let compiled = grants::compile(cluster_name(args), stored, &namespaces);
    let (regions, prefixes) = (args.limits.regions(), args.limits.key_prefixes());
    let desired: Vec<_> = credentials
        .iter()
        .filter_map(|credential| {
            let desired = Desired::compile(&credential.resource, &compiled)?;
            Some((credential, desired.in_regions(&regions).limited(&prefixes)))
        })
        .collect();
    let mut findings = validated.findings.clone();
    for (credential, desired) in &desired {
        findings.extend(advice::of_credential(credential, desired));
        if let Err(invalid) = &desired.request {
            findings.push(credential.object.finding(
                Rule::InvalidSpec,
                "/spec",
                &invalid.to_string(),
            ));
        }
    }
    findings.extend(granting.iter().filter_map(advice::of_grant));
    findings.extend(grants::invalid(cluster_name(args), granting, with_grants));
    findings.extend(relations::check(&input.objects, validated));
    let mut verdicts = None;
    if with_grants {
        let (decided, found) = grants::verdicts(&desired);
        findings.extend(found);
        findings.extend(grants::unknown_labels(&input.objects, credentials, granting));
        verdicts = Some(decided);
    }
    Report {
        objects: checked(input),
        others: input.others,
        findings,
        verdicts,
        changes: None,
        is_strict: args.warnings_as_errors,
    }
}

/// The objects that were checked.
fn checked(input: &Input) -> Vec<(String, Place)> {
    use object::Kind::{Credential, Grant, UnknownOfGroup};
    let is_checked =
        |object: &&object::Object| matches!(object.kind, Credential | Grant | UnknownOfGroup);
    let objects = input.objects.iter().filter(is_checked);
    objects.map(|object| (object.title(), object.place(""))).collect()
}

/// Adds what changed grants would do to the resources in a cluster.
fn compare<'a>(
    cluster_name: &str,
    live: &cluster::Live,
    changed: impl Iterator<Item = &'a StoredGrant>,
    report: &mut Report,
) {
    let before = grants::compile(cluster_name, &live.grants, &live.namespaces);
    let mut after = grants::compile(cluster_name, &live.grants, &live.namespaces);
    changed.for_each(|grant| grants::set(&mut after, grant));
    let changes = impact::changes(&live.credentials, &before, &after);
    report.findings.extend(changes.iter().map(impact::Change::finding));
    report.findings.extend(live.undecodable.iter().map(|title| {
        let place = Place { file: "cluster".into(), line: 0 };
        let message = format!("TemporaryCredential {title} cannot be decoded, so it is not compared: use the version of tempcred that the cluster has");
        Finding::new(Rule::Undecodable, place, &message)
    }));
    report.changes = Some(changes);
}
