//! Names resolved in a cache made for the purpose, and folders that win over names.

use std::path::{Path, PathBuf};
use std::time::Duration;

use upturn_hub::{HubError, Options, resolve_dataset, resolve_model};

const A: &str = "aaaa567890123456789012345678901234567890";
const B: &str = "aaab567890123456789012345678901234567890";

/// Options that read `cache` and never go anywhere else.
fn offline(cache: &Path) -> Options<'static> {
    Options {
        cache: cache.to_path_buf(),
        models_offline: Some("HF_HUB_OFFLINE".to_owned()),
        datasets_offline: Some("HF_DATASETS_OFFLINE".to_owned()),
        endpoint: "http://127.0.0.1:9".to_owned(),
        token: None,
        connect_timeout: Duration::from_millis(200),
        read_timeout: Duration::from_millis(200),
        progress: None,
    }
}

fn write(path: PathBuf, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// A snapshot with these files, and the refs that lead to it.
fn snapshot(cache: &Path, repo: &str, commit: &str, refs: &[&str], files: &[&str]) -> PathBuf {
    let folder = cache.join(repo);
    for name in refs {
        write(folder.join("refs").join(name), commit);
    }
    let snapshot = folder.join("snapshots").join(commit);
    for file in files {
        write(snapshot.join(file), "{}");
    }
    snapshot
}

const MODEL: &[&str] = &["config.json", "model.safetensors", "tokenizer.json"];

#[test]
fn branches_tags_and_commits_lead_to_their_snapshots() {
    let cache = tempfile::tempdir().unwrap();
    let repo = "models--EleutherAI--pythia-14m";
    let a = snapshot(cache.path(), repo, A, &["main", "refs/pr/1"], MODEL);
    let b = snapshot(cache.path(), repo, B, &["step1000"], MODEL);
    let options = offline(cache.path());
    let find = |revision| resolve_model("EleutherAI/pythia-14m", revision, &options);
    assert_eq!(find(None).unwrap(), a);
    assert_eq!(find(Some("main")).unwrap(), a);
    assert_eq!(find(Some("refs/pr/1")).unwrap(), a);
    assert_eq!(find(Some("step1000")).unwrap(), b);
    assert_eq!(find(Some(B)).unwrap(), b);
    assert_eq!(find(Some("AAAB5")).unwrap(), b);
    let ambiguous = find(Some("aaa")).unwrap_err();
    assert!(
        matches!(ambiguous, HubError::NoRevision { .. }),
        "{ambiguous}"
    );
    let c = format!("{}f", &A[..39]);
    snapshot(cache.path(), repo, &c, &[], MODEL);
    let ambiguous = find(Some("aaaa5")).unwrap_err().to_string();
    assert!(
        ambiguous.contains(A) && ambiguous.contains(&c),
        "{ambiguous}"
    );
    let unknown = find(Some("step2000")).unwrap_err().to_string();
    assert_eq!(
        unknown,
        format!(
            "model 'EleutherAI/pythia-14m' is in the cache, but not its revision 'step2000' \
             (there is main, refs/pr/1, step1000, {A}, {c} and 1 more), and HF_HUB_OFFLINE forbids \
             fetching it; fetch it with 'hf download EleutherAI/pythia-14m --revision step2000', \
             or name a revision that is there"
        )
    );
    let bad = find(Some("../../etc")).unwrap_err();
    assert!(matches!(bad, HubError::BadRevision { .. }), "{bad}");
}

#[test]
fn what_is_not_there_is_said_in_one_line_with_near_names() {
    let cache = tempfile::tempdir().unwrap();
    snapshot(
        cache.path(),
        "models--EleutherAI--pythia-14m",
        A,
        &["main"],
        MODEL,
    );
    let options = offline(cache.path());
    let lost = resolve_model("EleutherAI/pithia-14m", None, &options)
        .unwrap_err()
        .to_string();
    assert_eq!(
        lost,
        format!(
            "model 'EleutherAI/pithia-14m' is not a folder and not in the cache {} \
             (near it: EleutherAI/pythia-14m), and HF_HUB_OFFLINE forbids fetching it; \
             fetch it with 'hf download EleutherAI/pithia-14m', or set HF_HOME to the cache that has it",
            cache.path().display()
        )
    );
    let set = resolve_dataset("cais/mmlu", None, None, &options)
        .unwrap_err()
        .to_string();
    assert!(
        set.starts_with("data set 'cais/mmlu' is not a folder"),
        "{set}"
    );
    assert!(set.contains("HF_DATASETS_OFFLINE"), "{set}");
    assert!(
        set.contains("hf download --repo-type dataset cais/mmlu"),
        "{set}"
    );
}

#[test]
fn a_model_that_is_not_whole_names_what_it_lacks() {
    let cache = tempfile::tempdir().unwrap();
    let options = offline(cache.path());
    let lacks = |name: &str| match resolve_model(name, None, &options) {
        Err(HubError::Incomplete { missing, .. }) => missing,
        other => panic!("{other:?}"),
    };
    snapshot(
        cache.path(),
        "models--bare",
        A,
        &["main"],
        &["config.json", "pytorch_model.bin"],
    );
    assert_eq!(lacks("bare"), ["weights in *.safetensors"]);
    let sharded = snapshot(
        cache.path(),
        "models--sharded",
        A,
        &["main"],
        &["config.json", "model-1.safetensors"],
    );
    write(
        sharded.join("model.safetensors.index.json"),
        r#"{"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors", "c": "model-2.safetensors"}}"#,
    );
    assert_eq!(lacks("sharded"), ["model-2.safetensors"]);
    write(sharded.join("model-2.safetensors"), "");
    assert_eq!(resolve_model("sharded", None, &options).unwrap(), sharded);
    // A branch whose snapshot is gone leads nowhere.
    write(cache.path().join("models--gone/refs/main"), A);
    let gone = resolve_model("gone", None, &options).unwrap_err();
    assert!(matches!(gone, HubError::NotCached { .. }), "{gone}");
}

#[test]
fn data_sets_by_part_and_by_the_hubs_conversion() {
    let cache = tempfile::tempdir().unwrap();
    let options = offline(cache.path());
    let arc = snapshot(
        cache.path(),
        "datasets--allenai--ai2_arc",
        A,
        &["main"],
        &["README.md", "ARC-Easy/test-00000-of-00001.parquet"],
    );
    let find = |config| resolve_dataset("allenai/ai2_arc", config, None, &options);
    assert_eq!(find(None).unwrap(), arc);
    assert_eq!(find(Some("ARC-Easy")).unwrap(), arc);
    // The front matter may lead a configuration to files of any name: the reader will tell.
    assert_eq!(find(Some("ARC-Challenge")).unwrap(), arc);

    snapshot(
        cache.path(),
        "datasets--script",
        A,
        &["main"],
        &["README.md", "script.py"],
    );
    let script = resolve_dataset("script", None, None, &options).unwrap_err();
    assert!(matches!(script, HubError::Incomplete { .. }), "{script}");
    let converted = snapshot(
        cache.path(),
        "datasets--script",
        B,
        &["refs/convert/parquet"],
        &["default/test/0000.parquet"],
    );
    assert_eq!(
        resolve_dataset("script", None, None, &options).unwrap(),
        converted
    );
}

#[test]
fn a_folder_wins_and_a_path_is_no_name() {
    let cache = tempfile::tempdir().unwrap();
    let options = offline(cache.path());
    let own = tempfile::tempdir().unwrap();
    let path = own.path().to_str().unwrap();
    assert_eq!(
        resolve_model(path, Some("any"), &options).unwrap(),
        own.path()
    );
    for lost in [
        "./nowhere",
        "/nowhere/at/all",
        "a/b/c",
        "~/models/x",
        "..\\x",
    ] {
        let e = resolve_model(lost, None, &options).unwrap_err();
        assert!(matches!(e, HubError::NoFolder { .. }), "{lost}: {e}");
    }
    // A name is a path where the folder that it would lie in is here, and says what is beside it.
    std::fs::create_dir_all(own.path().join("models/gpt2-24x1/deep")).unwrap();
    let at = |rest: &str| format!("{path}/{rest}");
    for (lost, meant) in [
        ("models/gpt2-24x2", "models/gpt2-24x1"),
        ("mdoels/gpt2-24x1", "models/gpt2-24x1"),
        ("mdoels/other", "models"),
        ("models/gpt2", "models/gpt2-24x1"),
    ] {
        let e = resolve_model(&at(lost), None, &options)
            .unwrap_err()
            .to_string();
        let wanted = format!("no such folder: {}; did you mean {}? ", at(lost), at(meant));
        assert!(e.starts_with(&wanted), "{e}");
    }
    // Relative to the folder of this crate, where the tests run.
    let e = resolve_model("src/no-model", None, &options).unwrap_err();
    assert!(matches!(e, HubError::NoFolder { .. }), "{e}");
    let e = resolve_model("nowhere/no-model", None, &options).unwrap_err();
    assert!(matches!(e, HubError::NotCached { .. }), "{e}");
    // What the cache has is known for certain.
    let cached = snapshot(cache.path(), "models--src--known", A, &["main"], MODEL);
    assert_eq!(resolve_model("src/known", None, &options).unwrap(), cached);
    let file = own.path().join("model.safetensors");
    std::fs::write(&file, "").unwrap();
    let e = resolve_model(file.to_str().unwrap(), None, &options).unwrap_err();
    assert!(matches!(e, HubError::NotAFolder { .. }), "{e}");
    let e = resolve_model("no such name", None, &options).unwrap_err();
    assert!(matches!(e, HubError::BadName { .. }), "{e}");
}
