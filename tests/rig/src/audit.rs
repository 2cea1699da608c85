//! The API server's audit log: the requests of each user.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::PathBuf;

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde::Deserialize;

/// The log of all requests but those of the control plane itself.
///
/// The API server writes a line when it has answered, so the line can be there a
/// moment after the answer. Wait for a request that must come; for one that must not
/// come, check after a later one has come.
#[derive(Clone)]
pub struct Audit {
    log: PathBuf,
    from: u64,
}

/// A request that the API server has answered, or a watch that it has begun.
#[derive(Clone, Debug)]
pub struct Request {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, …
    pub verb: String,
    /// Such as `secrets`; empty for a path that is no resource.
    pub resource: String,
    /// Such as `status`, or empty.
    pub subresource: String,
    /// Empty for what has none.
    pub namespace: String,
    /// Empty for lists, and for a create with a generated name.
    pub name: String,
    /// The path and query.
    pub uri: String,
    /// The HTTP status.
    pub code: u16,
    /// The user agent.
    pub user_agent: String,
    /// When it arrived.
    pub at: Timestamp,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    stage: String,
    verb: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    user: LineUser,
    #[serde(default)]
    user_agent: String,
    #[serde(default)]
    object_ref: LineObject,
    #[serde(default)]
    response_status: LineStatus,
    request_received_timestamp: Timestamp,
}

#[derive(Deserialize)]
struct LineUser {
    username: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct LineObject {
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Deserialize, Default)]
struct LineStatus {
    #[serde(default)]
    code: u16,
}

impl Audit {
    pub(crate) fn new(log: PathBuf) -> Self {
        Self { log, from: 0 }
    }

    /// The same log, but only what comes from now on.
    pub fn from_now(&self) -> Result<Self> {
        let from = self.log.metadata().map_or(0, |meta| meta.len());
        Ok(Self { log: self.log.clone(), from })
    }

    /// The requests of a user, in the order of their answers; of one namespace if
    /// given. Each counts once: a watch when it begins, all else when it ends.
    pub fn requests(&self, user: &str, namespace: Option<&str>) -> Result<Vec<Request>> {
        let mut file = File::open(&self.log).with_context(|| self.log.display().to_string())?;
        file.seek(SeekFrom::Start(self.from))?;
        // Parsing is slow, and most lines are about other users.
        let user_mark = format!("\"username\":{}", serde_json::to_string(user)?);
        let namespace_mark = match namespace {
            Some(name) => Some(format!("\"namespace\":{}", serde_json::to_string(name)?)),
            None => None,
        };
        let mut found = Vec::new();
        let mut reader = BufReader::with_capacity(1 << 16, file);
        let mut line = String::new();
        loop {
            line.clear();
            // Without its end, a line is still being written.
            if reader.read_line(&mut line)? == 0 || !line.ends_with('\n') {
                return Ok(found);
            }
            if !line.contains(&user_mark)
                || namespace_mark.as_ref().is_some_and(|mark| !line.contains(mark))
            {
                continue;
            }
            let parsed: Line = serde_json::from_str(&line)
                .with_context(|| format!("not an audit event: {line}"))?;
            // The marks may stand anywhere in the line.
            if parsed.user.username == user
                && namespace.is_none_or(|name| parsed.object_ref.namespace == name)
                && counts(&parsed)
            {
                found.push(parsed.into());
            }
        }
    }
}

/// A watch has two lines, at its begin and at its end.
fn counts(line: &Line) -> bool {
    line.stage == if line.verb == "watch" { "ResponseStarted" } else { "ResponseComplete" }
}

impl From<Line> for Request {
    fn from(line: Line) -> Self {
        let LineObject { resource, subresource, namespace, name } = line.object_ref;
        Self {
            verb: line.verb,
            resource,
            subresource,
            namespace,
            name,
            uri: line.request_uri,
            code: line.response_status.code,
            user_agent: line.user_agent,
            at: line.request_received_timestamp,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::workspace;

    fn line(stage: &str, verb: &str, user: &str, namespace: &str) -> String {
        format!(
            r#"{{"stage":"{stage}","requestURI":"/x","verb":"{verb}","user":{{"username":"{user}"}},"userAgent":"tempcred","objectRef":{{"resource":"secrets","namespace":"{namespace}","name":"a"}},"responseStatus":{{"code":200}},"requestReceivedTimestamp":"2026-01-01T00:00:00.123456Z"}}"#
        ) + "\n"
    }

    #[test]
    fn counts_each_request_of_the_user_once_and_ignores_incomplete_lines() -> Result<()> {
        let dir = workspace::new_run()?;
        let log = dir.join("audit.log");
        let half = line("ResponseComplete", "get", "tempcred", "team");
        let lines = [
            line("ResponseStarted", "watch", "tempcred", "team"),
            line("ResponseComplete", "watch", "tempcred", "team"),
            line("ResponseComplete", "create", "tempcred", "team"),
            line("ResponseComplete", "patch", "tempcred", "other"),
            line("ResponseComplete", "delete", "tenant", "team"),
            half[..half.len() / 2].to_owned(),
        ];
        fs::write(&log, lines.concat())?;
        let audit = Audit::new(log);
        let verbs = |namespace| -> Result<Vec<String>> {
            let all = audit.requests("tempcred", namespace)?;
            Ok(all.into_iter().map(|request| request.verb).collect())
        };
        assert_eq!(verbs(Some("team"))?, ["watch", "create"]);
        assert_eq!(verbs(None)?, ["watch", "create", "patch"]);
        let first = &audit.requests("tenant", None)?[0];
        assert_eq!((first.code, first.name.as_str()), (200, "a"));
        assert_eq!(first.at.to_string(), "2026-01-01T00:00:00.123456Z");
        Ok(fs::remove_dir_all(dir)?)
    }
}
