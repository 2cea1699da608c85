//! Shows the board: redrawn in place on a terminal, line by line elsewhere.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use console::{Term, style};
use jiff::Timestamp;
use rig::sts::Responder;
use tokio::sync::watch::Receiver;

use crate::board::{Board, News, Tone, clock};
use crate::consumers::{Caller, Deployed};
use crate::table;

/// How often the countdowns move.
const TICK: Duration = Duration::from_millis(250);

/// Where the text of a piece of news begins: after the time and a mark.
const INDENT: usize = 12;

/// Where the board is shown.
pub struct Screen {
    live: Option<Live>,
    sts: Responder,
    board: Receiver<Board>,
    /// How many news have been printed so far.
    printed: usize,
}

/// The part of a terminal that is redrawn.
struct Live {
    term: Term,
    /// How many lines are drawn, and on what size of terminal.
    drawn: usize,
    size: (u16, u16),
}

impl Screen {
    /// A screen: `live` on a terminal.
    pub fn new(live: bool, sts: Responder, board: Receiver<Board>) -> Self {
        let term = Term::buffered_stdout();
        let live = live.then(|| Live { size: term.size(), term, drawn: 0 });
        Self { live, sts, board, printed: 0 }
    }

    /// Shows updates, without end.
    pub async fn run(&mut self) -> Infallible {
        let mut tick = tokio::time::interval(TICK);
        loop {
            self.show(false);
            tokio::select! {
                _ = tick.tick(), if self.live.is_some() => {}
                Ok(()) = self.board.changed() => {}
            }
        }
    }

    /// Shows the last state with all the news, and restores the terminal.
    pub fn finish(&mut self) {
        self.show(true);
        if let Some(live) = &self.live {
            let _ = live.term.show_cursor().and_then(|()| live.term.flush());
        }
    }

    fn show(&mut self, full: bool) {
        let board = self.board.borrow_and_update();
        match &mut self.live {
            // A closed terminal is no reason to fail.
            Some(live) => drop(live.draw(&board, &self.sts, full)),
            None => {
                let mut out = std::io::stdout().lock();
                for news in &board.news[self.printed..] {
                    let _ = writeln!(out, "{}", plain(news));
                }
                let _ = out.flush();
                self.printed = board.news.len();
            }
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if let Some(live) = &self.live {
            let _ = live.term.show_cursor().and_then(|()| live.term.flush());
        }
    }
}

fn plain(news: &News) -> String {
    let mark = match news.tone {
        Tone::Chapter => "==",
        Tone::Deed => "->",
        Tone::Good => "ok",
        Tone::Bad => "!!",
    };
    format!("{} {mark} {}", clock(news.at), news.text)
}

impl Live {
    /// Draws as much of the news as fits, or all of it, if `full`: then the terminal scrolls.
    fn draw(&mut self, board: &Board, sts: &Responder, full: bool) -> std::io::Result<()> {
        let now = Timestamp::now();
        let size @ (height, width) = self.term.size();
        let mut lines = vec![
            String::new(),
            format!(
                "{} {}",
                style("tempcred demo").bold(),
                style("· a real API server, moto as STS · all times are UTC").dim()
            ),
            String::new(),
        ];
        lines.extend(table::lines(board, now));
        lines.extend(board.caller.iter().map(Caller::line));
        lines.extend(board.deployed.iter().map(Deployed::line));
        let rotations: usize = board.rows.iter().map(|row| row.rotations).sum();
        lines.push(
            style(format!(
                "{}   STS calls: {}   rotations: {rotations}",
                clock(now),
                sts.calls_total()
            ))
            .bold()
            .to_string(),
        );
        lines.push(String::new());
        let news: Vec<_> = board.news.iter().flat_map(|news| wrapped(news, width.into())).collect();
        // The last line of the terminal is for the cursor.
        let room = match full {
            true => news.len(),
            false => usize::from(height).saturating_sub(lines.len() + 1),
        };
        lines.extend_from_slice(&news[news.len().saturating_sub(room)..]);

        let mut frame = String::new();
        // Terminals that know this show the frame at once; others ignore it.
        frame.push_str("\x1b[?2026h\x1b[?25l");
        if size != self.size {
            // The terminal has wrapped the lines again, so the start of the frame is unknown.
            frame.push_str("\x1b[2J\x1b[H");
        } else if self.drawn > 0 {
            let _ = write!(frame, "\x1b[{}A\r", self.drawn);
        }
        for line in &lines {
            frame.push_str(&console::truncate_str(line, width.into(), "…"));
            frame.push_str("\x1b[K\n");
        }
        frame.push_str("\x1b[J\x1b[?2026l");
        (self.drawn, self.size) = (lines.len(), size);
        self.term.write_str(&frame)?;
        self.term.flush()
    }
}

/// A piece of news, broken into lines that fit.
fn wrapped(news: &News, width: usize) -> Vec<String> {
    let room = width.saturating_sub(INDENT).max(20);
    let mut lines = vec![String::new()];
    for word in news.text.split(' ') {
        let last = lines.len() - 1;
        let line = &mut lines[last];
        let used = console::measure_text_width(line);
        if used > 0 && used + 1 + console::measure_text_width(word) > room {
            lines.push(word.to_owned());
        } else {
            if used > 0 {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    let paint = |text: &str| match news.tone {
        Tone::Chapter => style(text.to_owned()).bold(),
        Tone::Deed => style(text.to_owned()).cyan(),
        Tone::Good => style(text.to_owned()),
        Tone::Bad => style(text.to_owned()).red(),
    };
    let mark = match news.tone {
        Tone::Chapter => "●",
        Tone::Deed => "❯",
        Tone::Good => "✔",
        Tone::Bad => "✘",
    };
    let begin = |number: usize| match number {
        0 => format!("{}  {} ", style(clock(news.at)).dim(), paint(mark)),
        _ => " ".repeat(INDENT),
    };
    let text = lines.iter().enumerate();
    let mut shown: Vec<_> =
        text.map(|(number, line)| format!("{}{}", begin(number), paint(line))).collect();
    if news.tone == Tone::Chapter {
        shown.insert(0, String::new());
    }
    shown
}
