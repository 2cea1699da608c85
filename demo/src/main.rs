//! `cargo demo`: a real operator on a real control plane, issuing and rotating credentials.
//!
//! | module | holds |
//! |---|---|
//! | [`stage`] | what runs: control plane, STS, operator |
//! | [`program`] | a program with an AWS SDK, and its agent |
//! | [`kubelet`] | what a kubelet would do: mount a Secret, start Pods |
//! | [`story`] | the steps of the demo, and what must happen after each |
//! | [`follow`] | watches of the API server, which feed the board |
//! | [`board`], [`consumers`] | the state: a row for each resource, what uses the credentials, and the news (pure) |
//! | [`screen`], [`table`] | how it is shown, on a terminal and in a log |

mod board;
mod consumers;
mod follow;
mod kubelet;
mod program;
mod screen;
mod stage;
mod story;
mod table;

use std::io::IsTerminal;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use crate::board::Board;
use crate::screen::Screen;
use crate::stage::{Operator, Stage};

/// What a shell reports of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// On a terminal: time to read between two chapters.
const READING: Duration = Duration::from_secs(5);

/// Within this time a signal is noticed that has ended a child too.
const NOTICED_WITHIN: Duration = Duration::from_millis(200);

/// Shows tempcred at work, in about a minute.
///
/// Builds it, starts a real Kubernetes control plane and an STS (moto) on this
/// machine, applies examples/ and shows what happens: credentials are issued and
/// rotated, a deleted Secret comes back, AWS refuses a role. A program with an AWS
/// SDK (boto3) gets each new key from the agent, and a Deployment is restarted.
///
/// Needs no cluster and no AWS account, and leaves nothing running. The first start
/// builds the control plane, which takes minutes; later ones take seconds.
#[derive(Parser)]
#[command(name = "cargo demo", bin_name = "cargo demo", verbatim_doc_comment)]
struct Args {
    /// Keep running at the end, for kubectl, until Ctrl-C.
    #[arg(long)]
    stay: bool,

    /// Print plain lines, one for each thing that happens, even on a terminal.
    #[arg(long)]
    plain: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let live = !args.plain && std::io::stdout().is_terminal();
    match demo(&args, live).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(INTERRUPTED),
        Err(error) => {
            eprintln!("\nThe demo failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// False if it was interrupted.
async fn demo(args: &Args, live: bool) -> Result<bool> {
    let begin = Instant::now();
    let stage = tokio::select! {
        stage = tokio::task::spawn_blocking(Stage::start) => stage??,
        // The rig's janitor ends all processes that this one has started.
        () = interrupted() => std::process::exit(INTERRUPTED.into()),
    };
    println!("Ready after {:.1?}.", begin.elapsed());

    let (board, seen) = tokio::sync::watch::channel(Board::default());
    let client = stage.client().await?;
    let alone = kubelet::is_alone(&client).await?;
    let operator = Operator::start(&stage)?;
    // Ends after the story, so that it runs on with `--stay`.
    let program = OnceLock::new();
    let mut screen = Screen::new(live, stage.sts.clone(), seen.clone());
    let mut interrupt = pin!(interrupted());
    let outcome = {
        let story = story::Story {
            stage: &stage,
            operator: &operator,
            program: &program,
            client: &client,
            plays_kubelet: alone,
            board: &board,
            seen,
            pause: if live { READING } else { Duration::ZERO },
        };
        tokio::select! {
            outcome = story.run() => Some(outcome),
            never = follow::follow(&stage, &client, &board) => match never {},
            never = kubelet::play(&stage, &client, &board, alone) => match never {},
            never = screen.run() => match never {},
            () = &mut interrupt => None,
        }
    };
    // Ctrl-C also ends a kubectl of the story, which may fail before the signal is noticed here.
    let outcome = match outcome {
        Some(Err(_)) if tokio::time::timeout(NOTICED_WITHIN, interrupt).await.is_ok() => None,
        other => other,
    };
    screen.finish();
    match outcome {
        None => {
            println!("\nInterrupted; ending what runs.");
            return Ok(false);
        }
        Some(Err(error)) => {
            eprintln!("\nThe operator's last lines:\n{}", operator.last_lines());
            return Err(error);
        }
        Some(Ok(())) => {}
    }
    println!("{}", story::summary(&board.borrow(), &stage));
    if args.stay {
        println!("{}", story::look_around(&stage, &operator, program.get()));
        println!("All of this stays up until Ctrl-C.");
        tokio::select! {
            () = interrupted() => {}
            never = kubelet::play(&stage, &client, &board, alone) => match never {},
        }
        println!("\nEnding what runs.");
    } else {
        println!("To look around in it with kubectl: cargo demo --stay");
    }
    Ok(true)
}

/// Waits for Ctrl-C or SIGTERM.
async fn interrupted() {
    let wait = async {
        let mut terminate = signal(SignalKind::terminate()).context("SIGTERM")?;
        tokio::select! {
            interrupt = tokio::signal::ctrl_c() => interrupt.context("SIGINT"),
            _ = terminate.recv() => Ok(()),
        }
    };
    if let Err(error) = wait.await {
        // Without a handler the signal ends the process at once, and the janitor tidies up.
        eprintln!("cannot wait for a signal: {error:#}");
        std::future::pending::<()>().await;
    }
}
