//! The log: text from elsewhere neither breaks a line nor forges one.

use rig::sts::Fault;

use crate::world::{World, failure_reason, plain};

/// Characters that break a line, or change how a terminal shows it, as far as XML can carry them.
pub const ODD: &str = "no\nway\r\n2026-01-01T00:00:00Z  INFO forged\u{85}\u{2028}\u{202e}\u{9b}31m";

#[tokio::test]
async fn a_message_of_sts_stays_in_its_line() {
    for format in ["text", "json"] {
        let mut world = World::new().await;
        world.start_operator(&["--log-format", format]).await;
        let message = format!("{ODD}{}", "x".repeat(100 * 1024));
        world.sts.inject(Fault::error(403, &format!("Odd{ODD}"), &message));
        world.create("reports", plain()).await;
        let failing = |s: &_| failure_reason(s) == Some("Refused");
        let status = world.wait("reports", "refused", failing).await.status.unwrap();
        let message = status.failure.unwrap().message;
        assert!(message.contains("no way") && message.len() < 2000, "{message}");
        let log = world.full_log();
        assert!(log.contains("no way"), "{log}");
        for line in log.lines() {
            let begin = if format == "json" { "{\"timestamp\":\"20" } else { "20" };
            assert!(line.starts_with(begin) && line.len() < 8000, "{line}");
            let forged = line.starts_with("2026-01-01T00:00:00Z");
            assert!(
                !forged && !line.contains(['\u{2028}', '\u{202e}', '\u{9b}', '\u{85}']),
                "{line}"
            );
        }
    }
}
