//! Answers on disk: an SQLite file, one row an answer.
//!
//! The key is the SHA-256 of everything that decides an answer; see
//! [`Question::key`](crate::ask::Question::key). The row holds the answer as the server sent
//! it, so that a later version of this program can still read it. Several processes may
//! share a file.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use crate::error::RemoteError;

/// "UpRm": says whose file it is.
const APPLICATION_ID: i32 = 0x5570_526d;
/// Version of the table.
const VERSION: i32 = 1;
/// Longest wait for another process that writes.
const BUSY: Duration = Duration::from_secs(30);

/// A key: SHA-256.
pub(crate) type CacheKey = [u8; 32];

/// The answers of earlier requests.
#[derive(Debug)]
pub(crate) struct Cache {
    connection: Mutex<Connection>,
    file: String,
}

impl Cache {
    /// Opens or makes the file.
    pub(crate) fn open(path: &Path) -> Result<Self, RemoteError> {
        let file = path.display().to_string();
        let failed = |e: rusqlite::Error| {
            RemoteError::Cache(format!("the cache {file} cannot be used: {e}"))
        };
        if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|e| {
                RemoteError::Cache(format!("cannot make the folder {}: {e}", folder.display()))
            })?;
        }
        let connection = Connection::open(path).map_err(failed)?;
        connection.busy_timeout(BUSY).map_err(failed)?;
        let number = |name: &str| -> rusqlite::Result<i32> {
            connection.pragma_query_value(None, name, |row| row.get(0))
        };
        let (id, version) = (
            number("application_id").map_err(failed)?,
            number("user_version").map_err(failed)?,
        );
        let n_tables: i64 = connection
            .query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))
            .map_err(failed)?;
        if n_tables > 0 && id != APPLICATION_ID {
            return Err(RemoteError::Cache(format!(
                "{file} is a database of another program; name another file"
            )));
        }
        if version > VERSION {
            return Err(RemoteError::Cache(format!(
                "the cache {file} has format {version} and this version reads {VERSION}; use a newer version, or name another file"
            )));
        }
        connection
            .execute_batch(&format!(
                "PRAGMA journal_mode = WAL;
                 PRAGMA synchronous = NORMAL;
                 PRAGMA application_id = {APPLICATION_ID};
                 PRAGMA user_version = {VERSION};
                 CREATE TABLE IF NOT EXISTS answers (
                   key BLOB PRIMARY KEY,
                   endpoint TEXT NOT NULL,
                   model TEXT NOT NULL,
                   kind TEXT NOT NULL,
                   answer TEXT NOT NULL
                 ) WITHOUT ROWID;"
            ))
            .map_err(failed)?;
        Ok(Cache {
            connection: Mutex::new(connection),
            file,
        })
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer kept under a key.
    pub(crate) fn get(&self, key: &CacheKey) -> Result<Option<String>, String> {
        self.connection()
            .prepare_cached("SELECT answer FROM answers WHERE key = ?1")
            .and_then(|mut s| {
                s.query_row(params![key.as_slice()], |row| row.get(0))
                    .optional()
            })
            .map_err(|e| format!("the cache {} cannot be read: {e}", self.file))
    }

    /// Keeps an answer; a newer one takes the place of an older one.
    pub(crate) fn put(
        &self,
        key: &CacheKey,
        endpoint: &str,
        model: &str,
        kind: &str,
        answer: &str,
    ) -> Result<(), String> {
        self.connection()
            .prepare_cached(
                "INSERT OR REPLACE INTO answers (key, endpoint, model, kind, answer)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )
            .and_then(|mut s| s.execute(params![key.as_slice(), endpoint, model, kind, answer]))
            .map(|_| ())
            .map_err(|e| format!("the cache {} cannot be written: {e}", self.file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_stay_and_other_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/answers.sqlite");
        let cache = Cache::open(&path).unwrap();
        cache.put(&[1; 32], "http://a", "m", "chat", "{}").unwrap();
        drop(cache);
        let cache = Cache::open(&path).unwrap();
        assert_eq!(cache.get(&[1; 32]).unwrap().as_deref(), Some("{}"));
        assert_eq!(cache.get(&[2; 32]).unwrap(), None);

        let other = dir.path().join("other.sqlite");
        Connection::open(&other)
            .unwrap()
            .execute_batch("CREATE TABLE t (a)")
            .unwrap();
        let line = Cache::open(&other).unwrap_err().to_string();
        assert!(line.contains("another program"), "{line}");
        std::fs::write(dir.path().join("text"), "no database, but long enough").unwrap();
        let line = Cache::open(&dir.path().join("text"))
            .unwrap_err()
            .to_string();
        assert!(
            line.contains("cannot be used") && !line.contains('\n'),
            "{line}"
        );
        let newer = dir.path().join("newer.sqlite");
        drop(Cache::open(&newer).unwrap());
        Connection::open(&newer)
            .unwrap()
            .execute_batch("PRAGMA user_version = 9")
            .unwrap();
        assert!(
            Cache::open(&newer)
                .unwrap_err()
                .to_string()
                .contains("format 9")
        );
    }
}
