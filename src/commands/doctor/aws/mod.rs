//! The checks of AWS: [`gather`] makes the requests, and [`judge`] decides.

mod credentials;
mod environment;
mod identity;
mod region;
mod sts;
mod tags;
mod token;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tempcred_core::problem::{Problem, Reason};
use tokio::time::timeout;

use self::credentials::{CONTAINER_TOKEN_VARIABLE, Origin, TokenFile, WEB_IDENTITY_VARIABLE};
use self::environment::Environment;
use super::args::Doctor;
use super::check::{Check, Finding};
use super::clock::Difference;
use super::grant::GrantFacts;
use crate::aws::{CallerCall, Source, Sts};
use crate::telemetry::metrics::Metrics;

/// Timeout for each of the steps before the call to STS, which has one of its own.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What was found out about AWS.
pub struct Facts {
    environment: Environment,
    region: Option<String>,
    origin: Origin,
    token: Option<TokenFile>,
    call: Option<CallerCall>,
}

impl Facts {
    /// The region of the operator.
    pub fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// The difference to the clock of STS.
    pub fn clock(&self) -> Option<Difference> {
        let reply = self.call.as_ref()?.exchange.reply.as_ref()?;
        Difference::of(reply.date.as_deref()?, reply.received_at)
    }
}

/// Finds the region, fetches the operator's credentials, and calls GetCallerIdentity with them.
pub async fn gather(args: &Doctor) -> Facts {
    let environment = Environment::of_process();
    let token = token_file(&environment);
    let (region, endpoint) = (args.region.clone(), args.sts_endpoint.clone());
    let metrics = Arc::new(Metrics::new(false));
    let load = Sts::load(region, endpoint, args.allowed_regions.iter().cloned(), metrics);
    // Without a region in the environment, the SDK asks the instance metadata service.
    let Ok(sts) = timeout(TIMEOUT, load).await else {
        return Facts { environment, region: None, origin: Err(late()), token, call: None };
    };
    let identity = timeout(TIMEOUT, sts.identity()).await.unwrap_or_else(|_| Err(late()));
    let call = sts.caller(identity.as_ref().ok()).await.ok();
    let origin = identity.map(|identity| (identity.source, identity.is_session));
    let region = sts.regions().own().map(str::to_owned);
    Facts { environment, region, origin, token, call }
}

fn late() -> Problem {
    let reason = Reason::IdentityUnavailable;
    let what = "The operator's AWS identity could not be fetched in time";
    Problem::new(reason, format!("{what}. {}", reason.advice()))
}

/// The token that the SDK exchanges, in its order.
fn token_file(environment: &Environment) -> Option<TokenFile> {
    let (variable, path) = environment.first(&[WEB_IDENTITY_VARIABLE, CONTAINER_TOKEN_VARIABLE])?;
    let claims = token::read(&path);
    Some(TokenFile { variable, path, claims })
}

/// Judges what was found out. `grants` are those of the cluster, if they could be read.
pub fn judge(args: &Doctor, facts: &Facts, grants: &[GrantFacts], now: Timestamp) -> Vec<Finding> {
    let Facts { environment, region, origin, token, call } = facts;
    let region = region.as_deref();
    let mut findings = region::judge(args, region, environment);
    let used = call.as_ref().and_then(|call| call.exchange.endpoint.as_deref());
    let exchanges_token = match origin {
        Ok((source, _)) => *source == Source::WebIdentity,
        Err(_) => environment.get(WEB_IDENTITY_VARIABLE).is_some(),
    };
    findings.extend(region::judge_endpoint(args, region, used, exchanges_token, environment));
    let has_grants = !grants.is_empty();
    findings.extend(credentials::judge(origin, token.as_ref(), has_grants, environment, now));
    match call {
        Some(call) => findings.push(sts::judge(call, origin.is_ok())),
        None => {
            findings.push(Finding::skipped(Check::Sts, "Without a region, STS has no endpoint."))
        }
    }
    let caller = call.as_ref().and_then(|call| call.result.as_ref().ok());
    match (caller, origin, region) {
        (Some(caller), Ok((source, is_session)), Some(region)) => {
            findings.extend(identity::judge(&caller.arn, *source, *is_session, region));
        }
        (_, Ok(_), _) => {
            findings
                .push(Finding::skipped(Check::Identity, "STS did not say who the operator is."));
        }
        (_, Err(_), _) => {
            findings.push(Finding::skipped(Check::Identity, "The operator has no credentials."));
        }
    }
    match origin {
        Ok((source, is_session)) => {
            let claims = token.as_ref().and_then(|token| token.claims.as_ref().ok());
            let inherited = tags::inherited(*source, *is_session, claims);
            findings.extend(tags::judge(&inherited, grants));
        }
        Err(_) => {
            findings.push(Finding::skipped(Check::SessionTags, "The operator has no credentials."));
        }
    }
    findings
}
