//! The checks, and the finding of a check.

use serde::Serialize;
use tempcred_core::text::one_line;

/// Longest message and longest advice, in characters.
const LONGEST_TEXT: usize = 1200;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nothing to do.
    Ok,
    /// Not checked.
    Skipped,
    /// It works, or may work, but somebody should know.
    Warning,
    /// It does not work.
    Problem,
}

impl Level {
    /// Every level.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Skipped, Self::Warning, Self::Problem];

    /// The name in the output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skipped => "skipped",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// What checks are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// The Kubernetes cluster.
    Cluster,
    /// AWS.
    Aws,
}

impl Group {
    /// The heading in the output.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Cluster => "Cluster",
            Self::Aws => "AWS",
        }
    }
}

macro_rules! checks {
    ($($(#[doc = $doc:literal])* $variant:ident, $group:ident, $name:literal, $title:literal;)*) => {
        /// A check, in the order of the output.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Check {
            $($(#[doc = $doc])* $variant,)*
        }

        impl Check {
            /// Every check.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name in JSON. It does not change: scripts match it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The name for people.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }

            /// What it is about.
            pub const fn group(self) -> Group {
                match self { $(Self::$variant => Group::$group,)* }
            }
        }
    };
}

checks! {
    /// The API server can be reached, and its version is supported.
    ApiServer, Cluster, "api-server", "API server";
    /// The Kubernetes user of the operator.
    User, Cluster, "user", "User";
    /// The CustomResourceDefinitions are served, and those of this binary.
    Crds, Cluster, "crds", "CRDs";
    /// The user has every permission that the operator needs.
    Rbac, Cluster, "rbac", "RBAC";
    /// Features that need additional permissions, and resources that use them.
    Features, Cluster, "features", "Features";
    /// The served namespaces exist.
    Namespaces, Cluster, "namespaces", "Namespaces";
    /// The RoleGrants are valid.
    Grants, Cluster, "grants", "RoleGrants";
    /// A replica leads.
    Leader, Cluster, "leader", "Leader";
    /// The operator's region.
    Region, Aws, "region", "Region";
    /// The STS endpoint.
    Endpoint, Aws, "endpoint", "Endpoint";
    /// Where the AWS SDK finds the operator's credentials.
    Credentials, Aws, "credentials", "Credentials";
    /// STS replies.
    Sts, Aws, "sts", "STS";
    /// The operator's ARN, and what AWS does not allow it.
    Identity, Aws, "identity", "Identity";
    /// The session tags that every assumed role inherits.
    SessionTags, Aws, "session-tags", "Session tags";
    /// The clock, compared with those of STS and of the API server.
    Clock, Aws, "clock", "Clock";
}

/// What a check found. It contains no secret value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The check.
    pub check: Check,
    /// How it ended.
    pub level: Level,
    /// What was found.
    pub message: String,
    /// What to do.
    pub advice: Option<String>,
}

impl Finding {
    fn new(check: Check, level: Level, message: &str, advice: Option<&str>) -> Self {
        // Parts of it may come from the cluster or from AWS.
        let line = |text: &str| one_line(text, LONGEST_TEXT);
        Self { check, level, message: line(message), advice: advice.map(line) }
    }

    /// Nothing to do.
    pub fn ok(check: Check, message: impl AsRef<str>) -> Self {
        Self::new(check, Level::Ok, message.as_ref(), None)
    }

    /// Not checked. The message says why.
    pub fn skipped(check: Check, message: impl AsRef<str>) -> Self {
        Self::new(check, Level::Skipped, message.as_ref(), None)
    }

    /// Works, or may work.
    pub fn warning(check: Check, message: impl AsRef<str>, advice: impl AsRef<str>) -> Self {
        Self::new(check, Level::Warning, message.as_ref(), Some(advice.as_ref()))
    }

    /// Does not work.
    pub fn problem(check: Check, message: impl AsRef<str>, advice: impl AsRef<str>) -> Self {
        Self::new(check, Level::Problem, message.as_ref(), Some(advice.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_docs_have_a_row_for_each_check() {
        let docs = include_str!("../../../docs/commands.md");
        let rows = docs.lines().filter_map(|line| {
            let mut cells = line.strip_prefix("| ")?.split(" | ");
            let (group, check) = (cells.next()?, cells.next()?);
            Some((group, check.strip_prefix('`')?.strip_suffix('`')?))
        });
        let rows: Vec<_> = rows.filter(|(group, _)| ["cluster", "aws"].contains(group)).collect();
        let group = |check: &Check| if check.group() == Group::Aws { "aws" } else { "cluster" };
        let checks: Vec<_> = Check::ALL.iter().map(|check| (group(check), check.name())).collect();
        assert_eq!(rows, checks);
    }

    #[test]
    fn text_from_elsewhere_stays_on_one_line() {
        let finding = Finding::problem(Check::Sts, "a\nb\x1b[31m", "c\nd");
        assert_eq!((&*finding.message, finding.advice.as_deref()), ("a b [31m", Some("c d")));
    }
}
