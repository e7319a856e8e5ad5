//! What `ladder.toml` may say, and the one line for what it may not.

use std::path::Path;

use upturn_engine::train::Block;
use upturn_ladder::config::{Forms, Layers, Loss, ScheduleKind, Tokens, Transfer, Vocabulary};
use upturn_ladder::{Ladder, NoTexts};

const LEAST: &str = r#"
family = "chars"
[sizes]
widths = [8]
[[data.task]]
generator = "addition:digits=2"
"#;

/// The message for the least ladder with `from` replaced by `to`.
fn message(from: &str, to: &str) -> String {
    assert!(LEAST.contains(from), "{from}");
    let text = LEAST.replacen(from, to, 1);
    let error = match Ladder::parse(&text, Path::new("l.toml")) {
        Ok(ladder) => ladder.plan(&NoTexts).map(|_| ()).expect_err(&text),
        Err(e) => e,
    };
    let line = error.to_string();
    assert!(!line.contains('\n'), "{line}");
    line
}

#[test]
fn little_is_enough() {
    let ladder = Ladder::parse(LEAST, Path::new("l.toml")).expect("sound");
    assert_eq!(ladder.block, Block::Gated);
    assert_eq!((ladder.seed, ladder.tied), (0, false));
    assert_eq!(ladder.tokens, Tokens::PerParam(200.0));
    assert_eq!(ladder.sizes.layers, Layers::Auto);
    assert_eq!(ladder.train.batch_tokens, 4096);
    assert_eq!(ladder.train.transfer, Transfer::Mup);
    assert_eq!(ladder.train.schedule.kind, ScheduleKind::Cosine);
    assert_eq!(ladder.data.loss, Loss::Answers);
    assert_eq!(ladder.data.runs, (1, 4));
    assert_eq!(ladder.data.tokenizer, Vocabulary::Characters);
    assert_eq!(ladder.data.sources.tasks[0].form, Forms::Direct);
}

#[test]
fn everything_can_be_said() {
    let text = r#"
family = "f"
seed = 7
block = "gelu"
tied = true
[sizes]
rungs = [{ width = 16, layers = 2, heads = 2, intermediate = 40, tokens = 1e5, name = "small" }]
layers = 3
head_dim = 8
seeds = [[5e4, 3], [inf, 1]]
[tokens]
total = 2e7
[train]
batch_tokens = 1_000
lr = 1
base_width = 64
transfer = "none"
schedule = "wsd"
warmup = 0.1
final = 0
decay = 0.3
weight_decay = 0
betas = [0.9, 0.99]
clip_norm = inf
checkpoints = 3
[data]
context = 32
loss = "all"
runs = 2
tokenizer = "bpe:300"
held_out = 0
[[data.task]]
generator = "addition"
weight = 2
form = "both"
[[finetune]]
name = "s"
tokens = 1e4
lr_factor = 0.5
[[finetune.task]]
generator = "addition:digits=3"
form = "steps"
"#;
    let ladder = Ladder::parse(text, Path::new("l.toml")).expect("sound");
    assert_eq!(ladder.sizes.seeds.of(50_000), 3);
    assert_eq!(ladder.sizes.seeds.of(50_001), 1);
    assert_eq!(ladder.train.schedule.kind, ScheduleKind::Wsd);
    assert_eq!(ladder.train.schedule.last, 0.0);
    assert!(ladder.train.clip_norm.is_infinite());
    assert_eq!(ladder.data.runs, (2, 2));
    assert_eq!(ladder.data.tokenizer, Vocabulary::Bpe(300));
    assert_eq!(ladder.finetunes[0].sources.tasks[0].form, Forms::Steps);
}

#[test]
fn a_ladder_can_stand_in_a_larger_document() {
    let study: String = LEAST
        .replace("family", "[study.ladder]\nfamily")
        .replace("[sizes]", "[study.ladder.sizes]")
        .replace("[[data.task]]", "[[study.ladder.data.task]]");
    let within = |text: &str, key: &str| Ladder::parse_within(text, Path::new("s.toml"), key);
    assert_eq!(
        within(&study, "study.ladder").expect("sound").family,
        "chars"
    );
    let wrong = study.replace("widths", "widhts");
    let line = within(&wrong, "study.ladder").expect_err("wrong");
    let wanted = "s.toml:5: study.ladder.sizes.widhts: unknown key; did you mean 'widths'?";
    assert!(line.to_string().starts_with(wanted), "{line}");
    let line = within(&study, "ladder").expect_err("elsewhere");
    assert!(line.to_string().contains("is not there"), "{line}");

    let table: toml::Table = LEAST.parse().expect("TOML");
    let ladder = Ladder::from_table(&table, "s.toml: ladder").expect("sound");
    assert_eq!(ladder.family, "chars");
    let table: toml::Table = LEAST.replace("[8]", "[\"a\"]").parse().expect("TOML");
    let line = Ladder::from_table(&table, "s.toml: ladder").expect_err("wrong");
    assert_eq!(
        line.to_string(),
        "s.toml: ladder: sizes.widths: a list of 1 is wrong; expected a list of whole numbers from 2 to 1048576"
    );
}

#[test]
fn mistakes_are_one_line() {
    // What is replaced, by what, and how the line goes on after the file.
    let cases = [
        (
            "family = ",
            "famly = ",
            ":2: famly: unknown key; did you mean 'family'?",
        ),
        ("family = \"chars\"", "", ": family: is missing"),
        (
            "\"chars\"",
            "\"a/b\"",
            ":2: family: 'a/b' cannot be part of a folder's name",
        ),
        ("\"chars\"", "3", ":2: family: 3 is wrong; expected a text"),
        ("\"chars\"", "\"", ":2: "),
        (
            "\"chars\"",
            "\"chars\"\nseed = -1",
            ":3: seed: -1 is wrong; expected a whole number",
        ),
        (
            "\"chars\"",
            "\"chars\"\nseed = 1.5",
            ":3: seed: 1.5 is wrong",
        ),
        (
            "\"chars\"",
            "\"chars\"\nblock = \"gatd\"",
            ":3: block: 'gatd' is wrong; did you mean 'gated'?; expected \"gated\" or \"gelu\"",
        ),
        (
            "\"chars\"",
            "\"chars\"\ntied = 1",
            ":3: tied: 1 is wrong; expected true or false",
        ),
        (
            "\"chars\"",
            "\"chars\"\ntied = true",
            ":3: tied: a tied output table has no muP",
        ),
        (
            "\"chars\"",
            "\"chars\"\ntokens = 5",
            ":3: tokens: 5 is wrong; expected a table",
        ),
        (
            "\"chars\"",
            "\"chars\"\ntokens.totl = 5",
            ":3: tokens.totl: unknown key; did you mean 'total'?",
        ),
        (
            "\"chars\"",
            "\"chars\"\ntokens.total = 0",
            ":3: tokens.total: 0 is wrong; expected a number above 0",
        ),
        (
            "\"chars\"",
            "\"chars\"\ntokens = { total = 1, flops = 2 }",
            ":3: tokens: expected one of",
        ),
        (
            "\"chars\"",
            "\"chars\"\ntokens.total = 100",
            ":3: tokens: chars-w8-l1 would see 100 tokens, fewer than one batch of 4096",
        ),
        ("[8]", "[]", ":4: sizes.widths: an empty list is wrong"),
        ("[8]", "[0]", ":4: sizes.widths: a list of 1 is wrong"),
        (
            "[8]",
            "[8, 33]",
            ":4: sizes.widths[1]: no head with an even number of features divides width 33",
        ),
        (
            "[8]",
            "[8, 8]",
            ":3: sizes: two members would be named 'chars-w8-l1'",
        ),
        ("widths = [8]", "", ":3: sizes: has no sizes"),
        (
            "widths = [8]",
            "widths = [8]\nflops = {}",
            ":3: sizes: widths and flops say the sizes twice",
        ),
        (
            "widths = [8]",
            "rungs = [{}]",
            ":4: sizes.rungs[0].width: is missing",
        ),
        (
            "widths = [8]",
            "rungs = [{ width = 16, heads = 3 }]",
            ":4: sizes.rungs[0]: hidden 16 is not a multiple of n_heads 3",
        ),
        (
            "widths = [8]",
            "rungs = []",
            ":4: sizes.rungs: an empty list",
        ),
        (
            "widths = [8]",
            "flops = { from = 1e9 }",
            ":4: sizes.flops.to: is missing",
        ),
        (
            "widths = [8]",
            "flops = { from = 1e9, to = 1e8, rungs = 3 }",
            ":4: sizes.flops.to: 1e8 is wrong",
        ),
        (
            "widths = [8]",
            "flops = { from = 1e9, to = 1.1e9, rungs = 9 }",
            ":4: sizes.flops.rungs: 9 rungs from 1e9 to 1.1e9 are so close",
        ),
        (
            "widths = [8]",
            "flops = { from = 1, to = 10, rungs = 2 }",
            ":4: sizes.flops: no shape trains for 1.00e0 FLOPs",
        ),
        (
            "[8]",
            "[8]\nlayers = \"deep\"",
            ":5: sizes.layers: 'deep' is wrong; expected a whole number from 1 to 1000, or \"auto\"",
        ),
        (
            "[8]",
            "[8]\nseeds = [[5, 1], [3, 1]]",
            ":5: sizes.seeds: a list of 2 is wrong",
        ),
        (
            "[8]",
            "[8]\n[train]\nlr = 0",
            ":6: train.lr: 0 is wrong; expected a number above 0",
        ),
        (
            "[8]",
            "[8]\n[train]\nlr = nan",
            ":6: train.lr: NaN is wrong",
        ),
        (
            "[8]",
            "[8]\n[train]\nlr = 2000-01-01",
            ":6: train.lr: 2000-01-01 is wrong",
        ),
        (
            "[8]",
            "[8]\n[train]\nwarmup = 2",
            ":6: train.warmup: 2 is wrong; expected a share from 0 to 1",
        ),
        (
            "[8]",
            "[8]\n[train]\nbetas = [0.9, 1.0]",
            ":6: train.betas: a list of 2 is wrong",
        ),
        (
            "[8]",
            "[8]\n[train]\ndecay = 0.1",
            ":6: train.decay: is of the schedule \"wsd\" alone",
        ),
        (
            "[8]",
            "[8]\n[train]\nschedule = \"wsd\"\nwarmup = 0.5\ndecay = 0.6",
            ":8: train.decay: warmup and decay",
        ),
        (
            "[8]",
            "[8]\n[train]\ncheckpoints = 0",
            ":6: train.checkpoints: 0 is wrong",
        ),
        (
            "[8]",
            "[8]\n[data]\ncontext = 1",
            ":6: data.context: 1 is wrong",
        ),
        (
            "[8]",
            "[8]\n[data]\ncontext = 4",
            ":6: data.context: 4 tokens are too short: an item of addition_2digit takes 9",
        ),
        (
            "[8]",
            "[8]\n[data]\nruns = [2, 1]",
            ":6: data.runs: a list of 2 is wrong",
        ),
        (
            "[8]",
            "[8]\n[data]\nheld_out = 1",
            ":6: data.held_out: 1 is wrong",
        ),
        (
            "[8]",
            "[8]\n[data]\ntokenizer = \"words\"",
            ":6: data.tokenizer: 'words' is wrong; expected \"characters\"",
        ),
        (
            "[8]",
            "[8]\n[data]\ntokenizer = \"bpe:100\"",
            ":6: data.tokenizer: 'bpe:100' is wrong; expected bpe: with 257",
        ),
        (
            "[8]",
            "[8]\n[data]\ntokenizer = \"bpe:100000\"",
            ":6: data.tokenizer: bpe:100000 asks for more tokens than the data gives",
        ),
        (
            "[8]",
            "[8]\n[data]\ntokenizer = \"./no/tokenizer.json\"",
            ":6: data.tokenizer: ./no/tokenizer.json: cannot be read",
        ),
        (
            "[[data.task]]\ngenerator = \"addition:digits=2\"",
            "[data]\nruns = 1",
            ":5: data: has no sources",
        ),
        (
            "[[data.task]]\ngenerator = \"addition:digits=2\"",
            "",
            ": data: is missing",
        ),
        (
            "[[data.task]]",
            "[data.task]",
            ":5: data.task: a table is wrong; expected a list of tables",
        ),
        (
            "generator = \"addition:digits=2\"",
            "weight = 1",
            ":5: data.task[0].generator: is missing",
        ),
        (
            "\"addition:digits=2\"",
            "\"additon\"",
            ":6: data.task[0].generator: unknown kind of generated task 'additon'; did you mean 'addition'?",
        ),
        (
            "\"addition:digits=2\"",
            "\"addition\"\nweight = 0",
            ":7: data.task[0].weight: 0 is wrong; expected a number above 0",
        ),
        (
            "\"addition:digits=2\"",
            "\"addition\"\nweight = -2.5",
            ":7: data.task[0].weight: -2.5 is wrong",
        ),
        (
            "\"addition:digits=2\"",
            "\"copying\"\nform = \"steps\"",
            ":7: data.task[0].form: copying_letters_4 has no worked steps",
        ),
        (
            "[[data.task]]",
            "[[data.text]]\npath = \"*.txt\"\n[[data.task]]",
            ":6: data.text[0].path: no texts can be read here",
        ),
        (
            "[[data.task]]",
            "[[data.text]]\n[[data.task]]",
            ":5: data.text[0].path: is missing",
        ),
        (
            "[8]",
            "[8]\n[[finetune]]",
            ":5: finetune[0].name: is missing",
        ),
        (
            "[8]",
            "[8]\n[[finetune]]\nname = \"a\"",
            ":5: finetune[0]: has no sources",
        ),
        (
            "[8]",
            "[8]\n[[finetune]]\nname = \"a\"\ntokens = 1\ntokens_share = 1",
            ":7: finetune[0].tokens: is said twice",
        ),
    ];
    for (from, to, wanted) in cases {
        let line = message(from, to);
        assert!(
            line.starts_with(&format!("l.toml{wanted}")),
            "{to}\n  {line}\n  {wanted}"
        );
    }
}

#[test]
fn two_finetunes_of_one_name_are_told_apart() {
    let one = "[[finetune]]\nname = \"a\"\n[[finetune.task]]\ngenerator = \"addition\"\n";
    let text = format!("{LEAST}{one}{one}");
    let line = Ladder::parse(&text, Path::new("l.toml")).expect_err("two");
    assert_eq!(
        line.to_string(),
        "l.toml:12: finetune[1].name: 'a' is the name of two; expected another"
    );
}
