//! A man page.

use clap::Command;
use clap_mangen::Man;
use roff::{Roff, roman};

use crate::telemetry::version;

/// The sections that a paragraph of the help becomes, by its beginning.
const SECTIONS: [(&str, &str); 3] =
    [("Exit codes: ", "EXIT STATUS"), ("Examples:\n", "EXAMPLES"), ("Example:\n", "EXAMPLES")];

/// The page of a command, after [`Command::build`].
///
/// # Errors
/// If it cannot be rendered.
pub fn page(command: &Command) -> anyhow::Result<String> {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    // It would be the section EXTRA, with all lines joined.
    let command = command.clone().after_help(None::<&'static str>);
    let mut text = Vec::new();
    let source = format!("tempcred {}", version::VERSION);
    Man::new(command).source(source).manual("tempcred").render(&mut text)?;
    if !help.is_empty() {
        sections(&help).to_writer(&mut text)?;
    }
    Ok(String::from_utf8(text)?)
}

/// The paragraphs after the options, each with its heading.
fn sections(help: &str) -> Roff {
    let mut roff = Roff::new();
    for paragraph in help.split("\n\n") {
        let found =
            SECTIONS.iter().find_map(|(start, name)| Some((*name, paragraph.strip_prefix(start)?)));
        let (name, rest) = found.unwrap_or(("NOTES", paragraph));
        roff.control("SH", [name]);
        if name == "EXAMPLES" {
            roff.control("nf", []);
        }
        for line in rest.lines() {
            roff.text([roman(line.trim_start())]);
        }
        if name == "EXAMPLES" {
            roff.control("fi", []);
        }
    }
    roff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paragraphs_of_the_help_are_sections() {
        let help = "Exit codes: 0 or 1.\n\nExamples:\n  a -b\n  .c\n\nMore: here";
        let mut command = Command::new("x").after_help(help);
        command.build();
        let page = page(&command).unwrap();
        let (_, sections) = page.split_once(".SH \"EXIT STATUS\"\n").unwrap();
        assert_eq!(
            sections,
            "0 or 1.\n.SH EXAMPLES\n.nf\na \\-b\n\\&.c\n.fi\n.SH NOTES\nMore: here\n"
        );
        assert!(!page.contains("EXTRA"), "{page}");
    }
}
