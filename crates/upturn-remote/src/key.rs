//! Keys: read from the environment, shown nowhere.

use crate::error::RemoteError;

/// Stands where a key would be.
const HIDDEN: &str = "[key]";

/// A secret that a server asks for.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key([key])")
    }
}

impl Key {
    /// The key in an environment variable; `None` where it is unset or empty.
    ///
    /// # Errors
    /// When it holds characters that no HTTP header can carry.
    pub fn from_env(variable: &str) -> Result<Option<Key>, RemoteError> {
        match std::env::var_os(variable) {
            None => Ok(None),
            Some(value) => match value.into_string() {
                Ok(text) => Key::new(text.trim(), variable),
                Err(_) => Err(RemoteError::Key(variable.to_owned())),
            },
        }
    }

    /// A key from text; `source` is named where it is malformed.
    ///
    /// # Errors
    /// When it holds characters that no HTTP header can carry.
    pub fn new(text: &str, source: &str) -> Result<Option<Key>, RemoteError> {
        if text.is_empty() {
            return Ok(None);
        }
        match text.bytes().all(|b| b.is_ascii_graphic()) {
            true => Ok(Some(Key(text.to_owned()))),
            false => Err(RemoteError::Key(source.to_owned())),
        }
    }

    /// The secret, for a header and nothing else.
    pub(crate) fn secret(&self) -> &str {
        &self.0
    }

    /// A text without the key, should a server have sent it back.
    pub(crate) fn scrub(&self, text: &str) -> String {
        text.replace(&self.0, HIDDEN)
    }
}

#[cfg(test)]
mod tests {
    use super::Key;

    #[test]
    fn a_key_is_not_shown() {
        let key = Key::new("sk-very-secret", "X").unwrap().unwrap();
        assert_eq!(
            format!("{key:?} {:?}", Some(&key)),
            "Key([key]) Some(Key([key]))"
        );
        assert_eq!(key.scrub("bad key sk-very-secret!"), "bad key [key]!");
        let wrong = Key::new("sk-very\nsecret", "MY_KEY")
            .unwrap_err()
            .to_string();
        assert!(
            wrong.contains("MY_KEY") && !wrong.contains("secret"),
            "{wrong}"
        );
        assert_eq!(Key::new("", "X").unwrap(), None);
    }
}
