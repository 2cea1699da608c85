//! Builds a tool of the rig, unless that has been done, and prints where it is:
//!
//! ```text
//! $(cargo run --quiet -p rig --example tool -- helm) version
//! ```

use anyhow::{Context, Result};
use rig::Tool;

fn main() -> Result<()> {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    let tool = Tool::ALL.into_iter().find(|tool| tool.name() == wanted).with_context(|| {
        let names = Tool::ALL.map(Tool::name).join(", ");
        format!("there is no tool called {wanted:?}, but: {names}")
    })?;
    println!("{}", tool.ready()?.display());
    Ok(())
}
