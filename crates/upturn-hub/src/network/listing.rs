//! The hub's list of the files of a revision.

use serde_json::Value;

/// A file of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HubFile {
    /// Path in the repository, with `/`.
    pub(crate) path: String,
    /// Name of its content in the cache: the SHA-256 of a large file, the git hash of a small one.
    pub(crate) blob: String,
    /// Bytes.
    pub(crate) n_bytes: u64,
    /// SHA-256 of the content, where the hub says it.
    pub(crate) sha256: Option<String>,
}

/// The files of one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listing {
    pub(crate) commit: String,
    pub(crate) files: Vec<HubFile>,
}

/// Reads the hub's answer; the error is what is wrong with it.
///
/// A path that leaves its folder, or a content's name that is not one, refuses the whole
/// answer: both become names on disk.
pub(crate) fn parse(bytes: &[u8]) -> Result<Listing, String> {
    let json: Value =
        serde_json::from_slice(bytes).map_err(|e| format!("its list of files is no JSON: {e}"))?;
    let commit = json
        .get("sha")
        .and_then(Value::as_str)
        .filter(|sha| is_hex(sha))
        .ok_or("its list of files names no commit")?;
    let siblings = json
        .get("siblings")
        .and_then(Value::as_array)
        .ok_or("its list of files is missing")?;
    let files = siblings.iter().map(file).collect::<Result<_, String>>()?;
    Ok(Listing {
        commit: commit.to_owned(),
        files,
    })
}

fn file(sibling: &Value) -> Result<HubFile, String> {
    let text = |value: &Value, key: &str| value.get(key)?.as_str().map(str::to_owned);
    let path = text(sibling, "rfilename").ok_or("a file in its list has no name")?;
    if !is_inside(&path) {
        return Err(format!("a file in its list is named {path:?}"));
    }
    let lfs = sibling.get("lfs").filter(|l| l.is_object());
    let sha256 = lfs.and_then(|l| text(l, "sha256"));
    let blob = sha256
        .clone()
        .or_else(|| text(sibling, "blobId"))
        .filter(|b| is_hex(b))
        .ok_or_else(|| format!("its list of files gives no hash of {path}"))?;
    let n_bytes = lfs
        .and_then(|l| l.get("size"))
        .or_else(|| sibling.get("size"))
        .and_then(Value::as_u64)
        .ok_or_else(|| format!("its list of files gives no size of {path}"))?;
    Ok(HubFile {
        path,
        blob,
        n_bytes,
        sha256,
    })
}

fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn is_inside(path: &str) -> bool {
    !path.is_empty()
        && !path.contains(['\\', ':', '\0'])
        && path
            .split('/')
            .all(|part| !part.is_empty() && part != "." && part != "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(file: &str) -> Result<Listing, String> {
        parse(format!(r#"{{"sha": "abc123", "siblings": [{file}]}}"#).as_bytes())
    }

    #[test]
    fn small_and_large_files() {
        let small = listing(r#"{"rfilename": "config.json", "size": 5, "blobId": "aa"}"#).unwrap();
        assert_eq!(small.files[0].blob, "aa");
        assert_eq!(small.files[0].sha256, None);
        let large = listing(
            r#"{"rfilename": "m.safetensors", "size": 1, "blobId": "aa", "lfs": {"sha256": "bb", "size": 9}}"#,
        )
        .unwrap();
        assert_eq!(large.files[0].blob, "bb");
        assert_eq!(large.files[0].n_bytes, 9);
    }

    #[test]
    fn names_that_would_leave_the_cache_are_refused() {
        for path in ["../x", "/etc/passwd", "a/../../b", "c:x", ""] {
            let file = format!(r#"{{"rfilename": "{path}", "size": 5, "blobId": "aa"}}"#);
            assert!(listing(&file).is_err(), "{path}");
        }
        assert!(listing(r#"{"rfilename": "a", "size": 5, "blobId": "../aa"}"#).is_err());
        assert!(parse(br#"{"sha": "../x", "siblings": []}"#).is_err());
        assert!(parse(b"<html>").is_err());
    }
}
