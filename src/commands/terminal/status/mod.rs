//! `tempcred status`: which credentials are ready, and why the others are not.

mod detail;
mod events;
mod raw;
mod row;
mod screen;
mod shown;
mod watch;

use std::process::ExitCode;

use clap::Args;
use jiff::Timestamp;

use super::kube::{Credential, Listing, Target};
use super::output::{FAILED, ended, print, width};
use raw::Format;
use row::{Columns, Row};

/// The flags of `tempcred status`.
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub struct Status {
    /// Name of a TemporaryCredential: shows its conditions, its events, and what to do next.
    #[arg(value_name = "NAME", conflicts_with = "all_namespaces")]
    name: Option<String>,

    /// Show the resources of all namespaces.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    all_namespaces: bool,

    /// Show changes until the command is interrupted. On a terminal, the table is drawn again; elsewhere, each change
    /// adds a line.
    #[arg(short, long)]
    watch: bool,

    /// Format of the output. Default: a table.
    #[arg(short, long, value_name = "FORMAT", conflicts_with = "watch")]
    output: Option<Format>,

    #[command(flatten)]
    target: Target,
}

const AFTER_HELP: &str =
    "Exit codes: 0 if all resources are ready, 1 if some are not, 2 if the status cannot be read.

Examples:
  tempcred status -A
  tempcred status reports -n analytics
  kubectl tempcred status --watch";

/// Shows the status.
pub async fn status(args: &Status) -> ExitCode {
    ended(show(args).await, FAILED)
}

async fn show(args: &Status) -> anyhow::Result<ExitCode> {
    let connection = args.target.connect().await?;
    let columns =
        Columns { namespace: args.all_namespaces, wide: args.output == Some(Format::Wide) };
    let place = match args.all_namespaces {
        true => String::new(),
        false => format!(" in namespace {}", connection.namespace),
    };
    if args.watch {
        let api = connection.api(args.all_namespaces);
        return watch::follow(api, args.name.as_deref(), columns, &place).await;
    }
    let name = args.name.as_deref();
    if let Some(format @ (Format::Json | Format::Yaml)) = args.output {
        let all_ready = match name {
            Some(name) => raw::print_one(&connection, name, format).await?,
            None => raw::print_all(&connection, args.all_namespaces, format).await?,
        };
        return Ok(code(all_ready));
    }
    let Some(name) = name else {
        let api = connection.api::<Credential>(args.all_namespaces);
        let (mut listing, mut rows) = (Listing::of(&api), Vec::<Row>::new());
        while let Some(page) = listing.next().await? {
            rows.extend(page.iter().map(Row::of));
        }
        if rows.is_empty() {
            eprintln!("There are no TemporaryCredentials{place}.");
        } else {
            let rows: Vec<_> = rows.iter().collect();
            print(&row::table(&rows, columns, Timestamp::now(), width()))?;
        }
        return Ok(code(rows.iter().all(Row::is_ready)));
    };
    let credential = connection.credential(name).await?;
    if columns.wide {
        let row = Row::of(&credential);
        print(&row::table(&[&row], columns, Timestamp::now(), width()))?;
        return Ok(code(row.is_ready()));
    }
    let events = events::about(&connection, &credential).await;
    print(&detail::text(&credential, &events, Timestamp::now()))?;
    Ok(code(Row::of(&credential).is_ready()))
}

fn code(all_ready: bool) -> ExitCode {
    if all_ready { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
