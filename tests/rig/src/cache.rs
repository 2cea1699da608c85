//! Things that take long to make, made once.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::janitor::Janitor;
use crate::progress::Progress;
use crate::random;
use crate::workspace;

/// Written last: a folder without it was left half made and is made anew.
const COMPLETE: &str = ".complete";

/// The folder `cache/<name>-<hash of inputs>`, made by `make` unless it is there.
///
/// A file lock keeps two rigs from making it twice. The system releases it when its
/// holder dies, and the janitor that `make` gets ends what it started.
/// The folder is not renamed into place, because a virtual environment does not
/// survive that.
pub(crate) fn made_once(
    name: &str,
    inputs: &[&str],
    make: impl FnOnce(&Path, &Janitor) -> Result<()>,
) -> Result<PathBuf> {
    let cache = workspace::root().join("cache");
    fs::create_dir_all(&cache).with_context(|| format!("cannot create {}", cache.display()))?;
    let hash = random::to_hex(&random::sha256(inputs.join("\0").as_bytes()));
    let dir = cache.join(format!("{name}-{}", &hash[..16]));
    if dir.join(COMPLETE).exists() {
        return Ok(dir);
    }
    let lock_path = cache.join(format!("{name}.lock"));
    let lock = File::create(&lock_path)
        .with_context(|| format!("cannot create {}", lock_path.display()))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let _waiting = Progress::start(&format!("waiting for another rig that makes {name}"));
            lock.lock()?;
        }
        Err(TryLockError::Error(error)) => return Err(error).context("cannot lock the cache"),
    }
    // Another rig may have made it while this one waited.
    if dir.join(COMPLETE).exists() {
        return Ok(dir);
    }
    if dir.exists() {
        fs::remove_dir_all(&dir)?;
    }
    fs::create_dir_all(&dir)?;
    let janitor = Janitor::start(&workspace::new_run()?, false)?;
    make(&dir, &janitor).with_context(|| format!("cannot make {name} in {}", dir.display()))?;
    File::create(dir.join(COMPLETE))?;
    Ok(dir)
}
