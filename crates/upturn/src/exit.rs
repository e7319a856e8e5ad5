//! Exit codes: documented, stable, few.

use std::fmt;
use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done; every input was used.
    Done = 0,
    /// Something on this side failed: a file could not be written.
    Failed = 1,
    /// The command line is wrong (clap exits with this code itself).
    Usage = 2,
    /// No input could be used; nothing was written.
    NoInput = 3,
    /// Some input was refused; results for the rest were written.
    Refused = 4,
    /// The user stopped it (Ctrl-C); what was finished is kept.
    Interrupted = 130,
}

/// Shown under `--help`.
pub const HELP: &str = "Exit codes: 0 done; 1 could not write or an internal failure; 2 wrong \
command line; 3 no usable input; 4 some input was refused, results for the rest were written; \
130 stopped by Ctrl-C, what was finished is kept.";

impl Exit {
    /// As a process exit code.
    pub fn code(self) -> ExitCode {
        ExitCode::from(self as u8)
    }
}

/// A command that could not do its work: one line and the code to leave with.
#[derive(Debug)]
pub struct Failure {
    /// Code.
    pub exit: Exit,
    /// What happened, where, how to mend it.
    pub message: String,
}

impl Failure {
    /// A failure with this code.
    pub fn new(exit: Exit, message: impl fmt::Display) -> Self {
        Failure {
            exit,
            message: message.to_string(),
        }
    }

    /// A mistake on the command line.
    pub fn usage(message: impl fmt::Display) -> Self {
        Failure::new(Exit::Usage, message)
    }

    /// Output could not be written.
    pub fn write(path: &std::path::Path, error: impl fmt::Display) -> Self {
        Failure::new(
            Exit::Failed,
            format!("cannot write {}: {error}", path.display()),
        )
    }
}

impl From<upturn_store::StoreError> for Failure {
    /// Output that could not be written; the error names the file.
    fn from(error: upturn_store::StoreError) -> Self {
        Failure::new(Exit::Failed, error)
    }
}

/// What commands return.
pub type Outcome = Result<Exit, Failure>;
