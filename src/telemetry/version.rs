//! The version of this build.

use std::sync::LazyLock;

/// The version, as in `Cargo.toml`.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The abbreviated commit of the build, from the environment variable `TEMPCRED_COMMIT` at build time. `unknown` if the
/// variable is not set; releases set it.
pub const COMMIT: &str = match option_env!("TEMPCRED_COMMIT") {
    Some(commit) if !commit.is_empty() => commit,
    Some(_) | None => UNKNOWN,
};

/// The commit of a build without `TEMPCRED_COMMIT`.
const UNKNOWN: &str = "unknown";

/// The text that `tempcred --version` prints after the name: `0.1.0 (abc1234)`, or only the version if the commit is
/// unknown.
pub fn with_commit() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| match COMMIT {
        UNKNOWN => VERSION.to_owned(),
        commit => format!("{VERSION} ({commit})"),
    });
    &TEXT
}
