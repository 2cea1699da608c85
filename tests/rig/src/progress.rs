//! Reports progress on stderr, past the capture of the test harness.

use std::io::{IsTerminal, Write};
use std::sync::LazyLock;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, MultiProgress, ProgressBar, ProgressStyle};

/// Without a terminal: how often a line says that the work goes on.
const LINE_EVERY: Duration = Duration::from_secs(20);

/// All spinners, a line each: a build and a download go on at the same time.
static SPINNERS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// One line to stderr, above the spinners.
///
/// Not `eprintln!`: the test harness captures that, and a user would see nothing for
/// minutes.
pub(crate) fn say(line: &str) {
    SPINNERS.suspend(|| {
        // Progress is optional: a closed stderr is no reason to fail.
        let _ = writeln!(std::io::stderr().lock(), "rig: {line}");
    });
}

/// A spinner with the elapsed time on a terminal, a line now and then elsewhere.
/// Ends when dropped.
pub enum Progress {
    /// On a terminal.
    Spinner(ProgressBar),
    /// Anywhere else.
    Lines {
        /// Dropped to end the thread.
        stop: Option<Sender<()>>,
        /// Writes the lines.
        thread: Option<JoinHandle<()>>,
    },
}

impl Progress {
    /// Starts to report that `what` is in progress.
    #[must_use = "it ends when it is dropped"]
    pub fn start(what: &str) -> Self {
        if std::io::stderr().is_terminal() {
            let bar = SPINNERS.add(ProgressBar::new_spinner().with_message(what.to_owned()));
            if let Ok(style) = ProgressStyle::with_template("{spinner} rig: {msg} {elapsed}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            return Self::Spinner(bar);
        }
        say(what);
        let (stop, stopped) = mpsc::channel::<()>();
        let what = what.to_owned();
        let begin = Instant::now();
        let thread = std::thread::spawn(move || {
            while stopped.recv_timeout(LINE_EVERY) == Err(RecvTimeoutError::Timeout) {
                say(&format!("{what} ({} so far)", HumanDuration(begin.elapsed())));
            }
        });
        Self::Lines { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        match self {
            Self::Spinner(bar) => bar.finish_and_clear(),
            Self::Lines { stop, thread } => {
                drop(stop.take());
                if let Some(thread) = thread.take() {
                    let _ = thread.join();
                }
            }
        }
    }
}
