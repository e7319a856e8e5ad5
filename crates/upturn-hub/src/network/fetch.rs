//! Requests to the hub: a list of files, and files in pieces that can be taken up again.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::cache;
use crate::environment::{Options, Progress};
use crate::error::HubError;
use crate::repo::{Kind, Repo};

use super::listing::{self, HubFile, Listing};

/// Bytes asked for at a time: the time limit on an answer's body is for all of it, and a
/// slow line must be able to keep it.
const PIECE_BYTES: u64 = 32 << 20;
/// Tries without a single new byte before giving up.
const N_FRUITLESS_MAX: u32 = 3;
/// Wait after the first try without a new byte; twice that after the second.
const PAUSE: Duration = Duration::from_millis(500);
/// Most bytes of a list of files.
const LISTING_BYTES_MAX: u64 = 64 << 20;

/// The hub, as asked for one repository.
pub(crate) struct Hub<'h> {
    repo: &'h Repo,
    options: &'h Options<'h>,
    agent: ureq::Agent,
}

impl<'h> Hub<'h> {
    pub(crate) fn new(repo: &'h Repo, options: &'h Options<'_>) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_resolve(Some(options.connect_timeout))
            .timeout_connect(Some(options.connect_timeout))
            .timeout_recv_response(Some(options.read_timeout))
            .timeout_recv_body(Some(options.read_timeout))
            // The servers that hold large files are not the hub: they get no token.
            .redirect_auth_headers(ureq::config::RedirectAuthHeaders::SameHost)
            .user_agent(concat!("upturn/", env!("CARGO_PKG_VERSION")))
            .build();
        Hub {
            repo,
            options,
            agent: config.into(),
        }
    }

    /// The files of a revision.
    pub(crate) fn list(&self, revision: &str) -> Result<Listing, HubError> {
        let url = format!(
            "{}/api/{}/{}/revision/{}?blobs=true",
            self.options.endpoint,
            self.repo.kind.plural(),
            self.repo.name,
            in_url(revision, true)
        );
        let mut response = self.get(&url, None).map_err(|e| self.unreachable(&e))?;
        self.check(response.status().as_u16(), Some(revision))?;
        let mut bytes = Vec::new();
        response
            .body_mut()
            .as_reader()
            .take(LISTING_BYTES_MAX)
            .read_to_end(&mut bytes)
            .map_err(|e| self.unreachable(&e))?;
        listing::parse(&bytes).map_err(|message| self.answer(message))
    }

    /// Brings a file's content into `blobs`, going on from what an earlier run left.
    pub(crate) fn fetch(
        &self,
        file: &HubFile,
        commit: &str,
        folder: &Path,
        (file_number, n_files): (usize, usize),
    ) -> Result<(), HubError> {
        let blobs = folder.join("blobs");
        let blob = blobs.join(&file.blob);
        if blob.is_file() {
            return Ok(());
        }
        std::fs::create_dir_all(&blobs).map_err(|e| HubError::io("write", &blobs, e))?;
        // The lock that the Python client takes for the same content.
        let _lock = lock(&self.options.cache, self.repo, &file.blob)?;
        if blob.is_file() {
            return Ok(());
        }
        let part = blobs.join(format!("{}.incomplete", file.blob));
        let fail = |e| HubError::io("write", &part, e);
        let mut target = OpenOptions::new()
            .create(true)
            .read(true)
            .write(true)
            .truncate(false)
            .open(&part)
            .map_err(fail)?;
        let mut done = target.metadata().map_err(fail)?.len();
        if done > file.n_bytes {
            target.set_len(0).map_err(fail)?;
            done = 0;
        }
        let url = format!(
            "{}/{}{}/resolve/{commit}/{}",
            self.options.endpoint,
            if self.repo.kind == Kind::Dataset {
                "datasets/"
            } else {
                ""
            },
            self.repo.name,
            in_url(&file.path, false)
        );
        let mut n_fruitless = 0;
        while done < file.n_bytes {
            let before = done;
            let outcome = self.piece(&url, file, &mut target, &mut done, |done_bytes| {
                if let Some(progress) = self.options.progress {
                    progress(Progress {
                        file: &file.path,
                        done_bytes,
                        total_bytes: file.n_bytes,
                        file_number,
                        n_files,
                    });
                }
            });
            n_fruitless = if done > before { 0 } else { n_fruitless + 1 };
            let cause = match outcome {
                Ok(()) => "it ends early".to_owned(),
                Err(Broken::Line(cause)) => cause,
                Err(Broken::Final(e)) => return Err(e),
                Err(Broken::Disk(e)) => return Err(fail(e)),
            };
            if n_fruitless >= N_FRUITLESS_MAX {
                return Err(self.answer(format!(
                    "cannot fetch the rest of {} ({cause}); run again to go on from byte {done}",
                    file.path
                )));
            }
            std::thread::sleep(PAUSE * n_fruitless);
        }
        if let Some(expected) = &file.sha256 {
            let found = sha256(&mut target).map_err(fail)?;
            if &found != expected {
                drop(target);
                std::fs::remove_file(&part).map_err(fail)?;
                return Err(self.answer(format!(
                    "{} arrived damaged (another SHA-256 than the hub's) and was removed; run again",
                    file.path
                )));
            }
        }
        target.sync_all().map_err(fail)?;
        drop(target);
        std::fs::rename(&part, &blob).map_err(|e| HubError::io("write", &blob, e))
    }

    /// Fetches the next piece of a file onto the end of `target`.
    fn piece(
        &self,
        url: &str,
        file: &HubFile,
        target: &mut File,
        done: &mut u64,
        mut progress: impl FnMut(u64),
    ) -> Result<(), Broken> {
        let last = (*done + PIECE_BYTES).min(file.n_bytes) - 1;
        let range = format!("bytes={}-{last}", *done);
        let mut response = self
            .get(url, Some(&range))
            .map_err(|e| Broken::Line(e.to_string()))?;
        let status = response.status().as_u16();
        match status {
            206 => {}
            // The whole file, whatever was asked: start again.
            200 => *done = 0,
            500..=599 | 429 => return Err(Broken::Line(format!("status {status}"))),
            _ => {
                self.check(status, None).map_err(Broken::Final)?;
                return Err(Broken::Final(self.answer(format!(
                    "the hub answers {} with status {status}",
                    file.path
                ))));
            }
        }
        target.set_len(*done).map_err(Broken::Disk)?;
        target.seek(SeekFrom::Start(*done)).map_err(Broken::Disk)?;
        let mut body = response.body_mut().as_reader();
        let mut buffer = vec![0; 1 << 16];
        loop {
            let n = match body.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(n) => n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(Broken::Line(e.to_string())),
            };
            if *done + n as u64 > file.n_bytes {
                return Err(Broken::Final(self.answer(format!(
                    "{} is longer than the {} bytes that the hub lists",
                    file.path, file.n_bytes
                ))));
            }
            target.write_all(&buffer[..n]).map_err(Broken::Disk)?;
            *done += n as u64;
            progress(*done);
        }
    }

    fn get(
        &self,
        url: &str,
        range: Option<&str>,
    ) -> Result<ureq::http::Response<ureq::Body>, ureq::Error> {
        let mut request = self.agent.get(url);
        if let Some(token) = &self.options.token {
            request = request.header("Authorization", format!("Bearer {}", token.secret()));
        }
        if let Some(range) = range {
            request = request
                .header("Range", range)
                .header("Accept-Encoding", "identity");
        }
        request.call()
    }

    /// The error for a status that is no success.
    fn check(&self, status: u16, revision: Option<&str>) -> Result<(), HubError> {
        let Repo { kind, name } = self.repo.clone();
        let endpoint = self.options.endpoint.clone();
        match status {
            200..=299 => Ok(()),
            403 => Err(HubError::Forbidden {
                kind,
                name,
                status,
                endpoint,
            }),
            401 | 404 => Err(HubError::NotOnHub {
                kind,
                near: cache::near(&self.options.cache, kind, &name),
                name,
                revision: revision.filter(|r| *r != cache::MAIN).map(str::to_owned),
                endpoint,
            }),
            429 => Err(self.answer(
                "the hub asks to slow down (status 429); wait a while, or set HF_TOKEN".to_owned(),
            )),
            _ => Err(self.answer(format!("{endpoint} answers with status {status}"))),
        }
    }

    /// The error for an answer that is not what was asked for.
    pub(crate) fn answer(&self, message: String) -> HubError {
        HubError::Answer {
            kind: self.repo.kind,
            name: self.repo.name.clone(),
            message,
        }
    }

    fn unreachable(&self, cause: &dyn std::fmt::Display) -> HubError {
        HubError::Unreachable {
            kind: self.repo.kind,
            name: self.repo.name.clone(),
            cache: self.options.cache.clone(),
            endpoint: self.options.endpoint.clone(),
            cause: cause.to_string(),
        }
    }
}

/// Why a piece did not arrive.
enum Broken {
    /// The connection, or a server that may answer later: worth another try.
    Line(String),
    /// The disk.
    Disk(std::io::Error),
    /// Nothing that another try would mend.
    Final(HubError),
}

/// Holds the lock of one content until dropped; waits for whoever has it.
fn lock(cache: &Path, repo: &Repo, blob: &str) -> Result<File, HubError> {
    let folder = cache.join(".locks").join(repo.folder_name());
    std::fs::create_dir_all(&folder).map_err(|e| HubError::io("write", &folder, e))?;
    let path = folder.join(format!("{blob}.lock"));
    let fail = |e| HubError::io("write", &path, e);
    let file = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(false)
        .open(&path)
        .map_err(fail)?;
    match file.lock() {
        Ok(()) => Ok(file),
        // Some network file systems know no locks: the rename at the end still keeps files whole.
        Err(e) if e.kind() == std::io::ErrorKind::Unsupported => Ok(file),
        Err(e) => Err(fail(e)),
    }
}

fn sha256(file: &mut File) -> std::io::Result<String> {
    file.seek(SeekFrom::Start(0))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            break;
        }
        hash.update(&buffer[..n]);
    }
    Ok(hash.finalize().iter().map(|b| format!("{b:02x}")).collect())
}

/// Writes a text into an address; a revision's slashes are escaped, a path's are not.
fn in_url(text: &str, escape_slash: bool) -> String {
    let mut url = String::with_capacity(text.len());
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'_' | b'.' | b'~')
            || (byte == b'/' && !escape_slash);
        if plain {
            url.push(char::from(byte));
        } else {
            url.push_str(&format!("%{byte:02X}"));
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_escaped() {
        assert_eq!(
            in_url("refs/convert/parquet", true),
            "refs%2Fconvert%2Fparquet"
        );
        assert_eq!(
            in_url("data/a b#1.parquet", false),
            "data/a%20b%231.parquet"
        );
    }
}
