//! Damaged and strange files: each is one clear line, and the rest is kept.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use upturn_catalog::Catalog;
use upturn_store::{Import, ReadOptions, read};
use upturn_types::Severity;

const GOOD: &str = r#"{"results": {"arc_easy": {"acc": 0.5, "acc_stderr": 0.01}},
    "config": {"model_args": "pretrained=EleutherAI/pythia-70m-deduped", "num_fewshot": 0}}"#;

const SAMPLE: &str = r#"{"doc_id": 0, "target": "0", "filtered_resps": [["-1.0", "True"], ["-2.0", "False"]], "filter": "none", "metrics": ["acc"], "acc": 1.0}"#;

/// A folder with one good results file of one row.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("good.json"), GOOD).unwrap();
    folder
}

fn import(inputs: &[&Path]) -> Import {
    let inputs: Vec<PathBuf> = inputs.iter().map(|p| p.to_path_buf()).collect();
    let options = ReadOptions {
        line_limit_bytes: 10_000,
        ..ReadOptions::default()
    };
    read(&inputs, &options, &Catalog::builtin())
}

/// Reads the folder: the good row is kept, and one line says what is wrong, without the folder's path.
fn one_line(folder: &TempDir) -> (Import, String) {
    let import = import(&[folder.path()]);
    assert!(
        import.measurements.iter().any(|m| &*m.task == "arc_easy"),
        "the good row was lost"
    );
    let lines: Vec<String> = import.diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    let line = lines[0].replace(&format!("{}/", folder.path().display()), "");
    (import, line)
}

fn check(name: &str, bytes: impl AsRef<[u8]>, expected: &str) {
    let folder = folder();
    fs::write(folder.path().join(name), bytes).unwrap();
    let (_, line) = one_line(&folder);
    assert_eq!(line, expected);
}

#[test]
fn truncated_json() {
    check(
        "cut.json",
        &GOOD[..60],
        "cut.json: byte 60: ends in the middle, after 60 bytes; \
         expected a whole JSON document; copy or write the file again",
    );
    // Cut before anything tells what the file is.
    check(
        "cut.json",
        "{\"resu",
        "cut.json: byte 6: ends in the middle, after 6 bytes; \
         expected a whole JSON document; copy or write the file again",
    );
}

#[test]
fn numbers_that_are_none() {
    for (value, shown) in [("NaN", "NaN"), ("1e400", "inf"), ("-Infinity", "-inf")] {
        let folder = folder();
        let json = GOOD
            .replace("0.5", value)
            .replace("\"acc_stderr\"", "\"acc_norm\": 0.25, \"acc_stderr\"")
            .replace("arc_easy", "piqa");
        fs::write(folder.path().join("odd.json"), json).unwrap();
        let (import, line) = one_line(&folder);
        assert_eq!(
            line,
            format!(
                "odd.json: results.piqa.acc: value {shown} is no score for acc; \
                 expected a fraction between 0 and 1"
            )
        );
        // The other score of the file is kept; all rows are counted.
        assert_eq!((import.measurements.len(), import.n_rows), (2, 3));
        assert_eq!((import.n_files, import.n_files_refused), (2, 0));
    }
}

#[test]
fn percentages() {
    check(
        "percent.json",
        GOOD.replace("0.5", "1.7"),
        "percent.json: results.arc_easy.acc: value 1.7 is out of range for acc; \
         expected a fraction between 0 and 1; divide percentages by 100, or set scale = 0.01 in the map",
    );
}

#[test]
fn latin1() {
    let mut bytes = GOOD.as_bytes().to_vec();
    bytes.splice(14..14, [0xe9]);
    check(
        "latin.json",
        bytes,
        "latin.json: byte 14: is not UTF-8; expected UTF-8 text; \
         convert the file (for example: iconv -f latin1 -t utf-8)",
    );
}

#[test]
fn an_over_long_line() {
    let text = format!("{SAMPLE}\n{}\n{SAMPLE}\n", "x".repeat(50_000));
    let folder = folder();
    let model = folder.path().join("EleutherAI__pythia-70m-deduped");
    fs::create_dir(&model).unwrap();
    fs::write(model.join("samples_piqa.jsonl"), text).unwrap();
    let (import, line) = one_line(&folder);
    assert_eq!(
        line,
        format!(
            "EleutherAI__pythia-70m-deduped/samples_piqa.jsonl: line 2, byte {}: a line of 50000 bytes; \
             expected lines of at most 10000 bytes; raise the limit on lines, or take the line out",
            SAMPLE.len() + 1
        )
    );
    let acc = import
        .measurements
        .iter()
        .find(|m| &*m.task == "piqa")
        .unwrap();
    assert_eq!((acc.n, acc.value), (Some(2), 1.0));
}

#[test]
fn a_quotation_mark_that_is_never_closed() {
    let header = "family,model,task,metric,value\n";
    let row = "F,m,t,acc,0.5\n";
    let folder = folder();
    let text = format!("{header}{row}F,m,u,acc,\"{}", "x".repeat(50_000));
    fs::write(folder.path().join("open.csv"), text).unwrap();
    let (import, line) = one_line(&folder);
    assert_eq!(
        line,
        "open.csv: line 3: a record is longer than 10000 bytes; expected shorter records; \
         look for a quotation mark that is never closed"
    );
    assert_eq!(import.measurements.len(), 2, "the row before it is kept");
    // Many short rows are no long row.
    fs::write(
        folder.path().join("open.csv"),
        header.to_owned() + &row.repeat(2_000),
    )
    .unwrap();
    assert_eq!(import_all(&folder).measurements.len(), 2_001);
}

fn import_all(folder: &TempDir) -> Import {
    let import = import(&[folder.path()]);
    assert!(import.diagnostics.is_empty(), "{:?}", import.diagnostics);
    import
}

#[test]
fn an_over_long_document() {
    check(
        "long.json",
        format!("{{\"results\": {{}}, \"x\": \"{}\"}}", "x".repeat(50_000)),
        "long.json: a JSON document of 50024 bytes; expected at most 10000 bytes; \
         raise the limit on lines, or take the file out",
    );
}

#[test]
fn tables_that_are_nearly_measurements() {
    check(
        "semicolons.csv",
        "family;model;task;metric;value\nF;m;t;acc;0.5\n",
        "semicolons.csv: the fields are not separated by commas; expected a CSV or Parquet file of \
         measurements; separate them by commas, or name the columns with --map FILE.toml",
    );
    check(
        "no_value.csv",
        "family,model,task,metric,acc\nF,m,t,acc,0.5\n",
        "no_value.csv: a table of measurements without value; expected the columns family, model, \
         task, metric, value; add what is missing, or name the columns with --map FILE.toml",
    );
    check(
        "no_rows.csv",
        "family,model,task,metric,value\n",
        "no_rows.csv: a header without rows; expected one row for each score",
    );
}

#[test]
fn utf16_is_named() {
    let folder = folder();
    let path = folder.path().join("wide.csv");
    let text = "\u{feff}family,model,task,metric,value\nF,m,t,acc,0.5\n";
    let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(&path, bytes).unwrap();
    let import = import(&[&path]);
    let lines: Vec<String> = import.diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].contains("UTF-16") && lines[0].contains("iconv"),
        "{lines:?}"
    );
}

#[test]
fn empty_files() {
    check("empty.json", "", "empty.json: the file is empty");
    check("blank.csv", "\n \n", "blank.csv: the file is empty");
}

#[test]
fn a_folder_named_like_a_file() {
    let folder = folder();
    let odd = folder.path().join("results.json");
    fs::create_dir(&odd).unwrap();
    let both = import(&[folder.path(), &odd]);
    assert_eq!(both.measurements.len(), 1);
    let lines: Vec<String> = both.diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [format!(
            "{}: the folder holds no files; expected results files, in it or below it",
            odd.display()
        )]
    );
}

#[test]
fn an_empty_folder() {
    let empty = tempfile::tempdir().unwrap();
    fs::write(empty.path().join(".hidden.json"), GOOD).unwrap();
    let import = import(&[empty.path()]);
    assert_eq!(import.diagnostics.len(), 1);
    assert_eq!(import.diagnostics[0].severity, Severity::Error);
    assert!(import.diagnostics[0].to_string().contains("holds no files"));
}

#[test]
fn files_that_are_not_there() {
    let folder = folder();
    let gone = folder.path().join("gone.json");
    let import = import(&[&folder.path().join("good.json"), &gone]);
    assert_eq!((import.measurements.len(), import.n_files_refused), (1, 1));
    assert_eq!(import.diagnostics.len(), 1);
    let line = import.diagnostics[0].to_string();
    assert!(
        line.starts_with(&format!("{}: cannot be read: ", gone.display())),
        "{line}"
    );
}

#[cfg(unix)]
#[test]
fn loops_of_links() {
    let folder = folder();
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).unwrap();
    std::os::unix::fs::symlink(folder.path(), inner.join("loop")).unwrap();
    let (_, line) = one_line(&folder);
    assert_eq!(
        line,
        format!(
            "inner/loop: links back to {}; not followed",
            folder.path().display()
        )
    );
}

#[cfg(unix)]
#[test]
fn unreadable_files() {
    use std::os::unix::fs::PermissionsExt;
    let dangling = folder();
    std::os::unix::fs::symlink("nowhere", dangling.path().join("link.json")).unwrap();
    let (_, line) = one_line(&dangling);
    assert!(line.starts_with("link.json: cannot be read: "), "{line}");

    let locked = folder();
    let path = locked.path().join("locked.json");
    fs::write(&path, GOOD).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    // The superuser reads it all the same.
    if fs::File::open(&path).is_err() {
        let (import, line) = one_line(&locked);
        assert!(line.starts_with("locked.json: cannot be read: "), "{line}");
        assert_eq!(import.n_files_refused, 1);
    }
}

#[cfg(unix)]
#[test]
fn pipes_are_not_waited_for() {
    let folder = folder();
    let socket = folder.path().join("socket.json");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let import = import(&[folder.path(), &socket]);
    assert_eq!(import.measurements.len(), 1);
    let lines: Vec<String> = import.diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [format!("{}: is no file and no folder", socket.display())]
    );
}

#[test]
fn files_of_no_known_format_are_counted_not_refused() {
    let folder = folder();
    fs::write(
        folder.path().join("README.md"),
        "# Results, of a run\n\nMade by hand.\n",
    )
    .unwrap();
    fs::write(folder.path().join("log.txt"), "step 1\n").unwrap();
    fs::write(folder.path().join("other.json"), "{\"a\": 1}").unwrap();
    fs::write(
        folder.path().join("lines.jsonl"),
        "{\"a\": 1}\n{\"a\": 2}\n",
    )
    .unwrap();
    let (import, line) = one_line(&folder);
    assert_eq!(line, "4 files of no known format skipped");
    assert_eq!(import.diagnostics[0].severity, Severity::Note);
    assert_eq!(import.n_files, 1);

    for name in ["README.md", "other.json", "lines.jsonl"] {
        let named = self::import(&[&folder.path().join(name)]);
        assert_eq!(named.diagnostics.len(), 1, "{name}");
        assert_eq!(named.diagnostics[0].severity, Severity::Error, "{name}");
    }
}

#[test]
fn tables_without_a_map_show_their_header() {
    check(
        "scores.csv",
        "Model,Size,Score\na,7,0.5\nb,8,0.6\n",
        "scores.csv: a table with the columns Model, Size, Score; name its columns with --map FILE.toml",
    );
}

#[test]
fn a_file_met_twice_is_read_once() {
    let folder = folder();
    let import = import(&[folder.path(), &folder.path().join("good.json")]);
    assert_eq!((import.measurements.len(), import.n_files), (1, 1));
}

#[test]
fn sources_are_named_after_inputs() {
    let folder = tempfile::tempdir().unwrap();
    for (run, model) in [("a", "pythia-70m-deduped"), ("b", "pythia-160m-deduped")] {
        let run = folder.path().join("ladder").join(run);
        fs::create_dir_all(&run).unwrap();
        fs::write(
            run.join("results.json"),
            GOOD.replace("pythia-70m-deduped", model),
        )
        .unwrap();
    }
    let ladder = folder.path().join("ladder");
    let sources = |inputs: &[&Path]| -> Vec<String> {
        import(inputs)
            .measurements
            .iter()
            .map(|m| m.source.to_string())
            .collect()
    };
    assert_eq!(sources(&[&ladder]), ["ladder", "ladder"]);
    let (a, b) = (ladder.join("a"), ladder.join("b"));
    assert_eq!(sources(&[&a, &b]), ["a", "b"]);
    // One file is its own data set; several runs named one by one are one together.
    let (a, b) = (a.join("results.json"), b.join("results.json"));
    assert_eq!(sources(&[&a]), ["results"]);
    assert_eq!(sources(&[&a, &b]), ["ladder", "ladder"]);
}

#[test]
fn progress_ends_with_all_files() {
    let folder = folder();
    fs::write(folder.path().join("more.json"), GOOD).unwrap();
    let seen = std::sync::Mutex::new(Vec::new());
    let report = |done: usize, all: usize| seen.lock().unwrap().push((done, all));
    let options = ReadOptions {
        progress: Some(&report),
        jobs: Some(2),
        ..ReadOptions::default()
    };
    let import = read(
        &[folder.path().to_path_buf()],
        &options,
        &Catalog::builtin(),
    );
    assert_eq!(import.n_files, 2);
    let mut seen = seen.into_inner().unwrap();
    seen.sort_unstable();
    assert_eq!(seen, [(1, 2), (2, 2)]);
}

#[test]
fn a_million_bad_rows_are_counted_not_listed() {
    let dir = tempfile::tempdir().unwrap();
    let mut table = String::from("family,model,task,metric,value\n");
    for i in 0..5_000 {
        table.push_str(if i % 2 == 0 {
            "F,m,t,acc,x\n"
        } else {
            "F,m,t,acc,1.7\n"
        });
    }
    table.push_str("F,m,t,acc,0.5\n");
    let file = dir.path().join("scores.csv");
    std::fs::write(&file, table).unwrap();
    let import = read(&[file], &ReadOptions::default(), &Catalog::builtin());
    assert_eq!((import.measurements.len(), import.n_rows), (1, 5_001));
    assert!(
        import.diagnostics.len() < 120,
        "{}",
        import.diagnostics.len()
    );
    let last = import.diagnostics.last().unwrap().to_string();
    assert!(last.contains("and 4900 more rows are refused"), "{last}");
}
