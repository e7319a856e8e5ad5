//! Downloads from a server of our own: layout, resuming, damage, and no hub at all.
#![cfg(feature = "network")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use upturn_hub::{HubError, Options, Token, resolve_dataset, resolve_model};

const COMMIT: &str = "0123456789012345678901234567890123456789";
/// SHA-256 of `weights`.
const WEIGHTS_SHA: &str = "9d5c0ca6c0ac7d4dcab1cfcc2ad2ce5a9f4b5c5d1a3ab0a3b6f0f4a5a5b1b6a4";

/// A hub of a few paths; every request line and header is kept.
struct Server {
    address: String,
    requests: Arc<Mutex<Vec<String>>>,
}

/// What the server does with a file.
#[derive(Clone)]
struct Page {
    status: u16,
    body: Vec<u8>,
    /// Close the line after so many bytes, the first time.
    cut: Option<usize>,
}

fn page(body: impl Into<Vec<u8>>) -> Page {
    Page {
        status: 200,
        body: body.into(),
        cut: None,
    }
}

fn serve(pages: BTreeMap<String, Page>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&requests);
    std::thread::spawn(move || {
        let mut pages = pages;
        for stream in listener.incoming().flatten() {
            answer(stream, &mut pages, &seen);
        }
    });
    Server { address, requests }
}

fn answer(mut stream: TcpStream, pages: &mut BTreeMap<String, Page>, seen: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
            break;
        }
        head.push_str(&line);
    }
    seen.lock().unwrap().push(head.clone());
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let (status, body, cut, range) = match pages.get_mut(&path) {
        None => (404, b"none".to_vec(), None, None),
        Some(page) => {
            let range = head
                .lines()
                .find_map(|l| {
                    l.to_lowercase()
                        .strip_prefix("range: bytes=")
                        .map(str::to_owned)
                })
                .map(|r| {
                    let (from, to) = r.trim().split_once('-').unwrap();
                    (from.parse::<usize>().unwrap(), to.parse::<usize>().unwrap())
                });
            let body = match range {
                Some((from, to)) => page.body[from..=to.min(page.body.len() - 1)].to_vec(),
                None => page.body.clone(),
            };
            let status = if range.is_some() && page.status == 200 {
                206
            } else {
                page.status
            };
            (status, body, page.cut.take(), range)
        }
    };
    let _range = range;
    let sent = &body[..cut.unwrap_or(body.len()).min(body.len())];
    let _ = write!(
        stream,
        "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(sent);
}

fn options(cache: &Path, endpoint: &str) -> Options<'static> {
    Options {
        cache: cache.to_path_buf(),
        models_offline: None,
        datasets_offline: None,
        endpoint: endpoint.to_owned(),
        token: Token::new("hf_secret"),
        connect_timeout: Duration::from_secs(2),
        read_timeout: Duration::from_secs(2),
        progress: None,
    }
}

/// The listing of a repository of these files: name, body, SHA-256 of large ones.
fn listing(files: &[(&str, usize, Option<&str>)]) -> String {
    let files: Vec<String> = files
        .iter()
        .enumerate()
        .map(|(i, (name, size, sha))| match sha {
            None => format!(r#"{{"rfilename": "{name}", "size": {size}, "blobId": "b{i}"}}"#),
            Some(sha) => format!(
                r#"{{"rfilename": "{name}", "size": 130, "blobId": "b{i}", "lfs": {{"sha256": "{sha}", "size": {size}}}}}"#
            ),
        })
        .collect();
    format!(
        r#"{{"sha": "{COMMIT}", "siblings": [{}]}}"#,
        files.join(", ")
    )
}

fn model(weights_cut: Option<usize>, sha: &str) -> BTreeMap<String, Page> {
    let list = listing(&[
        ("config.json", 2, None),
        ("README.md", 2, None),
        ("model.safetensors", 7, Some(sha)),
    ]);
    let at = |file: &str| format!("/org/tiny/resolve/{COMMIT}/{file}");
    BTreeMap::from([
        (
            "/api/models/org/tiny/revision/main?blobs=true".to_owned(),
            page(list),
        ),
        (at("config.json"), page("{}")),
        (
            at("model.safetensors"),
            Page {
                cut: weights_cut,
                ..page("weights")
            },
        ),
    ])
}

fn sha_of_weights() -> String {
    use sha2::Digest;
    sha2::Sha256::digest(b"weights")
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

#[test]
fn a_model_is_fetched_into_the_layout_of_the_python_client() {
    let cache = tempfile::tempdir().unwrap();
    let sha = sha_of_weights();
    let server = serve(model(Some(3), &sha));
    let options = options(cache.path(), &server.address);
    let folder = resolve_model("org/tiny", None, &options).unwrap();
    let repo = cache.path().join("models--org--tiny");
    assert_eq!(folder, repo.join("snapshots").join(COMMIT));
    assert_eq!(
        std::fs::read(folder.join("model.safetensors")).unwrap(),
        b"weights"
    );
    assert_eq!(std::fs::read(folder.join("config.json")).unwrap(), b"{}");
    assert!(!folder.join("README.md").exists(), "not needed");
    assert_eq!(
        std::fs::read_to_string(repo.join("refs/main")).unwrap(),
        COMMIT
    );
    assert_eq!(
        std::fs::read(repo.join("blobs").join(&sha)).unwrap(),
        b"weights"
    );
    #[cfg(unix)]
    assert_eq!(
        std::fs::read_link(folder.join("model.safetensors")).unwrap(),
        Path::new("../../blobs").join(&sha)
    );
    let requests = server.requests.lock().unwrap().clone();
    let of_weights: Vec<&String> = requests
        .iter()
        .filter(|r| r.contains("model.safetensors"))
        .collect();
    assert_eq!(of_weights.len(), 2, "cut once, taken up once");
    assert!(
        of_weights[1].to_lowercase().contains("range: bytes=3-6"),
        "{}",
        of_weights[1]
    );
    assert!(requests.iter().all(|r| r.contains("Bearer hf_secret")));
    // From here on the cache is enough.
    assert_eq!(resolve_model("org/tiny", None, &options).unwrap(), folder);
    assert_eq!(server.requests.lock().unwrap().len(), requests.len());
}

#[test]
fn a_damaged_file_is_refused_and_no_branch_leads_to_it() {
    assert_ne!(sha_of_weights(), WEIGHTS_SHA);
    let cache = tempfile::tempdir().unwrap();
    let server = serve(model(None, WEIGHTS_SHA));
    let e = resolve_model("org/tiny", None, &options(cache.path(), &server.address)).unwrap_err();
    assert!(
        e.to_string().contains("model.safetensors arrived damaged"),
        "{e}"
    );
    let repo = cache.path().join("models--org--tiny");
    assert!(!repo.join("refs").exists());
    assert!(!repo.join("snapshots").exists());
    assert!(!repo.join("blobs").join(WEIGHTS_SHA).exists());
}

#[test]
fn a_script_of_a_data_set_is_replaced_by_the_hubs_conversion() {
    let cache = tempfile::tempdir().unwrap();
    let main = listing(&[("README.md", 1, None), ("set.py", 1, None)]);
    let converted = listing(&[
        ("a/test/0000.parquet", 4, None),
        ("b/test/0000.parquet", 4, None),
    ]);
    let at = |file: &str| format!("/datasets/org/set/resolve/{COMMIT}/{file}");
    let server = serve(BTreeMap::from([
        (
            "/api/datasets/org/set/revision/main?blobs=true".to_owned(),
            page(main),
        ),
        (
            "/api/datasets/org/set/revision/refs%2Fconvert%2Fparquet?blobs=true".to_owned(),
            page(converted),
        ),
        (at("a/test/0000.parquet"), page("PAR1")),
    ]));
    let options = options(cache.path(), &server.address);
    let folder = resolve_dataset("org/set", Some("a"), None, &options).unwrap();
    assert_eq!(
        std::fs::read(folder.join("a/test/0000.parquet")).unwrap(),
        b"PAR1"
    );
    assert!(!folder.join("b").exists());
    assert_eq!(
        resolve_dataset("org/set", Some("a"), None, &options).unwrap(),
        folder
    );
}

#[test]
fn refusals_say_what_to_do_and_keep_the_token() {
    let cache = tempfile::tempdir().unwrap();
    let server = serve(BTreeMap::from([(
        "/api/models/org/gated/revision/main?blobs=true".to_owned(),
        Page {
            status: 403,
            ..page("no")
        },
    )]));
    let options = options(cache.path(), &server.address);
    let gated = resolve_model("org/gated", None, &options)
        .unwrap_err()
        .to_string();
    assert!(gated.contains("accept its conditions on"), "{gated}");
    let lost = resolve_model("org/lost", None, &options).unwrap_err();
    assert!(matches!(lost, HubError::NotOnHub { .. }), "{lost}");
    assert!(!gated.contains("hf_secret") && !lost.to_string().contains("hf_secret"));
    assert!(!lost.to_string().contains('\n'));
}

#[test]
fn without_a_hub_it_ends_soon_and_says_how_to_mend_it() {
    let cache = tempfile::tempdir().unwrap();
    // A port that nobody listens on.
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let options = options(cache.path(), &format!("http://127.0.0.1:{port}"));
    let e = resolve_model("org/tiny", None, &options).unwrap_err();
    assert!(matches!(e, HubError::Unreachable { .. }), "{e}");
    let text = e.to_string();
    assert!(
        text.contains("HF_HOME") && text.contains("hf download org/tiny"),
        "{text}"
    );
    assert!(!text.contains('\n'));
}
