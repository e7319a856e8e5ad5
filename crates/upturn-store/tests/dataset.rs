//! Rows as the Python library `datasets` reads them, folders as the hub lays them out, and bad files.

use std::path::{Path, PathBuf};

use upturn_store::dataset::{RowOptions, hub_layout, read_files, read_rows, read_rows_with};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/datasets")
}

/// Every file that has its expected rows beside it, read and written as JSON lines.
#[test]
fn rows_are_those_of_the_python_library() {
    let mut n = 0;
    let mut names: Vec<String> = std::fs::read_dir(fixtures())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".expected.jsonl").map(str::to_owned))
        .collect();
    names.sort();
    for name in names {
        let options = RowOptions {
            field: name.starts_with("field").then_some("data"),
            delimiter: name.starts_with("semicolon").then_some(b';'),
        };
        let rows = read_rows_with(&fixtures().join(&name), &options)
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        let expected =
            std::fs::read_to_string(fixtures().join(format!("{name}.expected.jsonl"))).unwrap();
        let expected: Vec<&str> = expected.split_terminator('\n').collect();
        assert_eq!(rows.len(), expected.len(), "{name}");
        for (row, expected) in rows.iter().zip(expected) {
            // Through JSON on both sides: 1 and 1.0 differ, and so does the order of keys.
            let expected: serde_json::Value = serde_json::from_str(expected).unwrap();
            let found = serde_json::to_string(row).unwrap();
            assert_eq!(found, serde_json::to_string(&expected).unwrap(), "{name}");
        }
        n += 1;
    }
    assert!(n >= 28, "{n} files");
}

#[test]
fn several_files_are_one_table() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let files = [
        write("a.jsonl", "{\"a\": 1}\n"),
        write("b.jsonl", "{\"b\": \"x\", \"a\": 2.5}\n"),
    ];
    let rows = read_files(&files, &RowOptions::default()).unwrap();
    assert_eq!(
        serde_json::to_string(&rows).unwrap(),
        r#"[{"a":1.0,"b":null},{"a":2.5,"b":"x"}]"#
    );
}

#[test]
fn bad_files_are_one_line_with_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let said = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let e = read_rows(&path).unwrap_err().to_string();
        assert!(!e.contains('\n'), "{e}");
        let prefix = format!("{}: ", path.display());
        e.strip_prefix(&prefix)
            .unwrap_or_else(|| panic!("{e}"))
            .to_owned()
    };
    assert_eq!(
        said("a.jsonl", b"{\"a\": 1}\n{\"a\": nope}\n"),
        "line 2, column 8: is no JSON: expected ident"
    );
    assert_eq!(
        said("b.jsonl", b"{\"a\": 1}\n{\"a\": 1"),
        "line 2, column 7: ends in the middle; expected whole JSON (copy or write the file again)"
    );
    assert_eq!(
        said("c.jsonl", b"{\"a\": 1}\n5\n"),
        "row 2: is a number; expected an object"
    );
    assert_eq!(
        said("d.json", b"[{\"a\": 1}, 5]"),
        "line 1, column 13: row 2 is a number; expected an object"
    );
    assert_eq!(
        said("e.csv", b"a,b\n1,2\n1,2,3\n"),
        "line 3: has 3 fields; expected 2, as in the header"
    );
    assert_eq!(
        said("f.csv", b"a,b\n1,\xff\n"),
        "line 2: is not UTF-8; convert it (for example: iconv -f latin1 -t utf-8)"
    );
    assert!(said("g.txt", b"ab\xff").starts_with("byte 2: is not UTF-8"));
    assert!(said("h.parquet", b"PAR1 is not enough").contains("cannot be read as Parquet"));
    assert!(
        said("i.xlsx", b"PK").starts_with("not a kind of file that is read; expected .parquet")
    );
    assert!(said("j.jsonl", b"\xff\xfe{\0").starts_with("is UTF-16"));
    assert!(said("k.jsonl", b"\x28\xb5\x2f\xfd...").starts_with("is compressed with zstd"));
    let deep = "[".repeat(10_000);
    assert!(said("l.json", deep.as_bytes()).contains("recursion limit"));
    let lost = read_rows(Path::new("no/such.csv")).unwrap_err().to_string();
    assert!(lost.starts_with("cannot read no/such.csv: "), "{lost}");
}

#[test]
fn damaged_parquet_is_refused_or_read_but_never_a_panic() {
    let bytes = std::fs::read(fixtures().join("types.parquet")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("d.parquet");
    for at in (0..bytes.len()).step_by(37) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x55;
        std::fs::write(&path, &damaged).unwrap();
        let _ = read_rows(&path);
    }
}

/// A folder with these (empty) files.
fn tree(files: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in files {
        let path = folder.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }
    folder
}

/// The files found, relative, or the error.
fn find(
    folder: &tempfile::TempDir,
    config: Option<&str>,
    split: &str,
) -> Result<Vec<String>, String> {
    hub_layout(folder.path(), config, split)
        .map(|files| {
            files
                .iter()
                .map(|f| {
                    f.strip_prefix(folder.path())
                        .unwrap()
                        .to_str()
                        .unwrap()
                        .to_owned()
                })
                .collect()
        })
        .map_err(|e| {
            e.to_string()
                .replace(&folder.path().display().to_string(), "DIR")
        })
}

fn ok(files: &[&str]) -> Result<Vec<String>, String> {
    Ok(files.iter().map(|f| (*f).to_owned()).collect())
}

#[test]
fn shards_in_data() {
    let folder = tree(&[
        "README.md",
        "dataset_infos.json",
        "data/test-00000-of-00002.parquet",
        "data/test-00001-of-00002-a1b2.parquet",
        "data/auxiliary_train-00000-of-00001.parquet",
        "data/dev-00000-of-00001.parquet",
        ".cache/test-00000-of-00001.parquet",
    ]);
    assert_eq!(
        find(&folder, None, "test"),
        ok(&[
            "data/test-00000-of-00002.parquet",
            "data/test-00001-of-00002-a1b2.parquet"
        ])
    );
    assert_eq!(
        find(&folder, None, "validation"),
        ok(&["data/dev-00000-of-00001.parquet"])
    );
    assert_eq!(
        find(&folder, Some("default"), "auxiliary_train"),
        ok(&["data/auxiliary_train-00000-of-00001.parquet"])
    );
    assert_eq!(
        find(&folder, None, "train"),
        Err("DIR: no files of the split 'train'; there is auxiliary_train, dev, test".to_owned())
    );
}

#[test]
fn configurations_in_folders() {
    let folder = tree(&[
        "ARC-Easy/test-00000-of-00001.parquet",
        "ARC-Easy/validation-00000-of-00001.parquet",
        "ARC-Challenge/test-00000-of-00001.parquet",
    ]);
    assert_eq!(
        find(&folder, Some("ARC-Easy"), "test"),
        ok(&["ARC-Easy/test-00000-of-00001.parquet"])
    );
    assert_eq!(
        find(&folder, None, "test"),
        Err("DIR: several configurations, and none is named (dataset_name); there is ARC-Challenge, ARC-Easy".to_owned())
    );
    assert_eq!(
        find(&folder, Some("ARC"), "test"),
        Err("DIR: no configuration 'ARC'; there is ARC-Challenge, ARC-Easy".to_owned())
    );
    let converted = tree(&[
        "default/partial-train/0000.parquet",
        "default/partial-train/0001.parquet",
        "default/test/0000.parquet",
    ]);
    assert_eq!(
        find(&converted, None, "train"),
        ok(&[
            "default/partial-train/0000.parquet",
            "default/partial-train/0001.parquet"
        ])
    );
    assert_eq!(
        find(&converted, Some("default"), "test"),
        ok(&["default/test/0000.parquet"])
    );
}

#[test]
fn front_matter_leads_to_files_of_any_name() {
    let folder = tree(&[
        "main/a-1.jsonl",
        "main/b.jsonl",
        "socratic/a-1.jsonl",
        "x/_t.csv",
    ]);
    std::fs::write(
        folder.path().join("README.md"),
        "---\nconfigs:\n- config_name: main\n  default: true\n  data_files:\n  - split: train\n    path: main/a-*\n  - split: test\n    path: main/b.jsonl\n- config_name: socratic\n  data_files: socratic/*\n- config_name: hidden\n  data_dir: x\n  data_files:\n  - {split: test, path: _t.csv}\n---\n",
    )
    .unwrap();
    assert_eq!(find(&folder, None, "train"), ok(&["main/a-1.jsonl"]));
    assert_eq!(find(&folder, Some("main"), "test"), ok(&["main/b.jsonl"]));
    assert_eq!(
        find(&folder, Some("socratic"), "train"),
        ok(&["socratic/a-1.jsonl"])
    );
    assert_eq!(find(&folder, Some("hidden"), "test"), ok(&["x/_t.csv"]));
    assert_eq!(
        find(&folder, Some("main"), "validation"),
        Err("DIR: no files of the split 'validation' of the configuration 'main'; there is train, test".to_owned())
    );
    std::fs::remove_file(folder.path().join("main/b.jsonl")).unwrap();
    assert_eq!(
        find(&folder, None, "test"),
        Err("DIR: no files of the split 'test'; there is no file like main/b.jsonl".to_owned())
    );
}

#[test]
fn words_for_splits_in_names_and_folders() {
    let names = tree(&[
        "gsm_test.jsonl",
        "gsm_val.jsonl",
        "gsm_training.jsonl",
        "latest.jsonl",
    ]);
    assert_eq!(find(&names, None, "test"), ok(&["gsm_test.jsonl"]));
    assert_eq!(find(&names, None, "validation"), ok(&["gsm_val.jsonl"]));
    assert_eq!(find(&names, None, "train"), ok(&["gsm_training.jsonl"]));
    let folders = tree(&["test/a.csv", "test/b.csv", "train/a.csv", "train/a.parquet"]);
    assert_eq!(
        find(&folders, None, "test"),
        ok(&["test/a.csv", "test/b.csv"])
    );
    assert_eq!(find(&folders, None, "train"), ok(&["train/a.parquet"]));
    let plain = tree(&["some.csv"]);
    assert_eq!(find(&plain, None, "train"), ok(&["some.csv"]));
    assert_eq!(
        find(&plain, None, "test"),
        Err("DIR: no files of the split 'test'; there is some".to_owned())
    );
    let by_config = tree(&["main_test.jsonl", "other_test.jsonl"]);
    assert_eq!(
        find(&by_config, Some("main"), "test"),
        ok(&["main_test.jsonl"])
    );
}
