//! `tempcred status` on a terminal.

use rig::Proxy;
use rig::sts::Fault;

use super::command;
use super::terminal::Terminal;
use crate::world::{World, assume, is_ready, plain};

/// Begins a frame: the cursor goes to the first line.
const HOME: &str = "\x1b[H";

/// Replaces the digits of durations such as `59m`, which change with time.
fn steady(screen: &str) -> String {
    let line = |line: &str| -> String {
        let words = line.split_inclusive(' ').map(|word| {
            let digits = word.trim_end().strip_suffix('m').unwrap_or_default();
            let is_duration = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            if is_duration {
                word.replace(|c: char| c.is_ascii_digit(), "0")
            } else {
                word.to_owned()
            }
        });
        words.collect::<String>().trim_end().to_owned()
    };
    screen.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn has_colours(raw: &str) -> bool {
    // Every sequence for a colour or a weight ends with this letter.
    raw.split("\x1b[").skip(1).any(|rest| {
        rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m')
    })
}

#[tokio::test]
async fn the_table_is_drawn_again_with_each_change() {
    let world = World::start().await;
    let watch = Terminal::run(command(&world, &["status", "--watch"]), 12, 110);
    let empty = watch.wait("there is none", |screen| screen.contains("There are no")).await;
    assert!(empty.contains(&format!("in namespace {} yet.", world.namespace)), "{empty}");
    world.issue("reports", plain()).await;
    world.sts.inject(Fault::access_denied().for_role("role/refused"));
    world.create("refused", assume("refused")).await;
    let screen = watch
        .wait("both are shown", |screen| {
            screen.contains("Issued") && screen.contains("AccessDenied") && screen.contains('…')
        })
        .await;
    insta::assert_snapshot!(steady(&screen));
    world.credentials().delete("refused", &Default::default()).await.unwrap();
    let screen = watch.wait("only one is shown", |screen| !screen.contains("refused")).await;
    assert_eq!(screen.trim_end().lines().count(), 2, "{screen}");
    let raw = watch.raw();
    assert!(has_colours(&raw), "{raw:?}");
    assert_eq!(raw.matches("\x1b[2J").count(), 1, "it flickers: {raw:?}");
}

#[tokio::test]
async fn a_small_screen_shows_what_needs_attention_and_counts_the_rest() {
    // Without an operator: no resource is ready.
    let world = World::new().await;
    for number in 0..10 {
        world.create(&format!("reports-{number}"), assume("reports")).await;
    }
    let watch = Terminal::run(command(&world, &["status", "--watch"]), 8, 100);
    let screen = watch.wait("some are shown", |screen| screen.contains("are shown")).await;
    insta::assert_snapshot!(screen);
    watch.resize(20, 100);
    let screen = watch.wait("all are shown", |screen| screen.contains("reports-9")).await;
    assert!(!screen.contains("are shown") && screen.starts_with("NAME"), "{screen}");
}

#[tokio::test]
async fn without_colours_the_screen_is_the_same_and_a_dumb_terminal_gets_lines() {
    let world = World::start().await;
    world.issue("reports", plain()).await;
    let run = |name: &str, value: &str| {
        let mut command = command(&world, &["status", "--watch"]);
        command.env(name, value);
        Terminal::run(command, 10, 100)
    };
    let plain = run("NO_COLOR", "1");
    // Several frames are one screen.
    plain.wait("it is drawn three times", |_| plain.raw().matches(HOME).count() >= 3).await;
    let (screen, raw) = (plain.screen(), plain.raw());
    assert!(!has_colours(&raw), "{raw:?}");
    assert_eq!(screen.matches("EXPIRES IN").count(), 1, "{screen}");
    let dumb = run("TERM", "dumb");
    dumb.wait("it is shown", |screen| screen.contains("reports")).await;
    assert!(!dumb.raw().contains('\x1b'), "{:?}", dumb.raw());
}

#[tokio::test]
async fn a_lost_connection_is_shown_below_the_table() {
    let world = World::start().await;
    world.issue("reports", plain()).await;
    let proxy = Proxy::to(world.rig.server()).unwrap();
    let kubeconfig = world.rig.kubeconfig_for(world.rig.admin(), Some(&proxy.url())).unwrap();
    let mut command = command(&world, &["status", "--watch"]);
    command.env("KUBECONFIG", kubeconfig);
    let watch = Terminal::run(command, 10, 100);
    watch.wait("it is shown", |screen| screen.contains("reports")).await;
    proxy.cut();
    let lost = watch.wait("the error is shown", |screen| screen.contains("cannot watch")).await;
    assert!(lost.contains("reports") && lost.contains("check the kubeconfig"), "{lost}");
    proxy.restore();
    world.create("second", assume("second")).await;
    world.wait("second", "ready", is_ready).await;
    watch.wait("the watch goes on", |screen| screen.contains("second")).await;
}

#[tokio::test]
async fn the_table_on_a_terminal_has_its_width_and_colours_unless_they_are_unwanted() {
    let world = World::start().await;
    world.issue("reports", plain()).await;
    world.sts.inject(Fault::access_denied().for_role("role/refused"));
    world.create("refused", assume("refused")).await;
    world.wait("refused", "refused", |status| status.failure.is_some()).await;
    for no_color in [None, Some("1")] {
        let mut command = command(&world, &["status"]);
        no_color.into_iter().for_each(|value| {
            command.env("NO_COLOR", value);
        });
        let (code, raw) = Terminal::run(command, 24, 100).end().await;
        assert_eq!(code, Some(1), "{raw}");
        assert_eq!(has_colours(&raw), no_color.is_none(), "{raw:?}");
        let text = anstream::adapter::strip_str(&raw).to_string();
        let widths: Vec<_> = text.lines().map(|line| line.trim_end().chars().count()).collect();
        assert_eq!(widths.iter().max(), Some(&100), "{text}");
    }
}
