//! Foreign tables through maps: what they give, and what hostile ones cost.
//!
//! The maps under `examples/obs_scaling` are run on the real tables when they are found
//! through `UPTURN_SHARED` or beside the repository; otherwise those tests are ignored.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use libtest_mimic::{Arguments, Failed, Trial};
use proptest::test_runner::{Config, TestRunner};
use upturn_catalog::Catalog;
use upturn_store::Parsed;
use upturn_store::map::{MapSpec, parse};
use upturn_store::validate::validate;
use upturn_types::{Known, Measurement, Severity, flag};

fn main() {
    let args = Arguments::from_args();
    let mut trials: Vec<Trial> = TESTS
        .iter()
        .map(|&(name, test)| Trial::test(name, run(test)))
        .collect();
    let shared = shared();
    for &(name, test) in SHARED_TESTS {
        trials.push(match shared.clone() {
            Some(folder) => Trial::test(name, run(move || test(&folder))),
            None => Trial::test(
                format!("{name} (no tables: set UPTURN_SHARED to the folder that holds data/)"),
                || Ok(()),
            )
            .with_ignored_flag(true),
        });
    }
    libtest_mimic::run(&args, trials).exit();
}

/// A test that fails by panicking, as the assertion macros do.
fn run(test: impl FnOnce() + Send + 'static) -> impl FnOnce() -> Result<(), Failed> + Send {
    move || {
        test();
        Ok(())
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn shared() -> Option<PathBuf> {
    let folder = std::env::var_os("UPTURN_SHARED")
        .map_or_else(|| root().join("../shared"), PathBuf::from)
        .join("data/obs_scaling");
    folder.is_dir().then_some(folder)
}

type SharedTest = fn(&Path);

const TESTS: &[(&str, fn())] = &[
    ("a_wide_table", a_wide_table),
    ("a_long_table", a_long_table),
    ("patterns_and_precedence", patterns_and_precedence),
    ("joins", joins),
    (
        "scale_is_filled_only_when_asked",
        scale_is_filled_only_when_asked,
    ),
    ("what_is_known_and_how", what_is_known_and_how),
    ("line_ends_and_marks", line_ends_and_marks),
    (
        "columns_that_are_missing_or_twice",
        columns_that_are_missing_or_twice,
    ),
    (
        "bad_cells_cost_as_little_as_they_can",
        bad_cells_cost_as_little_as_they_can,
    ),
    ("many_bad_rows_make_few_lines", many_bad_rows_make_few_lines),
    ("other_encodings", other_encodings),
    ("huge_cells", huge_cells),
    ("huge_headers", huge_headers),
    ("mistakes_in_maps_are_placed", mistakes_in_maps_are_placed),
    ("any_bytes_never_panic", any_bytes_never_panic),
    ("any_map_never_panics", any_map_never_panics),
    ("example_maps_are_well_formed", example_maps_are_well_formed),
];

const SHARED_TESTS: &[(&str, SharedTest)] = &[
    ("obs_scaling_emergent", obs_scaling_emergent),
    ("obs_scaling_benchmark", obs_scaling_benchmark),
    ("obs_scaling_post_training", obs_scaling_post_training),
];

fn map(text: &str) -> MapSpec {
    MapSpec::parse(text, "map.toml").unwrap_or_else(|d| panic!("{d}"))
}

fn read(table: &str, text: &str) -> Parsed {
    parse(
        table.as_bytes(),
        &map(text),
        None,
        "t.csv",
        &Catalog::builtin(),
    )
}

fn lines(parsed: &Parsed) -> Vec<String> {
    parsed.diagnostics.iter().map(ToString::to_string).collect()
}

const WIDE: &str = r#"
[columns]
model = "Model"
family = "Family"
params = { column = "Size (B)", scale = 1e9 }
[[score]]
column = "GSM8K"
task = "gsm8k"
metric = "exact_match"
shots = 5
scale = 0.01
"#;

fn a_wide_table() {
    let parsed = read("Model,Family,Size (B),GSM8K\na,F,6.7,43.1\nb,F,13,\n", WIDE);
    assert_eq!(lines(&parsed), [""; 0]);
    assert_eq!((parsed.n_rows, parsed.measurements.len()), (2, 1));
    let m = &parsed.measurements[0];
    assert_eq!((&*m.model, &*m.family, m.params), ("a", "F", Some(6.7e9)));
    assert_eq!(
        (m.value, &*m.metric, m.shots),
        (0.431, "exact_match", Some(5))
    );
    assert_eq!((&*m.method, &*m.source), ("direct", "t.csv"));
    assert_eq!(m.origin.as_deref(), Some("t.csv: line 2, 'GSM8K'"));
}

fn a_long_table() {
    let parsed = read(
        "m\tt\tk\tsetting\tv\tse\tn\tchance\tD\tstep\tseed\n\
         x\tboolq\tacc\tcot(8-shot); instruction-tuned\t0.5\t0.01\t100\t0.5\t0\tstep0\t7\n\
         y\tboolq\tem\tmade-up\t0.25\t\t\t\t1.5\t1000\t\n",
        r#"
        [table]
        layout = "long"
        [columns]
        model = "m"
        task = "t"
        metric = "k"
        setting = "setting"
        value = "v"
        stderr = "se"
        n = "n"
        chance = "chance"
        tokens = { column = "D", scale = 1e12 }
        step = "step"
        seed = "seed"
        [constants]
        family = "Ours"
        source = "runs"
        split = "test"
        "#,
    );
    assert_eq!(lines(&parsed), [""; 0]);
    let [x, y] = parsed.measurements.as_slice() else {
        panic!("two rows");
    };
    assert_eq!((&*x.method, x.shots), ("cot", Some(8)));
    assert_eq!(x.tuning.as_deref(), Some("instruction-tuned"));
    assert!(x.has(flag::INSTRUCT));
    assert_eq!(
        (x.stderr, x.n, x.n_kind),
        (Some(0.01), Some(100), Some(Known::Reported))
    );
    assert_eq!(
        (x.chance, x.chance_kind),
        (Some(0.5), Some(Known::Reported))
    );
    // Step 0 has truly seen 0 tokens.
    assert_eq!(
        (x.tokens, x.checkpoint_step, x.seed),
        (Some(0.0), Some(0), Some(7))
    );
    assert_eq!(
        (&*y.method, y.shots, &*y.metric),
        ("unstated", None, "exact_match")
    );
    assert_eq!(y.setting.as_deref(), Some("made-up"));
    assert_eq!((y.chance, y.chance_kind), (Some(0.5), Some(Known::Assumed)));
    assert_eq!((y.tokens, y.n), (Some(1.5e12), None));
}

fn patterns_and_precedence() {
    let parsed = read(
        "Model,bbh_snarks_3_em,bbh_navigate_3_em,bbh_navigate_3_em_se,exact,\"bbh_x_3_em,norm\",left\n\
         m,0.5,0.6,0.01,0.7,-1,9\n",
        r#"
        [table]
        drop = ["*,norm"]
        [columns]
        model = "Model"
        [constants]
        family = "F"
        [[score]]
        pattern = "bbh_{subset}_{shots}_{metric}"
        task = "bbh"
        method = "direct"
        [[score]]
        pattern = "bbh_navigate_{shots}_{metric}"
        task = "never: the first pattern that fits counts"
        [[score]]
        column = "exact"
        task = "t"
        metric = "acc"
        stderr = "bbh_navigate_3_em_se"
        "#,
    );
    let got: Vec<_> = parsed
        .measurements
        .iter()
        .map(|m| {
            (
                &*m.task,
                m.subset.as_deref(),
                m.shots,
                &*m.metric,
                m.value,
                m.stderr,
            )
        })
        .collect();
    assert_eq!(
        got[..2],
        [
            ("bbh", Some("snarks"), Some(3), "exact_match", 0.5, None),
            ("bbh", Some("navigate"), Some(3), "exact_match", 0.6, None),
        ]
    );
    assert_eq!(got.last(), Some(&("t", None, None, "acc", 0.7, Some(0.01))));
    let said = lines(&parsed);
    assert!(
        said.iter()
            .any(|l| l.contains("no column fits the pattern")),
        "{said:?}"
    );
    let notes: Vec<_> = said.iter().filter(|l| l.contains("not read")).collect();
    assert_eq!(notes.len(), 1);
    assert!(notes[0].contains("'left'") && !notes[0].contains("norm"));
}

const JOINED: &str = r#"
[columns]
model = "Model"
[join]
file = "models.csv"
on = "Model"
key = "Name"
[join.columns]
family = "Family"
params = { column = "B", scale = 1e9 }
[[score]]
column = "s"
task = "t"
metric = "acc"
"#;

fn joins() {
    let with = |joined: Option<&str>| {
        parse(
            b"Model,s\na,0.1\nb,0.2\nc,0.3\n",
            &map(JOINED),
            joined.map(str::as_bytes),
            "t.csv",
            &Catalog::builtin(),
        )
    };
    let parsed = with(Some("Name;Family;B\na;F;1\nb;G;x\n"));
    let families: Vec<_> = parsed
        .measurements
        .iter()
        .map(|m| (&*m.family, m.params))
        .collect();
    assert_eq!(
        families,
        [("F", Some(1e9)), ("unknown", None), ("unknown", None)]
    );
    let said = lines(&parsed);
    assert!(
        said[0].starts_with("models.csv: line 3: 'x' in 'B'"),
        "{said:?}"
    );
    assert!(
        said.iter()
            .any(|l| l.contains("2 rows have no partner in models.csv"))
    );
    assert!(lines(&with(None))[0].contains("models.csv: the joined table was not given"));
    assert!(lines(&with(Some("Name;Family\na;F\n")))[0].contains("no column 'B'"));

    let folder = tempfile::tempdir().expect("folder");
    let table = folder.path().join("t.csv");
    std::fs::write(&table, "Model,s\na,0.1\n").expect("table");
    let parsed = map(JOINED).read_table(&table, &Catalog::builtin());
    assert!(lines(&parsed)[0].contains("'models.csv' cannot be read"));
    std::fs::write(folder.path().join("models.csv"), "Name,Family,B\na,F,1\n").expect("models");
    let parsed = map(JOINED).read_table(&table, &Catalog::builtin());
    assert_eq!((lines(&parsed), parsed.measurements.len()), (vec![], 1));
}

fn scale_is_filled_only_when_asked() {
    let text = |fill: bool| {
        format!(
            "[table]\nfill = {fill}\n[columns]\nmodel = \"Model\"\n[[score]]\ncolumn = \"s\"\n\
             task = \"t\"\nmetric = \"acc\"\n"
        )
    };
    let table = "Model,s\nEleutherAI/pythia-70m-deduped,0.1\nnobody/knows,0.2\n";
    let empty = read(table, &text(false));
    let filled = read(table, &text(true));
    let pythia = |p: &Parsed| p.measurements[0].clone();
    assert_eq!((pythia(&empty).params, pythia(&empty).flops), (None, None));
    assert!(pythia(&filled).params.is_some() && pythia(&filled).flops.is_some());
    assert_eq!(&*pythia(&empty).family, "Pythia", "the family is no scale");
    assert_eq!(
        filled
            .unknown_models
            .keys()
            .map(|k| &**k)
            .collect::<Vec<_>>(),
        ["nobody/knows"]
    );
}

fn what_is_known_and_how() {
    let parsed = read(
        "Model,N,D,C,a,b,c\nm,1,1,6,0.1,0.2,0.0\n",
        r#"
        [columns]
        model = "Model"
        params = { column = "N", scale = 1e9 }
        tokens = { column = "D", scale = 1e15 }
        flops = { column = "C", scale = 1e24, kind = "derived" }
        [constants]
        family = "F"
        metric = "acc"
        [[score]]
        column = "a"
        task = "gsm8k"
        n = 500
        [[score]]
        column = "b"
        task = "made up"
        n = "lattice"
        [[score]]
        column = "c"
        task = "known"
        subset = "part"
        parse_failure = ["0.0"]
        flags = ["aggregate"]
        [tasks."known/part"]
        chance = 0.25
        n = 100
        ceiling = 0.9
        "#,
    );
    let [a, b, c] = parsed.measurements.as_slice() else {
        panic!("three scores");
    };
    assert_eq!((a.flops, a.flops_kind), (Some(6e24), Some(Known::Derived)));
    assert!(
        a.has(flag::IMPLAUSIBLE_SCALE),
        "a million tokens per parameter"
    );
    // The catalogue's 1319 questions are not asked: the table may hold a part of them.
    assert_eq!((a.n, a.n_kind), (Some(500), Some(Known::Assumed)));
    assert_eq!((a.chance, a.chance_kind), (Some(0.0), Some(Known::Assumed)));
    assert_eq!(
        (b.n, b.n_kind, b.chance, b.chance_kind),
        (None, None, None, None)
    );
    assert_eq!(
        (c.n, c.chance, c.ceiling),
        (Some(100), Some(0.25), Some(0.9))
    );
    assert!(c.has(flag::PARSE_FAILURE) && c.has(flag::AGGREGATE) && !a.has(flag::PARSE_FAILURE));
    assert_eq!((&*a.method, a.shots), ("unstated", None));
}

fn line_ends_and_marks() {
    let plain = "Model,Family,Size (B),GSM8K\na,F,1,10\n\"b\",\"F\",2,x\n";
    for table in [
        plain.to_owned(),
        plain.replace('\n', "\r\n"),
        plain.replace('\n', "\r\n\r\n"),
        format!("\u{feff}{plain}"),
        plain.replace(',', ";"),
        plain.replace(',', "\t"),
    ] {
        let parsed = read(&table, WIDE);
        assert_eq!(parsed.measurements.len(), 1, "{table:?}");
        let line = if table.contains("\r\n\r\n") { 5 } else { 3 };
        assert!(
            lines(&parsed)[0].starts_with(&format!("t.csv: line {line}: 'x' in 'GSM8K'")),
            "{table:?}: {:?}",
            lines(&parsed)
        );
    }
}

fn columns_that_are_missing_or_twice() {
    let said = |table: &str, text: &str| {
        let parsed = read(table, text);
        assert!(parsed.measurements.is_empty(), "{table}");
        assert!(
            parsed
                .diagnostics
                .iter()
                .any(|d| d.severity == Severity::Error)
        );
        lines(&parsed).join("\n")
    };
    let missing = said("Name,Family,Size (B),GSM8K\na,F,1,2\n", WIDE);
    assert!(
        missing.contains("no column 'Model'") && missing.contains("'Name'"),
        "{missing}"
    );
    let semicolons = format!("[table]\ndelimiter = \";\"\n{WIDE}");
    let wrong = said("Model,Family,Size (B),GSM8K\na,F,1,2\n", &semicolons);
    assert!(wrong.contains("is the delimiter right?"), "{wrong}");
    let twice = said("Model,Model,Family,Size (B),GSM8K\na,b,F,1,2\n", WIDE);
    assert!(twice.contains("column 'Model' occurs twice"), "{twice}");
    let score_twice = said("Model,Family,Size (B),GSM8K,GSM8K\na,F,1,2,3\n", WIDE);
    assert!(
        score_twice.contains("column 'GSM8K' occurs twice"),
        "{score_twice}"
    );
    assert!(said("", WIDE).contains("the table is empty"));
}

fn bad_cells_cost_as_little_as_they_can() {
    let table = "Model,Family,Size (B),GSM8K\n\
                 a,F,1,NaN\nb,F,1,1e400\nc,F,1,inf\nd,F,1,50%\ne,F,1,\"1,5\"\n\
                 f,F,-1,10\ng,F,big,10\n,F,1,10\nh,F,1\ni,F,1,10,11\nj,F,1,170\nk,F,1,NA\n";
    let parsed = read(table, WIDE);
    assert_eq!(parsed.n_rows, 12);
    let kept: Vec<_> = parsed
        .measurements
        .iter()
        .map(|m| (&*m.model, m.value))
        .collect();
    // 1.7 is read here; that it cannot be an exact match is said by the validation.
    assert_eq!(kept, [("j", 1.7)]);
    assert!(validate(&parsed.measurements[0]).is_err());
    let said = lines(&parsed);
    for start in [
        "t.csv: line 2: 'NaN' in 'GSM8K'; expected a finite number",
        "t.csv: line 3: '1e400' in 'GSM8K'; expected a finite number",
        "t.csv: line 4: 'inf' in 'GSM8K'",
        "t.csv: line 5: '50%' in 'GSM8K'",
        "t.csv: line 6: '1,5' in 'GSM8K'",
        "t.csv: line 7: '-1' in 'Size (B)'; expected a number that is not negative",
        "t.csv: line 8: 'big' in 'Size (B)'",
        "t.csv: line 9: no model in the row",
        "t.csv: line 10: a row of 3 cells; expected 4 cells",
        "t.csv: line 11: a row of 5 cells; expected 4 cells",
    ] {
        assert!(
            said.iter().any(|l| l.starts_with(start)),
            "{start}: {said:#?}"
        );
    }
    assert_eq!(said.len(), 10);
}

fn many_bad_rows_make_few_lines() {
    let mut table = String::from("Model,Family,Size (B),GSM8K\n");
    for i in 0..1000 {
        table.push_str(&format!("m{i},F,1,x\n"));
    }
    let parsed = read(&table, WIDE);
    let said = lines(&parsed);
    assert_eq!(said.len(), 21);
    assert_eq!(
        said[20],
        "t.csv: and 980 more cells that are not as expected"
    );
}

fn other_encodings() {
    let latin1 = b"Model,Family,Size (B),GSM8K\n\xe9t\xe9,F,1,10\nb,F,1,20\nc\xff,F,1,30\n";
    let parsed = parse(latin1, &map(WIDE), None, "t.csv", &Catalog::builtin());
    assert_eq!(parsed.measurements.len(), 1);
    let said = lines(&parsed);
    assert!(
        said[0].starts_with("t.csv: line 2: the cell of 'Model' is not UTF-8 text"),
        "{said:?}"
    );
    assert_eq!(said[1], "t.csv: and 1 more rows that are not UTF-8 text");
    let header = parse(
        b"Mod\xe8le,s\n",
        &map(WIDE),
        None,
        "t.csv",
        &Catalog::builtin(),
    );
    assert!(lines(&header)[0].contains("column names are not UTF-8"));
}

/// A walk through the header for each of its columns would take minutes here.
fn huge_headers() {
    let n = 50_000;
    let spec = "[columns]\nmodel = \"m\"\nfamily = \"f\"\n[[score]]\npattern = \"s_{subset}\"\n\
        task = \"t\"\nmetric = \"acc\"\nstderr = \"e_{subset}\"\n";
    let names: String = (0..n).map(|i| format!(",s_{i},e_{i}")).collect();
    let parsed = read(&format!("m,f{names}\nx,F{}\n", ",0.5,0.1".repeat(n)), spec);
    assert_eq!(lines(&parsed), [""; 0]);
    assert_eq!(parsed.measurements.len(), n);
    assert_eq!(parsed.measurements[n - 1].stderr, Some(0.1));
    // None of the standard errors is there.
    let parsed = read(&format!("m,f{}\nx,F\n", names.replace(",e_", ",x_")), spec);
    assert!(
        parsed.diagnostics.len() < 50,
        "{}",
        parsed.diagnostics.len()
    );
}

fn huge_cells() {
    let cell = "x".repeat(3_000_000);
    let parsed = read(
        &format!("Model,Family,Size (B),GSM8K\na,F,1,{cell}\nb,F,1,5\n"),
        WIDE,
    );
    assert_eq!(parsed.measurements.len(), 1);
    assert!(lines(&parsed)[0].len() < 400, "a message stays short");
    let name = format!("Model,Family,Size (B),GSM8K,{cell}\na,F,1,5,0\n");
    let parsed = read(&name, WIDE);
    assert_eq!(parsed.measurements.len(), 1);
    assert!(lines(&parsed)[0].len() < 400);
}

fn mistakes_in_maps_are_placed() {
    for (text, start) in [
        ("[columns]\nmodel = \n", "map.toml: line 2: "),
        (
            "[columns]\nmodle = \"M\"\n",
            "map.toml: line 2: unknown variant `modle`",
        ),
        ("[column]\n", "map.toml: line 1: unknown field `column`"),
        (
            "[columns]\nmodel = { column = \"M\", sclae = 1 }\n",
            "map.toml: line 2: unknown field `sclae`",
        ),
        (
            "[columns]\nmodel = 3\n",
            "map.toml: line 2: invalid type: integer",
        ),
        (
            "[table]\nlayout = \"tall\"\n",
            "map.toml: line 2: unknown variant `tall`",
        ),
        (
            "[table]\ndelimiter = \"ab\"\n[columns]\nmodel = \"M\"\n[[score]]\ncolumn = \"s\"\ntask = \"t\"\nmetric = \"acc\"\n",
            "map.toml: line 2: delimiter 'ab'",
        ),
        (
            "[[score]]\ncolumn = \"s\"\n",
            "map.toml: line 1: no column for the model",
        ),
        (
            "[columns]\nmodel = \"M\"\n",
            "map.toml: line 1: a wide table without [[score]]",
        ),
        (
            "[columns]\nmodel = \"M\"\n\n[[score]]\ntask = \"t\"\n",
            "map.toml: line 4: [[score]] 1: which columns",
        ),
        (
            "[columns]\nmodel = \"M\"\n[[score]]\ncolumn = \"s\"\nmetric = \"acc\"\n",
            "map.toml: line 3: [[score]] 1: no task",
        ),
        (
            "[columns]\nmodel = \"M\"\n[[score]]\npattern = \"{task}_{metric\"\n",
            "map.toml: line 3: [[score]] 1: '{' without '}'",
        ),
        (
            "[columns]\nmodel = \"M\"\n[[score]]\npattern = \"{task}_{kind}\"\nmetric = \"acc\"\n",
            "map.toml: line 3: [[score]] 1: capture '{kind}' is not used",
        ),
        (
            "[columns]\nmodel = \"M\"\n[[score]]\ncolumn = \"s\"\ntask = \"{x}\"\nmetric = \"acc\"\n",
            "map.toml: line 3: [[score]] 1: '{x}' is not in its pattern",
        ),
        (
            "[columns]\nmodel = \"M\"\n[[score]]\ncolumn = \"s\"\ntask = \"t\"\nmetric = \"acc\"\nn = 0\n",
            "map.toml: line 7: invalid value",
        ),
        (
            "[table]\nlayout = \"long\"\n[columns]\nmodel = \"M\"\ntask = \"t\"\nmetric = \"k\"\n",
            "map.toml: line 1: no column for the value",
        ),
        (
            "[columns]\nmodel = \"M\"\nparams = { column = \"N\", scale = 0 }\n",
            "map.toml: line 3: scale is not usable",
        ),
    ] {
        let said = MapSpec::parse(text, "map.toml")
            .expect_err(text)
            .to_string();
        assert!(said.starts_with(start), "{text}\n{said}");
        assert!(!said.contains('\n'));
    }
}

fn any_bytes_never_panic() {
    let wide = map(WIDE);
    let joined = map(JOINED);
    let catalog = Catalog::builtin();
    let mut runner = TestRunner::new_with_rng(
        Config {
            failure_persistence: None,
            ..Config::with_cases(2000)
        },
        proptest::test_runner::TestRng::deterministic_rng(
            proptest::test_runner::RngAlgorithm::ChaCha,
        ),
    );
    let bytes = proptest::collection::vec(proptest::num::u8::ANY, 0..400);
    let row = "[-0-9a-z,;\"\r\n\te.é]{0,120}";
    runner
        .run(&(bytes, row), |(bytes, row)| {
            for body in [bytes, row.into_bytes()] {
                let with_header = [&b"Model,Family,Size (B),GSM8K\n"[..], &body].concat();
                for table in [&body, &with_header] {
                    let parsed = parse(table, &wide, None, "t", &catalog);
                    assert!(parsed.measurements.iter().all(|m| m.value.is_finite()));
                    assert!(
                        parsed
                            .diagnostics
                            .iter()
                            .all(|d| !d.to_string().contains('\n'))
                    );
                    let _ = parse(b"Model,s\na,1\n", &joined, Some(table), "t", &catalog);
                }
            }
            Ok(())
        })
        .unwrap_or_else(|e| panic!("{e}"));
}

fn any_map_never_panics() {
    let mut runner = TestRunner::new_with_rng(
        Config {
            failure_persistence: None,
            ..Config::with_cases(1000)
        },
        proptest::test_runner::TestRng::deterministic_rng(
            proptest::test_runner::RngAlgorithm::ChaCha,
        ),
    );
    let pattern = "[{}a-z_*,()\\[.é]{0,30}";
    runner
        .run(&(pattern, ".{0,100}"), |(pattern, text)| {
            let _ = MapSpec::parse(&text, "map.toml");
            let text = format!(
                "[table]\ndrop = ['{pattern}']\n[columns]\nmodel = \"M\"\n[constants]\n\
                 task = \"t\"\nmetric = \"acc\"\n[[score]]\npattern = '{pattern}'\n"
            );
            if let Ok(map) = MapSpec::parse(&text, "map.toml") {
                let table = format!("M,\"{pattern}\",abc\nm,1,0\n");
                let _ = parse(table.as_bytes(), &map, None, "t", &Catalog::builtin());
            }
            Ok(())
        })
        .unwrap_or_else(|e| panic!("{e}"));
}

fn example(name: &str) -> MapSpec {
    let path = root().join(format!("examples/obs_scaling/{name}.toml"));
    MapSpec::load(&path).unwrap_or_else(|d| panic!("{d}"))
}

fn example_maps_are_well_formed() {
    for name in ["emergent", "benchmark", "post_training"] {
        let joins = example(name).joined_file().is_some();
        assert_eq!(joins, name != "benchmark");
    }
}

/// The table of an example, with the checks that hold for every one.
fn obs_scaling(folder: &Path, map: &str, file: &str) -> Parsed {
    let table = folder.join(format!("base_llm_{file}_eval.csv"));
    let parsed = example(map).read_table(&table, &Catalog::builtin());
    assert_eq!(lines(&parsed), [""; 0]);
    assert!(
        parsed.unknown_models.is_empty(),
        "{:?}",
        parsed.unknown_models
    );
    let mut keys = BTreeSet::new();
    for m in &parsed.measurements {
        assert!(validate(m).is_ok(), "{:?}", m.origin);
        assert_ne!(&*m.family, "unknown");
        assert!(m.params.is_some());
        assert!(
            keys.insert((curve(m), m.model.clone())),
            "{:?} twice",
            m.origin
        );
        // A null scale stays null: the published fits are of 73 models.
        let six_nd = m.scale().six_nd();
        assert_eq!(m.flops.is_some(), six_nd.is_some(), "{:?}", m.origin);
        if let (Some(c), Some(six_nd)) = (m.flops, six_nd) {
            assert!((c / six_nd - 1.0).abs() < 1e-6, "{:?}", m.origin);
        }
    }
    parsed
}

fn curve(m: &Measurement) -> String {
    format!(
        "{} {:?} {} {:?} {} {:?} {:?} {}",
        m.family, m.tuning, m.task, m.subset, m.method, m.shots, m.filter, m.metric
    )
}

fn counts(parsed: &Parsed) -> (usize, usize, usize) {
    let families: BTreeSet<_> = parsed.measurements.iter().map(|m| &m.family).collect();
    let curves: BTreeSet<_> = parsed.measurements.iter().map(curve).collect();
    (parsed.measurements.len(), families.len(), curves.len())
}

fn obs_scaling_emergent(folder: &Path) {
    let parsed = obs_scaling(folder, "emergent", "emergent_capability");
    assert_eq!(counts(&parsed), (328, 25, 97));
    let with_flops: BTreeSet<_> = parsed
        .measurements
        .iter()
        .filter(|m| m.task.starts_with("arithmetic_") && m.flops.is_some())
        .map(|m| &m.model)
        .collect();
    assert_eq!(with_flops.len(), 73);
    let chance: BTreeMap<&str, Option<f64>> = parsed
        .measurements
        .iter()
        .map(|m| (&*m.task, m.chance))
        .collect();
    assert_eq!(
        chance,
        BTreeMap::from([
            ("arithmetic_2dm", Some(0.0)),
            ("arithmetic_3ds", Some(0.0)),
            ("parsinlu_qa", Some(0.25)),
            ("word_unscrambling", Some(0.0))
        ])
    );
    assert!(
        parsed
            .measurements
            .iter()
            .all(|m| m.n.is_none() && m.shots == Some(2))
    );
}

fn obs_scaling_benchmark(folder: &Path) {
    let parsed = obs_scaling(folder, "benchmark", "benchmark");
    assert_eq!(counts(&parsed).0, 1144);
    assert_eq!(counts(&parsed).1, 47);
    let of = |model: &str| {
        parsed
            .measurements
            .iter()
            .find(|m| m.model.contains(model))
            .expect("model")
    };
    assert!(of("btlm-3b").has(flag::IMPLAUSIBLE_SCALE));
    assert!(of("Mixtral-8x7B").has(flag::MOE));
    assert!(of("CodeLlama-7b").has(flag::CODE));
    // A tuned model in a family of base models has curves of its own.
    assert!(of("rwkv-raven-14b").has(flag::INSTRUCT) && of("rwkv-raven-14b").tuning.is_some());
}

fn obs_scaling_post_training(folder: &Path) {
    let parsed = obs_scaling(folder, "post_training", "post_training");
    assert_eq!(counts(&parsed), (4048, 27, 1140));
    let rows = &parsed.measurements;
    assert!(
        rows.iter()
            .filter(|m| &*m.task == "gsm8k")
            .all(|m| m.n == Some(500))
    );
    for m in rows.iter().filter(|m| &*m.task == "gsm8k") {
        let k = m.value * 500.0;
        assert!((k - k.round()).abs() < 1e-6, "{:?}", m.origin);
    }
    let methods: BTreeSet<(&str, Option<u32>)> = rows
        .iter()
        .filter(|m| &*m.task == "gsm8k")
        .map(|m| (&*m.method, m.shots))
        .collect();
    assert_eq!(
        methods,
        [
            ("cot", Some(8)),
            ("cot_sampled", Some(8)),
            ("cot_zero_shot", Some(0)),
            ("direct", Some(5)),
            ("self_consistency", Some(8)),
        ]
        .into()
    );
    let bbh: Vec<_> = rows.iter().filter(|m| &*m.task == "bbh").collect();
    let subsets: BTreeSet<_> = bbh.iter().map(|m| m.subset.clone()).collect();
    assert_eq!(subsets.len(), 14);
    assert!(
        bbh.iter()
            .all(|m| m.chance.is_some() && m.n.is_some() && m.shots == Some(3))
    );
    assert!(
        bbh.iter()
            .filter(|m| &*m.method == "direct")
            .all(|m| m.filter.as_deref() == Some("flexible-extract"))
    );
    assert!(
        rows.iter().all(|m| m.value >= 0.0),
        "no normalised column came in"
    );
    // Zero below a chance above zero is a failure to parse, never a score of zero.
    assert!(
        bbh.iter()
            .filter(|m| m.value == 0.0 && m.chance > Some(0.0))
            .all(|m| m.has(flag::PARSE_FAILURE))
    );
    // Answers that could not be parsed got their chance: k is no whole number of 250.
    let fractional = bbh.iter().filter(|m| &*m.method == "cot").any(|m| {
        let k = m.value * 250.0;
        m.n == Some(250) && (k - k.round()).abs() > 0.01
    });
    assert!(fractional);
}
