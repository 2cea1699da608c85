//! Which tempcred this is.

use std::sync::LazyLock;

/// The version, as in `Cargo.toml`.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit it was built from, abbreviated. `unknown` where nobody said: a release sets
/// `TEMPCRED_COMMIT` for the build.
pub const COMMIT: &str = match option_env!("TEMPCRED_COMMIT") {
    Some(commit) if !commit.is_empty() => commit,
    Some(_) | None => UNKNOWN,
};

/// The commit of a build that was not told.
const UNKNOWN: &str = "unknown";

/// What `tempcred --version` says after the name: `0.1.0 (abc1234)`, or the version alone where the
/// commit is not known.
pub fn with_commit() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| match COMMIT {
        UNKNOWN => VERSION.to_owned(),
        commit => format!("{VERSION} ({commit})"),
    });
    &TEXT
}
