//! `tempcred status --watch`: the table again after each change, or a line for each change.

use std::process::ExitCode;
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use kube::Api;
use kube::api::ListParams;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use tokio::time::Instant;

use super::row::{Columns, table};
use super::screen;
use super::shown::Shown;
use crate::commands::terminal::kube::{Credential, cannot};
use crate::commands::terminal::output::{Screen, print};

/// How often the times in the table are drawn again.
const REDRAW: Duration = Duration::from_secs(1);

/// How soon a change is drawn. Further changes until then are drawn with it: after a list there are thousands.
const SETTLE: Duration = Duration::from_millis(100);

/// How long an error is shown. The longest backoff of the watch is shorter, so an error that lasts is always shown.
const ERROR_SHOWN: Duration = Duration::from_secs(60);

/// Shows the resources, and their changes until the command is interrupted. `name` selects one resource; `place` says
/// where they are, for messages.
///
/// # Errors
/// If the resources cannot be listed at the beginning, or standard output cannot be written.
pub async fn follow(
    api: Api<Credential>,
    name: Option<&str>,
    columns: Columns,
    place: &str,
) -> anyhow::Result<ExitCode> {
    let selected = name.map(|name| format!("metadata.name={name}"));
    // The watcher retries for ever; a wrong context or a missing permission should be reported immediately.
    let first =
        ListParams { field_selector: selected.clone(), limit: Some(1), ..ListParams::default() };
    let found = api.list(&first).await.map_err(|error| cannot("list", &error))?;
    let none = match name {
        Some(name) => format!("There is no TemporaryCredential {name}{place} yet."),
        None => format!("There are no TemporaryCredentials{place} yet."),
    };
    let config = watcher::Config { field_selector: selected, ..watcher::Config::default() };
    let mut changes = std::pin::pin!(watcher(api, config).default_backoff());
    let mut view = match Screen::of_stdout() {
        Some(screen) => View::Screen(Drawing::new(screen, columns, none)),
        None => {
            if found.items.is_empty() {
                eprintln!("{none}");
            }
            View::Lines { columns, has_heading: false }
        }
    };
    let mut shown = Shown::default();
    let mut next_draw = Instant::now() + REDRAW;
    loop {
        tokio::select! {
            change = changes.next() => match change {
                Some(Ok(event)) => view.changed(&mut shown, event, &mut next_draw)?,
                Some(Err(error)) => view.failed(error),
                None => return Ok(ExitCode::SUCCESS),
            },
            () = tokio::time::sleep_until(next_draw) => {
                view.draw(&shown)?;
                next_draw = Instant::now() + REDRAW;
            }
        }
    }
}

/// Where changes are shown.
enum View {
    /// A table, which is drawn again.
    Screen(Drawing),
    /// A line for each change.
    Lines { columns: Columns, has_heading: bool },
}

impl View {
    fn changed(
        &mut self,
        shown: &mut Shown,
        event: Event<Credential>,
        next_draw: &mut Instant,
    ) -> anyhow::Result<()> {
        let changed = shown.apply(event);
        match self {
            Self::Screen(_) => *next_draw = (*next_draw).min(Instant::now() + SETTLE),
            Self::Lines { columns, has_heading } => {
                if !changed.is_empty() {
                    let rows: Vec<_> = changed.iter().collect();
                    let text = table(&rows, *columns, Timestamp::now(), None);
                    let begin =
                        if *has_heading { text.find('\n').map_or(0, |end| end + 1) } else { 0 };
                    *has_heading = true;
                    print(&text[begin..])?;
                }
            }
        }
        Ok(())
    }

    fn failed(&mut self, error: watcher::Error) {
        let text = match error {
            watcher::Error::InitialListFailed(error)
            | watcher::Error::WatchStartFailed(error)
            | watcher::Error::WatchFailed(error) => format!("{:#}", cannot("watch", &error)),
            // The watch has ended, and the next list repairs that.
            watcher::Error::WatchError(_) | watcher::Error::NoResourceVersion => return,
        };
        match self {
            Self::Screen(drawing) => drawing.error = Some((Instant::now(), text)),
            Self::Lines { .. } => eprintln!("{text}"),
        }
    }

    fn draw(&mut self, shown: &Shown) -> anyhow::Result<()> {
        match self {
            Self::Screen(drawing) if shown.is_synced() => drawing.draw(shown),
            Self::Screen(_) | Self::Lines { .. } => Ok(()),
        }
    }
}

/// The table on a screen.
struct Drawing {
    screen: Screen,
    columns: Columns,
    /// What is shown if there are no resources.
    none: String,
    /// The last error, and when it occurred.
    error: Option<(Instant, String)>,
}

impl Drawing {
    fn new(screen: Screen, columns: Columns, none: String) -> Self {
        Self { screen, columns, none, error: None }
    }

    fn draw(&mut self, shown: &Shown) -> anyhow::Result<()> {
        let rows = shown.rows();
        let error = self.error.take_if(|(at, _)| at.elapsed() >= ERROR_SHOWN);
        drop(error);
        let note = match &self.error {
            Some((_, text)) => Some(text.as_str()),
            None if rows.is_empty() => Some(self.none.as_str()),
            None => None,
        };
        let (now, size) = (Timestamp::now(), self.screen.size());
        self.screen.draw(&screen::lines(&rows, self.columns, now, size, note))
    }
}
