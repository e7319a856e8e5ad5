//! Check values on real results: ObsScaling's base models and GPT-3's few-shot tables.
//!
//! The data lie outside the repository, in `../shared` or where `UPTURN_SHARED` points.
//! Where they are missing the tests are reported as ignored.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use libtest_mimic::{Arguments, Failed, Trial};
use upturn_stats::recover::{count, n_from_lattice};
use upturn_stats::threshold::interval;
use upturn_stats::verdict::{JudgeConfig, Judgement, judge};
use upturn_stats::{Obs, Series};
use upturn_types::{Attribute, Shape};

fn main() {
    let arguments = Arguments::from_args();
    let tests: [(&str, Check); 5] = [
        ("thresholds_of_real_series", thresholds),
        ("verdicts_of_real_series", verdicts),
        ("n_from_the_lattice_of_real_scores", lattices),
        ("gpt3_few_shot_verdicts", gpt3),
        ("gpt3_few_shot_thresholds", gpt3_thresholds),
    ];
    let shared = shared();
    let trials = tests
        .into_iter()
        .map(|(name, test)| match shared.clone() {
            Some(path) => Trial::test(name, move || test(&path)),
            None => {
                Trial::test(format!("{name} (no ../shared)"), || Ok(())).with_ignored_flag(true)
            }
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit();
}

fn shared() -> Option<PathBuf> {
    let path = std::env::var_os("UPTURN_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    path.join("data/obs_scaling").is_dir().then_some(path)
}

/// A test on the data under a path.
type Check = fn(&Path) -> Result<(), Failed>;

type Row = BTreeMap<String, String>;

fn rows(path: &Path) -> Result<Vec<Row>, Failed> {
    let mut reader = csv::Reader::from_path(path)?;
    let rows: Result<Vec<Row>, csv::Error> = reader.deserialize().collect();
    Ok(rows?)
}

/// (task, column, items, chance).
const TASKS: [(&str, &str, u64, f64); 4] = [
    ("parsinlu_qa", "parsinlu_qa_2_acc", 1050, 0.25),
    (
        "word_unscrambling",
        "word_unscrambling_2_exact_match",
        2000,
        0.0,
    ),
    ("arithmetic_3ds", "arithmetic_3ds_2_acc", 2000, 0.0),
    ("arithmetic_2dm", "arithmetic_2dm_2_acc", 2000, 0.0),
];

/// The series of one family on one task; models without FLOPs or score are left out.
fn obs_scaling(shared: &Path, task: &str, family: &str) -> Result<Series, Failed> {
    let (_, column, n, chance) = TASKS
        .into_iter()
        .find(|(name, ..)| *name == task)
        .ok_or("unknown task")?;
    let folder = shared.join("data/obs_scaling");
    let scores: BTreeMap<String, String> =
        rows(&folder.join("base_llm_emergent_capability_eval.csv"))?
            .into_iter()
            .map(|row| (row["Model"].clone(), row[column].clone()))
            .collect();
    let mut points: Vec<(f64, Obs)> = rows(&folder.join("base_llm_benchmark_eval.csv"))?
        .iter()
        .filter(|row| row["Model Family"] == family)
        .filter_map(|row| {
            let flops: f64 = row["FLOPs (1E21)"].parse().ok()?;
            let score: f64 = scores.get(&row["Model"])?.parse().ok()?;
            Some(((flops * 1e21).log10(), count(score, n, None)))
        })
        .collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (x, obs) = points.into_iter().unzip();
    Ok(Series {
        x,
        obs,
        chance: Some(chance),
        ceiling: Some(1.0),
    })
}

type Ends = (Option<f64>, Option<f64>);

fn same_ends(got: Ends, want: Ends) -> bool {
    let same = |got: Option<f64>, want: Option<f64>| match (got, want) {
        (Some(got), Some(want)) => (got - want).abs() < 1e-8,
        (got, want) => got == want,
    };
    same(got.0, want.0) && same(got.1, want.1)
}

fn expect(holds: bool, message: String) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(message.into()) }
}

/// Shape with reason and attributes in one line.
fn described(judgement: &Judgement) -> String {
    let mut words = match judgement.reason {
        Some(reason) => format!("{}({reason})", judgement.shape),
        None => judgement.shape.to_string(),
    };
    // A pooled plateau is secondary evidence that the check values do not list.
    for attribute in &judgement.attributes {
        if *attribute != Attribute::PlateauPooled {
            words += &format!(" {attribute}");
        }
    }
    words
}

/// (task, family, models, near run, above run, lower end, upper end).
type ThresholdRow = (
    &'static str,
    &'static str,
    usize,
    usize,
    usize,
    Option<f64>,
    Option<f64>,
);

const THRESHOLDS: [ThresholdRow; 20] = [
    (
        "word_unscrambling",
        "Pythia",
        8,
        8,
        0,
        Some(22.334_453_75),
        None,
    ),
    (
        "word_unscrambling",
        "OPT",
        8,
        8,
        0,
        Some(22.852_967_69),
        None,
    ),
    (
        "word_unscrambling",
        "Llama",
        4,
        0,
        3,
        None,
        Some(22.892_094_6),
    ),
    (
        "word_unscrambling",
        "Llama-2",
        3,
        0,
        3,
        None,
        Some(22.924_279_29),
    ),
    (
        "word_unscrambling",
        "BLOOM",
        4,
        4,
        0,
        Some(22.162_163_98),
        None,
    ),
    (
        "word_unscrambling",
        "GPT-Neo/J",
        5,
        5,
        0,
        Some(22.753_123_24),
        None,
    ),
    (
        "word_unscrambling",
        "StarCoder",
        4,
        3,
        0,
        Some(22.623_249_29),
        None,
    ),
    (
        "word_unscrambling",
        "Qwen1.5",
        7,
        2,
        5,
        Some(22.413_635),
        Some(22.760_422_48),
    ),
    (
        "word_unscrambling",
        "XGLM",
        4,
        4,
        0,
        Some(22.352_182_52),
        None,
    ),
    (
        "word_unscrambling",
        "Falcon",
        3,
        1,
        2,
        Some(21.322_219_29),
        Some(22.799_340_55),
    ),
    (
        "word_unscrambling",
        "MPT",
        2,
        0,
        2,
        None,
        Some(22.623_249_29),
    ),
    ("parsinlu_qa", "Pythia", 8, 7, 0, Some(22.094_121_6), None),
    ("parsinlu_qa", "OPT", 8, 8, 0, Some(22.852_967_69), None),
    ("parsinlu_qa", "Llama", 4, 1, 0, Some(22.604_226_05), None),
    ("parsinlu_qa", "Qwen1.5", 7, 0, 3, None, Some(23.526_339_28)),
    (
        "arithmetic_2dm",
        "Pythia",
        8,
        4,
        3,
        Some(21.255_272_51),
        Some(21.702_430_54),
    ),
    (
        "arithmetic_2dm",
        "OPT",
        8,
        4,
        4,
        Some(21.464_787_52),
        Some(21.859_498_56),
    ),
    (
        "arithmetic_2dm",
        "Llama",
        4,
        0,
        4,
        None,
        Some(22.604_226_05),
    ),
    (
        "arithmetic_2dm",
        "Qwen1.5",
        7,
        0,
        7,
        None,
        Some(21.857_332_5),
    ),
    (
        "arithmetic_2dm",
        "GPT-Neo/J",
        5,
        2,
        2,
        Some(21.471_878_2),
        Some(22.164_132_68),
    ),
];

fn thresholds(shared: &Path) -> Result<(), Failed> {
    for (task, family, models, near, above, lower, upper) in THRESHOLDS {
        let series = obs_scaling(shared, task, family)?;
        let walk = judge(&series, &JudgeConfig::default())
            .walk
            .ok_or("no walk")?;
        let got = (series.len(), walk.n_near, walk.n_above);
        let ends = interval(&series.x, &walk);
        expect(
            got == (models, near, above) && same_ends(ends, (lower, upper)),
            format!("{task} {family}: {got:?} {ends:?}"),
        )?;
    }
    Ok(())
}

/// (task, family, models, verdict, interval where the row states one).
type VerdictRow = (
    &'static str,
    &'static str,
    usize,
    &'static str,
    Option<Ends>,
);

const VERDICTS: [VerdictRow; 36] = [
    (
        "word_unscrambling",
        "Pythia",
        8,
        "flat(random throughout)",
        Some((Some(22.334_453_75), None)),
    ),
    (
        "word_unscrambling",
        "OPT",
        8,
        "flat(random throughout)",
        Some((Some(22.852_967_69), None)),
    ),
    (
        "word_unscrambling",
        "BLOOM",
        4,
        "flat(random throughout)",
        Some((Some(22.162_163_98), None)),
    ),
    (
        "word_unscrambling",
        "GPT-Neo/J",
        5,
        "flat(random throughout)",
        Some((Some(22.753_123_24), None)),
    ),
    (
        "word_unscrambling",
        "XGLM",
        4,
        "flat(random throughout)",
        Some((Some(22.352_182_52), None)),
    ),
    (
        "word_unscrambling",
        "StarCoder",
        4,
        "insufficient_data(unresolved)",
        Some((Some(22.623_249_29), None)),
    ),
    (
        "word_unscrambling",
        "Llama",
        4,
        "smooth from_floor",
        Some((None, Some(22.892_094_6))),
    ),
    (
        "word_unscrambling",
        "Llama-2",
        3,
        "insufficient_data(too_few_scales)",
        None,
    ),
    (
        "word_unscrambling",
        "Qwen1.5",
        7,
        "emergent abrupt",
        Some((Some(22.413_635), Some(22.760_422_48))),
    ),
    (
        "parsinlu_qa",
        "Pythia",
        8,
        "insufficient_data(unresolved)",
        Some((Some(22.094_121_6), None)),
    ),
    (
        "parsinlu_qa",
        "OPT",
        8,
        "flat(random throughout)",
        Some((Some(22.852_967_69), None)),
    ),
    (
        "parsinlu_qa",
        "BLOOM",
        4,
        "flat(random throughout)",
        Some((Some(22.162_163_98), None)),
    ),
    (
        "parsinlu_qa",
        "GPT-Neo/J",
        5,
        "flat(random throughout)",
        Some((Some(22.753_123_24), None)),
    ),
    (
        "parsinlu_qa",
        "XGLM",
        3,
        "insufficient_data(too_few_scales)",
        None,
    ),
    (
        "parsinlu_qa",
        "StarCoder",
        4,
        "flat(random throughout)",
        Some((Some(22.968_482_95), None)),
    ),
    (
        "parsinlu_qa",
        "Llama",
        4,
        "insufficient_data(unresolved)",
        Some((Some(22.604_226_05), None)),
    ),
    (
        "parsinlu_qa",
        "Llama-2",
        3,
        "insufficient_data(too_few_scales)",
        None,
    ),
    (
        "parsinlu_qa",
        "Qwen1.5",
        7,
        "insufficient_data(plateau_unresolved)",
        Some((None, Some(23.526_339_28))),
    ),
    (
        "arithmetic_2dm",
        "Pythia",
        8,
        "emergent abrupt",
        Some((Some(21.255_272_51), Some(21.702_430_54))),
    ),
    (
        "arithmetic_2dm",
        "OPT",
        8,
        "emergent abrupt",
        Some((Some(21.464_787_52), Some(21.859_498_56))),
    ),
    (
        "arithmetic_2dm",
        "BLOOM",
        4,
        "insufficient_data(unresolved)",
        Some((Some(21.788_026_88), None)),
    ),
    (
        "arithmetic_2dm",
        "GPT-Neo/J",
        5,
        "emergent abrupt",
        Some((Some(21.471_878_2), Some(22.164_132_68))),
    ),
    (
        "arithmetic_2dm",
        "XGLM",
        4,
        "flat(random throughout)",
        Some((Some(22.352_182_52), None)),
    ),
    (
        "arithmetic_2dm",
        "StarCoder",
        4,
        "smooth from_floor",
        Some((None, Some(22.255_272_51))),
    ),
    (
        "arithmetic_2dm",
        "Llama",
        4,
        "smooth",
        Some((None, Some(22.604_226_05))),
    ),
    (
        "arithmetic_2dm",
        "Llama-2",
        3,
        "insufficient_data(too_few_scales)",
        None,
    ),
    (
        "arithmetic_2dm",
        "Qwen1.5",
        7,
        "smooth",
        Some((None, Some(21.857_332_5))),
    ),
    (
        "arithmetic_3ds",
        "Pythia",
        8,
        "emergent abrupt dip_above_threshold",
        Some((Some(21.401_400_54), Some(21.702_430_54))),
    ),
    (
        "arithmetic_3ds",
        "OPT",
        8,
        "weak_onset",
        Some((Some(22.510_545_01), Some(22.852_967_69))),
    ),
    (
        "arithmetic_3ds",
        "BLOOM",
        4,
        "flat(random throughout)",
        Some((Some(22.162_163_98), None)),
    ),
    (
        "arithmetic_3ds",
        "GPT-Neo/J",
        5,
        "emergent abrupt",
        Some((Some(21.832_764_3), Some(22.164_132_68))),
    ),
    (
        "arithmetic_3ds",
        "XGLM",
        4,
        "flat(random throughout)",
        Some((Some(22.352_182_52), None)),
    ),
    (
        "arithmetic_3ds",
        "StarCoder",
        4,
        "smooth from_floor",
        Some((Some(21.778_151_25), Some(22.255_272_51))),
    ),
    (
        "arithmetic_3ds",
        "Llama",
        4,
        "smooth",
        Some((None, Some(22.604_226_05))),
    ),
    (
        "arithmetic_3ds",
        "Llama-2",
        3,
        "insufficient_data(too_few_scales)",
        None,
    ),
    (
        "arithmetic_3ds",
        "Qwen1.5",
        7,
        "smooth",
        Some((None, Some(21.857_332_5))),
    ),
];

fn verdicts(shared: &Path) -> Result<(), Failed> {
    for (task, family, models, verdict, ends) in VERDICTS {
        let series = obs_scaling(shared, task, family)?;
        let judgement = judge(&series, &JudgeConfig::default());
        let got = described(&judgement);
        let walk = judgement.walk.ok_or("no walk")?;
        let got_ends = interval(&series.x, &walk);
        expect(
            series.len() == models
                && got == verdict
                && ends.is_none_or(|ends| same_ends(got_ends, ends)),
            format!("{task} {family} (K={}): {got} {got_ends:?}", series.len()),
        )?;
    }
    Ok(())
}

fn lattices(shared: &Path) -> Result<(), Failed> {
    let folder = shared.join("data/obs_scaling");
    let column = |file: &str, column: &str| -> Result<Option<u64>, Failed> {
        let scores: Vec<f64> = rows(&folder.join(file))?
            .iter()
            .filter_map(|row| row[column].parse().ok())
            .collect();
        Ok(n_from_lattice(&scores))
    };
    for (task, name, n, _) in TASKS {
        let found = column("base_llm_emergent_capability_eval.csv", name)?;
        expect(found == Some(n), format!("{task}: {found:?}"))?;
    }
    // 500 of the 1319 problems were used.
    let name = "gsm8k_cot_8_exact_match,flexible-extract";
    let found = column("base_llm_post_training_eval.csv", name)?;
    expect(found == Some(500), format!("GSM8K: {found:?}"))
}

/// GPT-3's few-shot series; its tables print three significant digits of a percentage.
fn gpt3_series(shared: &Path, task: &str) -> Result<Series, Failed> {
    let mut points = Vec::new();
    for row in rows(&shared.join("published/gpt3_few_shot.csv"))? {
        let is_few_shot = row["setting"].starts_with("few-shot");
        if row["task"] != task || !is_few_shot || row["family"] != "GPT-3" {
            continue;
        }
        let flops: f64 = row["flops"].parse()?;
        let score: f64 = row["value"].parse()?;
        let decimals = if score < 0.1 { 4 } else { 3 };
        points.push((
            flops.log10(),
            count(score, row["n"].parse()?, Some(decimals)),
        ));
    }
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (x, obs) = points.into_iter().unzip();
    Ok(Series {
        x,
        obs,
        chance: Some(0.0),
        ceiling: Some(1.0),
    })
}

fn gpt3(shared: &Path) -> Result<(), Failed> {
    let emergent = |task| (task, Shape::Emergent, Some(Attribute::Abrupt));
    let cases = [
        emergent("2D+"),
        emergent("2D-"),
        emergent("3D+"),
        emergent("3D-"),
        emergent("4D+"),
        emergent("4D-"),
        ("5D+", Shape::WeakOnset, None),
        ("5D-", Shape::WeakOnset, None),
        (
            "1DC",
            Shape::Emergent,
            Some(Attribute::AbruptnessUnresolved),
        ),
        ("NaturalQuestions", Shape::Smooth, None),
        ("WebQuestions", Shape::Smooth, None),
        ("Cycled Letters (CL)", Shape::Smooth, None),
        (
            "Anagrams 1 (A1)",
            Shape::Smooth,
            Some(Attribute::GradualOnset),
        ),
        ("Anagrams 2 (A2)", Shape::Smooth, None),
    ];
    for (task, shape, attribute) in cases {
        let series = gpt3_series(shared, task)?;
        let j = judge(&series, &JudgeConfig::default());
        let found = j.shape == shape && attribute.is_none_or(|a| j.attributes.contains(&a));
        expect(
            series.len() == 8 && found,
            format!("{task} (K={}): {}", series.len(), described(&j)),
        )?;
    }
    Ok(())
}

/// Ends of the onset in FLOP, as printed: 6.7B to 13B, and 13B to 175B.
fn gpt3_thresholds(shared: &Path) -> Result<(), Failed> {
    for (task, lower, upper) in [
        ("3D+", 1.2e22, 2.31e22),
        ("3D-", 1.2e22, 2.31e22),
        ("4D+", 2.31e22, 3.14e23),
        ("4D-", 2.31e22, 3.14e23),
    ] {
        let series = gpt3_series(shared, task)?;
        let walk = judge(&series, &JudgeConfig::default())
            .walk
            .ok_or("no walk")?;
        let ends = interval(&series.x, &walk);
        let want = (Some(f64::log10(lower)), Some(f64::log10(upper)));
        expect(same_ends(ends, want), format!("{task}: {ends:?}"))?;
    }
    Ok(())
}
