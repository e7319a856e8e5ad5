//! What can go wrong before a run. Each displays as one lowercase line.

/// Why a remote model cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RemoteError {
    /// The base URL is malformed.
    #[error("base URL '{url}': {reason}; expected one such as http://localhost:8000/v1")]
    Url {
        /// The URL, without user and password.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A key holds characters that no header can carry.
    #[error(
        "the environment variable {0} holds no key: a key has no spaces, line breaks or letters outside ASCII"
    )]
    Key(String),
    /// A server asks for a key and none is set.
    #[error("{url} wants a key ({status}); set {variable} in the environment{hint}")]
    NoKey {
        /// The server.
        url: String,
        /// What it said.
        status: String,
        /// The variable that is read.
        variable: String,
        /// How else to name one.
        hint: String,
    },
    /// Prices are missing or are no prices.
    #[error("{0}")]
    Limits(String),
    /// The cache cannot be used.
    #[error("{0}")]
    Cache(String),
    /// The server cannot be reached, or has no such model.
    #[error("{0}")]
    Server(String),
    /// The server cannot give what is needed.
    #[error("{0}")]
    Cannot(String),
}
