//! The table: one line for each resource.

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;
use tempcred_core::status::ConditionType;
use tempcred_core::text::one_line;

use crate::commands::terminal::age::{distance, until};
use crate::commands::terminal::kube::{Credential, secret_name};
use crate::commands::terminal::table::{Cell, lines};

/// Longest message of a row where there is no terminal, in characters.
const LONGEST_MESSAGE: usize = 2000;

/// Style of a resource that is ready.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Style of a resource that is not ready.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// Style of a resource that a person should look at.
pub const WARNING: Style = AnsiColor::Yellow.on_default();
/// Style of headings.
pub const HEADING: Style = Style::new().bold();

/// The optional columns.
#[derive(Clone, Copy, Debug)]
pub struct Columns {
    /// The namespace.
    pub namespace: bool,
    /// The principal and the age.
    pub wide: bool,
}

/// What the table shows of a resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    namespace: String,
    name: String,
    ready: String,
    reason: String,
    secret: String,
    expires: Option<Timestamp>,
    renews: Option<Timestamp>,
    created: Option<Timestamp>,
    principal: String,
    message: String,
}

impl Row {
    /// The row of a resource.
    pub fn of(credential: &Credential) -> Self {
        let metadata = &credential.metadata;
        let status = credential.status.clone().unwrap_or_default();
        let named = |type_: ConditionType| {
            status.conditions.iter().find(move |condition| condition.type_ == type_.as_str())
        };
        let ready = named(ConditionType::Ready);
        // A failing renewal does not end Ready while the credentials are valid, but needs attention.
        let failing = named(ConditionType::RenewalFailing).filter(|c| c.status == "True");
        let shown = match (failing, ready) {
            (Some(failing), Some(ready)) if ready.status == "True" => Some(failing),
            (_, ready) => ready,
        };
        let is_quiet = shown.is_none_or(|c| c.type_ == "Ready" && c.status == "True");
        let is_suspended = ready.is_some_and(|c| c.reason == "Suspended");
        let message = shown.filter(|_| !is_quiet || is_suspended).map(|c| c.message.as_str());
        Self {
            namespace: metadata.namespace.clone().unwrap_or_default(),
            name: metadata.name.clone().unwrap_or_default(),
            ready: ready.map_or_else(|| "Unknown".to_owned(), |c| c.status.clone()),
            reason: shown.map_or_else(String::new, |c| c.reason.clone()),
            secret: secret_name(credential).to_owned(),
            expires: status.expiration.map(|at| at.0),
            renews: status.renewal_time.map(|at| at.0).filter(|_| !is_suspended),
            created: metadata.creation_timestamp.as_ref().map(|at| at.0),
            principal: status.principal_arn.unwrap_or_default(),
            message: one_line(message.unwrap_or_default(), LONGEST_MESSAGE),
        }
    }

    /// Whether the Secret contains valid credentials.
    pub fn is_ready(&self) -> bool {
        self.ready == "True"
    }

    /// The row of a resource that was deleted.
    pub fn deleted(self) -> Self {
        Self {
            ready: "-".to_owned(),
            reason: "Deleted".to_owned(),
            expires: None,
            renews: None,
            message: String::new(),
            ..self
        }
    }

    /// The order of attention: 0 is first.
    pub fn urgency(&self) -> u8 {
        match self.ready.as_str() {
            "False" => 0,
            "True" if self.reason == "Issued" => 2,
            _ => 1,
        }
    }

    fn style(&self) -> Style {
        match self.urgency() {
            0 => BAD,
            1 => WARNING,
            _ => GOOD,
        }
    }

    fn cells(&self, columns: Columns, now: Timestamp) -> Vec<Cell> {
        let in_time = |at: Option<Timestamp>, past: &str| {
            at.map_or_else(|| "-".to_owned(), |at| until(at, now, past))
        };
        let mut cells: Vec<Cell> = Vec::new();
        if columns.namespace {
            cells.push(self.namespace.as_str().into());
        }
        cells.push(self.name.as_str().into());
        cells.push(Cell::styled(&self.ready, self.style()));
        cells.push(self.reason.as_str().into());
        cells.push(self.secret.as_str().into());
        cells.push(in_time(self.expires, "expired").into());
        cells.push(in_time(self.renews, "due").into());
        if columns.wide {
            cells.push(self.created.map_or_else(String::new, |at| distance(at, now)).into());
            cells.push(self.principal.as_str().into());
        }
        cells.push(self.message.as_str().into());
        cells
    }
}

fn heading(columns: Columns) -> Vec<Cell> {
    let namespace = ["NAMESPACE"].into_iter().filter(|_| columns.namespace);
    let always = ["NAME", "READY", "REASON", "SECRET", "EXPIRES IN", "RENEWS IN"];
    let wide = ["AGE", "PRINCIPAL"].into_iter().filter(|_| columns.wide);
    let names = namespace.chain(always).chain(wide).chain(["MESSAGE"]);
    names.map(|name| Cell::styled(name, HEADING)).collect()
}

/// The table, with colours. A line fits into `width` characters, if the terminal is not very narrow.
pub fn table(rows: &[&Row], columns: Columns, now: Timestamp, width: Option<usize>) -> String {
    let cells = rows.iter().map(|row| row.cells(columns, now));
    let cells: Vec<_> = std::iter::once(heading(columns)).chain(cells).collect();
    lines(&cells, width).iter().map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const NOW: &str = "2026-01-01T12:00:00Z";

    fn row(name: &str, suspend: bool, status: Value) -> Row {
        let object = json!({
            "apiVersion": "tempcred.dev/v1alpha1", "kind": "TemporaryCredential",
            "metadata": {"name": name, "namespace": "analytics", "creationTimestamp": "2025-12-30T12:00:00Z"},
            "spec": {"suspend": suspend, "secret": {}, "assumeRole": {"roleArn": "arn"}},
            "status": status,
        });
        Row::of(&serde_json::from_value(object).unwrap())
    }

    fn condition(type_: &str, status: &str, reason: &str, message: &str) -> Value {
        json!({"type": type_, "status": status, "reason": reason, "message": message, "lastTransitionTime": NOW})
    }

    fn rows() -> Vec<Row> {
        let times = |status: Value| {
            let mut all = json!({
                "expiration": "2026-01-01T12:42:00Z", "renewalTime": "2026-01-01T12:21:30Z",
                "principalArn": "arn:aws:sts::123456789012:assumed-role/reports/session",
            });
            all["conditions"] = status;
            all
        };
        let denied = "AssumeRole for arn:aws:iam::123456789012:role/x failed: STS returned AccessDenied. Check that the role exists.";
        vec![
            row("reports", false, times(json!([condition("Ready", "True", "Issued", "held")]))),
            row(
                "failing",
                false,
                times(json!([
                    condition("Ready", "True", "Issued", "held"),
                    condition("RenewalFailing", "True", "AccessDenied", denied),
                ])),
            ),
            row(
                "paused",
                true,
                times(json!([condition("Ready", "True", "Suspended", "not renewed")])),
            ),
            row(
                "refused",
                false,
                json!({"conditions": [condition("Ready", "False", "AccessDenied", denied)]}),
            ),
            row(
                "new",
                false,
                json!({"conditions": [condition("Ready", "Unknown", "Pending", "Waiting")]}),
            ),
        ]
    }

    fn plain(columns: Columns, width: Option<usize>) -> String {
        let rows = rows();
        let rows: Vec<_> = rows.iter().collect();
        let text = table(&rows, columns, NOW.parse().unwrap(), width);
        anstream::adapter::strip_str(&text).to_string()
    }

    #[test]
    fn the_table_shows_times_and_why_not() {
        insta::assert_snapshot!(plain(Columns { namespace: false, wide: false }, Some(120)));
    }

    #[test]
    fn the_wide_table_of_all_namespaces_shows_everything() {
        insta::assert_snapshot!(plain(Columns { namespace: true, wide: true }, None));
    }

    #[test]
    fn only_an_unexpired_credential_is_ready() {
        let ready: Vec<_> = rows().iter().map(Row::is_ready).collect();
        assert_eq!(ready, [true, true, true, false, false]);
    }
}
