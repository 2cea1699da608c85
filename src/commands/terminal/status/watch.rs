//! `tempcred status --watch`: the table again at each change, or a line for each change.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use kube::Api;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};

use super::row::{Columns, Row, table};
use crate::commands::terminal::kube::{Credential, cannot, pages};
use crate::commands::terminal::output::{is_terminal, print, width};

/// How often the times in the table are drawn again.
const REDRAW: Duration = Duration::from_secs(1);

/// Moves the cursor home and clears the screen.
const CLEAR: &str = "\x1b[H\x1b[2J";

type Key = (Option<String>, Option<String>);

/// Shows the resources, and their changes until the command is interrupted. `name` selects one resource.
///
/// # Errors
/// If the resources cannot be listed at the beginning, or standard output cannot be written.
pub async fn follow(
    api: Api<Credential>,
    name: Option<&str>,
    columns: Columns,
) -> anyhow::Result<ExitCode> {
    // The watcher retries for ever; a wrong context or a missing permission should be reported at once.
    if name.is_none() {
        pages(&api).await?;
    }
    let config = watcher::Config::default();
    let config = match name {
        Some(name) => config.fields(&format!("metadata.name={name}")),
        None => config,
    };
    let mut changes = std::pin::pin!(watcher(api, config).default_backoff());
    let mut shown = Shown::default();
    let mut tick = tokio::time::interval(REDRAW);
    let on_terminal = is_terminal();
    let mut has_heading = false;
    loop {
        let changed = tokio::select! {
            change = changes.next() => match change {
                Some(Ok(event)) => shown.apply(event),
                Some(Err(watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error))) => {
                    eprintln!("{:#}", cannot("watch", &error));
                    continue;
                }
                Some(Err(_)) => continue,
                None => return Ok(ExitCode::SUCCESS),
            },
            _ = tick.tick() => if on_terminal { Vec::new() } else { continue },
        };
        let now = Timestamp::now();
        if on_terminal {
            let rows: Vec<Row> = shown.rows.values().cloned().collect();
            print(&format!("{CLEAR}{}", table(&rows, columns, now, width())))?;
        } else if !changed.is_empty() {
            let text = table(&changed, columns, now, None);
            let begin = if has_heading { text.find('\n').map_or(0, |end| end + 1) } else { 0 };
            has_heading = true;
            print(&text[begin..])?;
        }
    }
}

/// The resources.
#[derive(Default)]
struct Shown {
    rows: BTreeMap<Key, Row>,
    /// What a list has returned so far.
    listed: BTreeMap<Key, Row>,
}

impl Shown {
    /// Applies a change, and returns the rows that are new or different.
    fn apply(&mut self, event: Event<Credential>) -> Vec<Row> {
        match event {
            Event::Apply(object) => {
                let row = Row::of(&object);
                let before = self.rows.insert(key(&object), row.clone());
                if before.as_ref() == Some(&row) { Vec::new() } else { vec![row] }
            }
            Event::Delete(object) => {
                self.rows.remove(&key(&object));
                Vec::new()
            }
            Event::Init => {
                self.listed.clear();
                Vec::new()
            }
            Event::InitApply(object) => {
                self.listed.insert(key(&object), Row::of(&object));
                Vec::new()
            }
            Event::InitDone => {
                let before = std::mem::replace(&mut self.rows, std::mem::take(&mut self.listed));
                let changed = self.rows.iter().filter(|(key, row)| before.get(*key) != Some(*row));
                changed.map(|(_, row)| row.clone()).collect()
            }
        }
    }
}

fn key(object: &Credential) -> Key {
    (object.metadata.namespace.clone(), object.metadata.name.clone())
}
