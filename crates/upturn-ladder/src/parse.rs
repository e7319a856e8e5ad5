//! From the tree of a TOML document to a [`Ladder`].

use std::path::PathBuf;

use upturn_engine::train::Block;
use upturn_synth::Generator;

use crate::config::{
    Data, Finetune, FinetuneTokens, Forms, Ladder, Layers, Loss, Rung, Rungs, Schedule,
    ScheduleKind, Seeds, Settings, Sizes, Sources, TaskSource, TextSource, Tokens, Transfer,
    Vocabulary,
};
use crate::error::LadderError;
use crate::node::{Node, Places, Section, Value, count, number};

const LADDER: &[&str] = &[
    "family", "seed", "block", "tied", "sizes", "tokens", "train", "data", "finetune",
];
const SIZES: &[&str] = &["widths", "rungs", "flops", "layers", "head_dim", "seeds"];
const RUNG: &[&str] = &[
    "name",
    "width",
    "layers",
    "heads",
    "kv_heads",
    "intermediate",
    "tokens",
    "seeds",
];
const FLOPS: &[&str] = &["from", "to", "rungs"];
const TOKENS: &[&str] = &["per_param", "total", "flops"];
const TRAIN: &[&str] = &[
    "batch_tokens",
    "lr",
    "base_width",
    "transfer",
    "schedule",
    "warmup",
    "final",
    "decay",
    "weight_decay",
    "betas",
    "clip_norm",
    "checkpoints",
];
const DATA: &[&str] = &[
    "context",
    "loss",
    "runs",
    "tokenizer",
    "held_out",
    "task",
    "text",
];
const TASK: &[&str] = &["generator", "weight", "form"];
const TEXT: &[&str] = &["path", "weight"];
const FINETUNE: &[&str] = &[
    "name",
    "tokens_share",
    "tokens",
    "lr_factor",
    "task",
    "text",
];

/// Largest width, vocabulary or depth that is taken for a size and not for a slip.
const SIZE_MAX: usize = 1 << 20;
/// Most members of one kind: rungs, seeds, checkpoints.
const COUNT_MAX: usize = 1_000;

type Read<T> = Result<T, LadderError>;

/// The ladder under a key of the document; the whole document where the key is empty.
pub(crate) fn ladder(root: &Node, places: Places, key: &str, base: PathBuf) -> Read<Ladder> {
    let mut node = root;
    for part in key.split('.').filter(|p| !p.is_empty()) {
        node = match &node.value {
            Value::Table(t) if t.contains_key(part) => &t[part],
            _ => return Err(places.error(key, "is not there; expected the table of a ladder")),
        };
    }
    let top = Section::new(&places, key, node, LADDER)?;
    let family = top
        .text("family")?
        .ok_or_else(|| top.error("family", "is missing; expected the name of the family"))?;
    check_name(&top, "family", family)?;
    let seed = top.get("seed", "a whole number from 0", |v| match v {
        Value::Integer(n) => u64::try_from(*n).ok(),
        _ => None,
    })?;
    let block = match top.word("block", &["gated", "gelu"])? {
        Some("gelu") => Block::Gelu,
        _ => Block::Gated,
    };
    let ladder = Ladder {
        family: family.to_owned(),
        seed: seed.unwrap_or(0),
        block,
        tied: top.bool("tied")?.unwrap_or(false),
        sizes: sizes(&top)?,
        tokens: tokens(&top)?,
        train: settings(&top)?,
        data: data(&top)?,
        finetunes: finetunes(&top)?,
        base,
        places: Places::default(),
    };
    if ladder.tied && ladder.train.transfer == Transfer::Mup {
        let message = "a tied output table has no muP without a factor in the forward pass, which \
                       a standard folder cannot hold; set tied = false or train.transfer = \"none\"";
        return Err(top.error("tied", message));
    }
    if let (Rungs::Flops { .. }, Tokens::Flops(_)) = (&ladder.sizes.rungs, ladder.tokens) {
        let message = "the compute of every rung follows from sizes.flops already; expected \
                       tokens.per_param or tokens.total";
        return Err(top.error("tokens.flops", message));
    }
    drop(top);
    Ok(Ladder { places, ..ladder })
}

/// Names become parts of folder names.
fn check_name(section: &Section<'_>, key: &str, name: &str) -> Read<()> {
    let sound = name
        .chars()
        .all(|c| c.is_alphanumeric() || "-_.+".contains(c));
    if sound && !name.starts_with('.') && name.len() <= 100 {
        return Ok(());
    }
    let message = format!(
        "'{}' cannot be part of a folder's name; expected letters, digits, '-', '_', '.' or '+'",
        name.escape_debug()
    );
    Err(section.error(key, message))
}

fn layers(section: &Section<'_>) -> Read<Option<Layers>> {
    let expected = format!("a whole number from 1 to {COUNT_MAX}, or \"auto\"");
    section.get("layers", &expected, |v| match v {
        Value::Text(t) if t == "auto" => Some(Layers::Auto),
        v => count(v)
            .filter(|n| (1..=COUNT_MAX).contains(n))
            .map(Layers::Fixed),
    })
}

fn sizes(top: &Section<'_>) -> Read<Sizes> {
    let section = top.section("sizes", SIZES)?.ok_or_else(|| {
        top.error(
            "sizes",
            "is missing; expected a table with widths, rungs or flops",
        )
    })?;
    let ways = ["widths", "rungs", "flops"];
    let given: Vec<&str> = ways.into_iter().filter(|w| section.has(w)).collect();
    let rungs = match given[..] {
        ["widths"] => widths(&section)?,
        ["rungs"] => each_rung(&section)?,
        ["flops"] => flops_range(&section)?,
        [] => {
            let message = "has no sizes; expected one of widths, rungs and flops";
            return Err(top.error("sizes", message));
        }
        _ => {
            let message = format!(
                "{} say the sizes twice; expected one of them",
                given.join(" and ")
            );
            return Err(top.error("sizes", message));
        }
    };
    Ok(Sizes {
        rungs,
        layers: layers(&section)?.unwrap_or(Layers::Auto),
        head_dim: section.count("head_dim", 2, SIZE_MAX)?.unwrap_or(16),
        seeds: seeds(&section)?.unwrap_or(Seeds(vec![(f64::INFINITY, 1)])),
    })
}

fn widths(section: &Section<'_>) -> Read<Rungs> {
    let expected = format!("a list of whole numbers from 2 to {SIZE_MAX}");
    let widths = section.get("widths", &expected, |v| match v {
        Value::List(list) if !list.is_empty() => list
            .iter()
            .map(|n| count(&n.value).filter(|w| (2..=SIZE_MAX).contains(w)))
            .collect::<Option<Vec<usize>>>(),
        _ => None,
    })?;
    Ok(Rungs::Widths(widths.unwrap_or_default()))
}

fn each_rung(section: &Section<'_>) -> Read<Rungs> {
    let mut rungs = Vec::new();
    for rung in section.sections("rungs", RUNG)? {
        let name = rung.text("name")?;
        if let Some(name) = name {
            check_name(&rung, "name", name)?;
        }
        let width = rung.count("width", 2, SIZE_MAX)?;
        let width = width.ok_or_else(|| {
            rung.error(
                "width",
                "is missing; expected the width of the residual stream",
            )
        })?;
        rungs.push(Rung {
            name: name.map(str::to_owned),
            width,
            layers: rung.count("layers", 1, COUNT_MAX)?,
            heads: rung.count("heads", 1, SIZE_MAX)?,
            kv_heads: rung.count("kv_heads", 1, SIZE_MAX)?,
            intermediate: rung.count("intermediate", 1, SIZE_MAX)?,
            tokens: rung.number("tokens", "a number of tokens above 0", |x| x > 0.0)?,
            seeds: rung.count("seeds", 1, COUNT_MAX)?,
        });
    }
    if rungs.is_empty() {
        return Err(section.error(
            "rungs",
            "an empty list is wrong; expected at least one rung",
        ));
    }
    Ok(Rungs::Each(rungs))
}

fn flops_range(section: &Section<'_>) -> Read<Rungs> {
    let Some(range) = section.section("flops", FLOPS)? else {
        return Ok(Rungs::Each(Vec::new()));
    };
    let missing = |key: &str| {
        let message = format!("is missing; expected a table with {}", FLOPS.join(", "));
        range.error(key, message)
    };
    let positive = "a number of FLOPs above 0";
    let from = range.number("from", positive, |x| x > 0.0)?;
    let to = range.number("to", positive, |x| x > 0.0)?;
    let n = range.count("rungs", 1, COUNT_MAX)?;
    let from = from.ok_or_else(|| missing("from"))?;
    let to = to.ok_or_else(|| missing("to"))?;
    let n = n.ok_or_else(|| missing("rungs"))?;
    if to < from || (n > 1 && to == from) {
        let message = format!("{to:e} is wrong; expected more than from = {from:e}");
        return Err(range.error("to", message));
    }
    Ok(Rungs::Flops { from, to, n })
}

fn seeds(section: &Section<'_>) -> Read<Option<Seeds>> {
    let expected = "a whole number from 1, or pairs of most parameters and seeds in rising order \
                    such as [[5e4, 3], [inf, 1]]";
    section.get("seeds", expected, |v| {
        let one = |v: &Value| count(v).filter(|n| (1..=COUNT_MAX).contains(n));
        let Value::List(list) = v else {
            return one(v).map(|n| Seeds(vec![(f64::INFINITY, n)]));
        };
        let pair = |node: &Node| match &node.value {
            Value::List(pair) if pair.len() == 2 => {
                let most = number(&pair[0].value).filter(|x| *x > 0.0)?;
                Some((most, one(&pair[1].value)?))
            }
            _ => None,
        };
        let pairs: Vec<(f64, usize)> = list.iter().map(pair).collect::<Option<_>>()?;
        let rising = pairs.windows(2).all(|w| w[0].0 < w[1].0);
        (rising && !pairs.is_empty()).then_some(Seeds(pairs))
    })
}

fn tokens(top: &Section<'_>) -> Read<Tokens> {
    let Some(section) = top.section("tokens", TOKENS)? else {
        return Ok(Tokens::PerParam(200.0));
    };
    let positive = "a number above 0";
    let get = |key: &str| section.number(key, positive, |x| x > 0.0);
    match (get("per_param")?, get("total")?, get("flops")?) {
        (Some(x), None, None) => Ok(Tokens::PerParam(x)),
        (None, Some(x), None) => Ok(Tokens::Total(x)),
        (None, None, Some(x)) => Ok(Tokens::Flops(x)),
        _ => Err(top.error("tokens", "expected one of per_param, total and flops")),
    }
}

fn settings(top: &Section<'_>) -> Read<Settings> {
    let mut s = Settings {
        batch_tokens: 4096,
        lr: 0.01,
        base_width: 32,
        transfer: Transfer::Mup,
        schedule: Schedule {
            kind: ScheduleKind::Cosine,
            warmup: 0.05,
            last: 0.1,
            decay: 0.2,
        },
        weight_decay: 0.1,
        betas: (0.9, 0.95),
        clip_norm: 1.0,
        checkpoints: 6,
    };
    let Some(section) = top.section("train", TRAIN)? else {
        return Ok(s);
    };
    let share =
        |key: &str| section.number(key, "a share from 0 to 1", |x| (0.0..=1.0).contains(&x));
    if let Some(n) = section.count("batch_tokens", 1, 1 << 30)? {
        s.batch_tokens = n;
    }
    if let Some(x) = section.number("lr", "a number above 0", |x| x > 0.0)? {
        s.lr = x;
    }
    if let Some(n) = section.count("base_width", 1, SIZE_MAX)? {
        s.base_width = n;
    }
    if section.word("transfer", &["mup", "none"])? == Some("none") {
        s.transfer = Transfer::None;
    }
    if section.word("schedule", &["cosine", "wsd"])? == Some("wsd") {
        s.schedule.kind = ScheduleKind::Wsd;
    }
    if let Some(x) = share("warmup")? {
        s.schedule.warmup = x;
    }
    if let Some(x) = share("final")? {
        s.schedule.last = x;
    }
    if let Some(x) = share("decay")? {
        if s.schedule.kind == ScheduleKind::Cosine {
            let message =
                "is of the schedule \"wsd\" alone; expected schedule = \"wsd\", or no decay";
            return Err(section.error("decay", message));
        }
        s.schedule.decay = x;
    }
    if s.schedule.kind == ScheduleKind::Wsd && s.schedule.warmup + s.schedule.decay > 1.0 {
        let message = "warmup and decay are more than all steps together; expected shares that \
                       add up to at most 1";
        return Err(section.error("decay", message));
    }
    if let Some(x) = section.number("weight_decay", "a number from 0", |x| x >= 0.0)? {
        s.weight_decay = x;
    }
    let betas = section.get("betas", "two numbers from 0 to below 1", |v| match v {
        Value::List(list) if list.len() == 2 => {
            let beta = |n: &Node| number(&n.value).filter(|x| (0.0..1.0).contains(x));
            Some((beta(&list[0])?, beta(&list[1])?))
        }
        _ => None,
    })?;
    if let Some(betas) = betas {
        s.betas = betas;
    }
    let clip = section.get("clip_norm", "a number above 0 (inf clips nothing)", |v| {
        number(v).filter(|x| *x > 0.0)
    })?;
    if let Some(x) = clip {
        s.clip_norm = x;
    }
    if let Some(n) = section.count("checkpoints", 1, COUNT_MAX)? {
        s.checkpoints = n;
    }
    Ok(s)
}

fn data(top: &Section<'_>) -> Read<Data> {
    let section = top.section("data", DATA)?.ok_or_else(|| {
        top.error(
            "data",
            "is missing; expected a table with sources: [[data.task]] or [[data.text]]",
        )
    })?;
    let loss = match section.word("loss", &["answers", "all"])? {
        Some("all") => Loss::All,
        _ => Loss::Answers,
    };
    let runs = section.get(
        "runs",
        "two whole numbers from 1 in order, such as [1, 4]",
        |v| match v {
            Value::List(list) if list.len() == 2 => {
                let n = |i: usize| count(&list[i].value).filter(|n| (1..=COUNT_MAX).contains(n));
                Some((n(0)?, n(1)?)).filter(|(a, b)| a <= b)
            }
            v => count(v)
                .filter(|n| (1..=COUNT_MAX).contains(n))
                .map(|n| (n, n)),
        },
    )?;
    Ok(Data {
        context: section.count("context", 2, SIZE_MAX)?.unwrap_or(128),
        loss,
        runs: runs.unwrap_or((1, 4)),
        tokenizer: vocabulary(&section)?,
        held_out: section
            .number("held_out", "a share from 0 to below 1", |x| {
                (0.0..1.0).contains(&x)
            })?
            .unwrap_or(0.01),
        sources: sources(&section)?,
    })
}

fn vocabulary(section: &Section<'_>) -> Read<Vocabulary> {
    let expected = "\"characters\", \"bpe:512\" or the path of a tokenizer.json";
    let Some(text) = section.text("tokenizer")? else {
        return Ok(Vocabulary::Characters);
    };
    let wrong = |value: &str| section.wrong("tokenizer", &Value::Text(value.to_owned()), expected);
    if text == "characters" {
        return Ok(Vocabulary::Characters);
    }
    if let Some(n) = text.strip_prefix("bpe:") {
        let n: usize = n.trim().parse().map_err(|_| wrong(text))?;
        let least = crate::bpe::SMALLEST;
        if !(least..=SIZE_MAX).contains(&n) {
            let message = format!(
                "'{text}' is wrong; expected bpe: with {least} (every byte and two tokens) to {SIZE_MAX}"
            );
            return Err(section.error("tokenizer", message));
        }
        return Ok(Vocabulary::Bpe(n));
    }
    let path = text.contains(['/', '\\', '.']);
    if path {
        return Ok(Vocabulary::File(PathBuf::from(text)));
    }
    Err(wrong(text))
}

fn weight(section: &Section<'_>) -> Read<f64> {
    let expected = "a number above 0 (leave a source out that has no weight)";
    Ok(section
        .number("weight", expected, |x| x > 0.0)?
        .unwrap_or(1.0))
}

fn sources(section: &Section<'_>) -> Read<Sources> {
    let mut sources = Sources::default();
    for task in section.sections("task", TASK)? {
        let spec = task.text("generator")?.ok_or_else(|| {
            let message = "is missing; expected a kind of task such as \"addition:digits=2\"";
            task.error("generator", message)
        })?;
        let generator =
            Generator::parse(spec).map_err(|e| task.error("generator", e.to_string()))?;
        let form = match task.word("form", &["direct", "steps", "both", "words"])? {
            Some("steps") => Forms::Steps,
            Some("both") => Forms::Both,
            Some("words") => Forms::Words,
            _ => Forms::Direct,
        };
        if matches!(form, Forms::Steps | Forms::Both) && !generator.has_steps() {
            let message = format!(
                "{} has no worked steps; expected form = \"direct\" or \"words\"",
                generator.name()
            );
            return Err(task.error("form", message));
        }
        sources.tasks.push(TaskSource {
            generator,
            weight: weight(&task)?,
            form,
            key: task.path,
        });
    }
    for text in section.sections("text", TEXT)? {
        let path = text.text("path")?.ok_or_else(|| {
            text.error(
                "path",
                "is missing; expected a pattern such as \"books/*.txt\"",
            )
        })?;
        sources.texts.push(TextSource {
            path: path.to_owned(),
            weight: weight(&text)?,
            key: text.path,
        });
    }
    if sources.tasks.is_empty() && sources.texts.is_empty() {
        let message = "has no sources; expected at least one task (with a generator) or text \
                       (with a path)";
        return Err(section.places.error(&section.path, message));
    }
    Ok(sources)
}

fn finetunes(top: &Section<'_>) -> Read<Vec<Finetune>> {
    let mut all: Vec<Finetune> = Vec::new();
    for section in top.sections("finetune", FINETUNE)? {
        let name = section
            .text("name")?
            .ok_or_else(|| section.error("name", "is missing; expected a name"))?;
        check_name(&section, "name", name)?;
        if all.iter().any(|f| f.name == name) {
            let message = format!("'{name}' is the name of two; expected another");
            return Err(section.error("name", message));
        }
        let share = section.number("tokens_share", "a share above 0", |x| x > 0.0)?;
        let total = section.number("tokens", "a number of tokens above 0", |x| x > 0.0)?;
        let tokens = match (share, total) {
            (_, None) => FinetuneTokens::Share(share.unwrap_or(0.1)),
            (None, Some(total)) => FinetuneTokens::Total(total),
            (Some(_), Some(_)) => {
                let message = "is said twice; expected tokens or tokens_share";
                return Err(section.error("tokens", message));
            }
        };
        let lr_factor = section.number("lr_factor", "a number above 0", |x| x > 0.0)?;
        all.push(Finetune {
            name: name.to_owned(),
            tokens,
            lr_factor: lr_factor.unwrap_or(0.3),
            sources: sources(&section)?,
            key: section.path,
        });
    }
    Ok(all)
}
