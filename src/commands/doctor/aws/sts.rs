//! Judges a call to STS: whether STS replies, and what prevents it.

use std::time::Duration;

use tempcred_core::problem::Reason;

use crate::aws::{CallerCall, CallerFailure, Exchange, Obstacle};
use crate::commands::doctor::advice::split;
use crate::commands::doctor::check::{Check, Finding};

/// A call that takes longer delays every issue.
const SLOW: Duration = Duration::from_secs(2);

/// Judges a call of GetCallerIdentity. Without an identity, STS rejects it.
pub fn judge(call: &CallerCall, has_identity: bool) -> Finding {
    let check = Check::Sts;
    let took = format!("{} ms", call.duration.as_millis());
    match &call.result {
        Ok(_) if call.duration > SLOW => Finding::warning(
            check,
            format!("STS replied, but only after {took}."),
            "Check the network path to STS: proxies, DNS, and whether the endpoint is in another region.",
        ),
        Ok(_) => Finding::ok(check, format!("Replied in {took}, the connection included.")),
        Err(CallerFailure { problem, obstacle: None })
            if !has_identity && problem.reason == Reason::IdentityRefused =>
        {
            Finding::ok(
                check,
                format!("Replied in {took}. Without an identity, it accepts no signed call."),
            )
        }
        Err(CallerFailure { problem, obstacle: None }) => {
            let (message, advice) = split(problem);
            Finding::problem(check, message, advice)
        }
        Err(CallerFailure { obstacle: Some(obstacle), .. }) => {
            let (what, advice) = unreachable(obstacle);
            Finding::problem(check, format!("{} {what}.", host(&call.exchange)), advice)
        }
    }
}

fn host(exchange: &Exchange) -> &str {
    exchange.endpoint.as_deref().unwrap_or("STS")
}

/// What prevents a reply, as the end of a sentence, and what to do.
fn unreachable(obstacle: &Obstacle) -> (String, &'static str) {
    let egress = "Allow HTTPS from the operator to this host: network policies (chart value networkPolicy), security groups, routes, and a proxy in HTTPS_PROXY. Without access to the internet, create a VPC endpoint for STS.";
    match obstacle {
        Obstacle::Name => (
            "cannot be reached: the name of the host does not resolve".to_owned(),
            "Check the region and the URL of the endpoint, and the DNS of the Pod (network policies must allow it). Without access to the internet, create a VPC endpoint for STS with private DNS, or set --sts-endpoint (chart value settings.stsEndpoint).",
        ),
        Obstacle::Refused => (
            "cannot be reached: the host refuses the connection".to_owned(),
            "Check host and port of the endpoint, and that it runs.",
        ),
        Obstacle::NoRoute => {
            ("cannot be reached: there is no route to the host".to_owned(), egress)
        }
        Obstacle::Timeout => ("did not reply in time".to_owned(), egress),
        Obstacle::Certificate(why) => (
            format!("cannot be trusted: its certificate was rejected ({why})"),
            "Check the name in the URL of the endpoint. If a proxy inspects TLS, or the endpoint has a CA of its own, mount the certificate of the CA and set SSL_CERT_FILE.",
        ),
        Obstacle::Tls(why) => (
            format!("cannot be reached: the TLS handshake failed ({why})"),
            "Check that the endpoint speaks TLS on this port, and proxies between the operator and STS.",
        ),
        Obstacle::Broken => (
            "cannot be reached: the connection broke before a reply".to_owned(),
            "Check proxies and firewalls between the operator and STS, and that the endpoint speaks the protocol in its URL.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::Caller;
    use crate::commands::doctor::check::Level;
    use tempcred_core::problem::Problem;

    fn call(seconds: u64, result: Result<Caller, CallerFailure>) -> CallerCall {
        let endpoint = Some("https://sts.example.com".to_owned());
        let exchange = Exchange { endpoint, reply: None };
        CallerCall { exchange, duration: Duration::from_secs(seconds), result }
    }

    fn failure(reason: Reason, obstacle: Option<Obstacle>) -> Result<Caller, CallerFailure> {
        let problem = Problem::of_call(reason, "GetCallerIdentity", "the operator", "why");
        Err(CallerFailure { problem, obstacle })
    }

    #[test]
    fn every_obstacle_is_told_apart() {
        let fine = || Ok(Caller { arn: "arn".to_owned() });
        let down = |obstacle| failure(Reason::StsUnavailable, Some(obstacle));
        for (row, call, has_identity, level, part) in [
            ("a reply", call(1, fine()), true, Level::Ok, "1000 ms"),
            ("a slow reply", call(3, fine()), true, Level::Warning, "3000 ms"),
            (
                "no identity",
                call(0, failure(Reason::IdentityRefused, None)),
                false,
                Level::Ok,
                "Without an identity",
            ),
            (
                "a refused identity",
                call(0, failure(Reason::IdentityRefused, None)),
                true,
                Level::Problem,
                "failed: why",
            ),
            (
                "an unknown reply",
                call(0, failure(Reason::Refused, None)),
                false,
                Level::Problem,
                "failed: why",
            ),
            ("no name", call(0, down(Obstacle::Name)), true, Level::Problem, "does not resolve"),
            (
                "refused",
                call(0, down(Obstacle::Refused)),
                true,
                Level::Problem,
                "refuses the connection",
            ),
            ("no route", call(0, down(Obstacle::NoRoute)), true, Level::Problem, "no route"),
            (
                "a timeout",
                call(10, down(Obstacle::Timeout)),
                false,
                Level::Problem,
                "https://sts.example.com did not reply in time.",
            ),
            (
                "a certificate",
                call(0, down(Obstacle::Certificate("x".to_owned()))),
                true,
                Level::Problem,
                "certificate was rejected (x)",
            ),
            (
                "TLS",
                call(0, down(Obstacle::Tls("x".to_owned()))),
                true,
                Level::Problem,
                "handshake failed (x)",
            ),
            ("broken", call(0, down(Obstacle::Broken)), true, Level::Problem, "broke before"),
        ] {
            let finding = judge(&call, has_identity);
            assert_eq!(finding.level, level, "{row}: {finding:?}");
            assert!(finding.message.contains(part), "{row}: {finding:?}");
            assert_eq!(finding.advice.is_some(), level != Level::Ok, "{row}");
        }
    }
}
