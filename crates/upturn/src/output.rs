//! Where text goes: results to stdout, everything else to stderr.

use std::io::{IsTerminal, Write};

use upturn_report::TextOptions;

use crate::exit::{Exit, Failure};

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Widest table that is drawn, whatever the terminal.
const WIDTH_MAX: usize = 200;
/// Width without a terminal.
const WIDTH_PIPE: usize = 140;

/// Prints a result to stdout. A closed pipe (`upturn … | head`) ends quietly; a full disk does not.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let end: &[u8] = if text.ends_with('\n') { b"" } else { b"\n" };
    let written = out
        .write_all(text.as_bytes())
        .and_then(|()| out.write_all(end))
        .and_then(|()| out.flush());
    match written {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::new(
            Exit::Failed,
            format!("cannot write to stdout: {e}"),
        )),
        _ => Ok(()),
    }
}

/// Prints a message to stderr.
pub fn note(text: &str) {
    let _closed = writeln!(std::io::stderr().lock(), "{text}");
}

/// Text options for stdout as it is.
pub fn text_options(color: Color, plot: bool, limit: Option<usize>) -> TextOptions {
    let terminal = std::io::stdout().is_terminal();
    let wanted = match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()),
    };
    let columns = std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok());
    let width = match terminal_size::terminal_size() {
        Some((terminal_size::Width(width), _)) if terminal => usize::from(width),
        _ => columns.unwrap_or(WIDTH_PIPE),
    };
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|value| !value.is_empty());
    let unicode = locale.is_none_or(|l| !matches!(l.as_str(), "C" | "POSIX"));
    TextOptions {
        width: width.clamp(80, WIDTH_MAX),
        color: wanted,
        plot,
        limit,
        unicode,
    }
}
