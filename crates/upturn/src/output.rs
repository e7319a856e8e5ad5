//! Where text goes: results to stdout, everything else to stderr.

use std::cell::RefCell;
use std::io::{IsTerminal, Write};
use std::sync::Arc;

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

thread_local! {
    /// Messages of this thread, while they are kept from the terminal.
    static CAPTURED: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
    /// Who follows the command whose messages are kept.
    static LISTENER: RefCell<Option<Listener>> = const { RefCell::new(None) };
}

/// How far a command is whose messages are kept from the terminal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Heard {
    /// Share done of the cell at work, in 0..=1.
    Share(f64),
    /// A cell is done.
    Cell,
}

/// Who follows such a command.
pub type Listener = Arc<dyn Fn(Heard) + Send + Sync>;

/// As [`captured`], for a command that tells a listener how far it is.
pub fn captured_while<R>(listener: Listener, command: impl FnOnce() -> R) -> (R, Vec<String>) {
    LISTENER.with(|l| l.replace(Some(listener)));
    let result = captured(command);
    LISTENER.with(|l| l.replace(None));
    result
}

/// Who follows the command that this thread runs.
pub fn listener() -> Option<Listener> {
    LISTENER.with(|l| l.borrow().clone())
}

/// Runs a command whose results and messages are not for the terminal: its messages are
/// returned, its results are dropped. Only what this thread says is kept.
pub fn captured<R>(command: impl FnOnce() -> R) -> (R, Vec<String>) {
    CAPTURED.with(|c| c.replace(Some(Vec::new())));
    let result = command();
    let lines = CAPTURED.with(|c| c.replace(None)).unwrap_or_default();
    (result, lines)
}

/// Whether results and messages of this thread are kept from the terminal.
pub fn is_captured() -> bool {
    CAPTURED.with(|c| c.borrow().is_some())
}

/// Prints a result to stdout. A closed pipe (`upturn … | head`) ends quietly; a full disk does not.
pub fn print(text: &str) -> Result<(), Failure> {
    if is_captured() {
        return Ok(());
    }
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
    let kept = CAPTURED.with(|c| match c.borrow_mut().as_mut() {
        Some(lines) => {
            lines.push(text.to_owned());
            true
        }
        None => false,
    });
    if kept {
        return;
    }
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
