//! A user's TOML: what it may say, how it wins, and the one line that refuses it.

use upturn_catalog::Catalog;
use upturn_types::{Known, flag};

#[test]
fn a_users_model_wins_over_the_built_in_one() {
    let mut catalog = Catalog::builtin();
    let before = catalog.models().len();
    let added = catalog
        .add_models_toml(
            "[[model]]\nname = \"PaLM 540B\"\nfamily = \"PaLM\"\nparams = 540e9\ntokens = 780e9\n\n\
             [[model]]\nname = \"ours-70m\"\naliases = [\"davinci\", \"lab/ours_70m_v1\"]\n\
             params = 70000000\ntokens_per_step = 1e6\nfinal_step = 100\nflags = [\"code\"]\n",
            "ours.toml",
        )
        .expect("a good file");
    assert_eq!(added, 2);
    assert_eq!(catalog.models().len(), before + 1);

    let palm = catalog.find_model("PaLM-540B", None).expect("PaLM").entry;
    assert!(palm.user);
    assert_eq!(
        (palm.params, palm.flops),
        (Some(5.4e11), Some(6.0 * 5.4e11 * 7.8e11))
    );
    assert_eq!(palm.flops_kind, Some(Known::Derived));
    assert_eq!(&*palm.source, "ours.toml");

    // An alias that belonged to another model moves; the other keeps its own name.
    let ours = catalog.find_model("davinci", None).expect("moved").entry;
    assert_eq!((&*ours.name, &*ours.family), ("ours-70m", "ours-70m"));
    assert!(ours.has(flag::CODE));
    let gpt3 = catalog
        .find_model("GPT-3 175B", None)
        .expect("still there")
        .entry;
    assert!(!gpt3.aliases.iter().any(|a| &**a == "davinci"));

    let at = catalog
        .find_model("Ours_70M_v1", Some("step50"))
        .expect("alias");
    assert_eq!(at.scale.tokens, Some(5e7));
    let end = catalog
        .find_model("ours-70m", Some("step101"))
        .expect("name");
    assert_eq!(end.scale.tokens, None);
    // The built-in catalogue itself is untouched.
    assert_eq!(Catalog::builtin().models().len(), before);
}

#[test]
fn a_users_task_wins_too() {
    let mut catalog = Catalog::builtin();
    let before = catalog.tasks().len();
    let added = catalog
        .add_tasks_toml(
            "[[task]]\nname = \"crows_pairs_english\"\nchance = 0.5\nn = { test = 1677 }\n\
             eval_split = \"test\"\n\n\
             [[task]]\nname = \"my_translation\"\n\
             metrics.bleu = { chance = 0.0, ceiling = 0.6 }\n\
             metrics.ppl = { chance = 50000.0 }\n\
             metrics.made_up = { chance = 0.1, bounded = true, higher_is_better = false }\n",
            "tasks.toml",
        )
        .expect("a good file");
    assert_eq!((added, catalog.tasks().len()), (2, before + 1));
    let crows = catalog.find_task("crows_pairs_english").expect("there");
    assert_eq!(
        (crows.chance, crows.user, crows.aggregate),
        (Some(0.5), true, false)
    );
    let mine = catalog.find_task("my-translation").expect("there");
    assert_eq!(mine.chance_for("bleu"), Some(0.0));
    assert_eq!(mine.metrics["bleu"].ceiling, Some(0.6));
    assert_eq!(mine.chance_for("perplexity"), Some(50_000.0));
    assert_eq!(mine.chance_for("made_up"), Some(0.1));
    assert!(!mine.metrics["made_up"].higher_is_better);
    assert_eq!(mine.chance_for("acc"), None);
}

#[test]
fn names_that_only_punctuation_tells_apart_are_taken_one_by_one() {
    let mut catalog = Catalog::builtin();
    // A model called GPT-2 is not `gpt2`, nor does a task called 2D+ take 2D- along.
    catalog
        .add_models_toml("[[model]]\nname = \"GPT-2\"\nparams = 1.5e9\n", "m.toml")
        .expect("a good file");
    let params = |name| catalog.find_model(name, None).and_then(|m| m.scale.params);
    assert_eq!(params("GPT-2"), Some(1.5e9));
    assert_eq!(params("gpt2"), Some(1.24e8));
    let mut catalog = Catalog::builtin();
    catalog
        .add_tasks_toml("[[task]]\nname = \"plus\"\nexact = [\"2D+\"]\n", "t.toml")
        .expect("a good file");
    let name = |task| catalog.find_task(task).map(|t| t.name.to_string());
    assert_eq!(name("2D+").as_deref(), Some("plus"));
    assert_eq!(name("2D-").as_deref(), Some("arithmetic_2ds"));
    assert_eq!(name("arithmetic_2da").as_deref(), Some("arithmetic_2da"));
}

#[test]
fn an_empty_file_adds_nothing() {
    let mut catalog = Catalog::builtin();
    assert_eq!(catalog.add_models_toml("", "m.toml"), Ok(0));
    assert_eq!(catalog.add_tasks_toml("# nothing\n", "t.toml"), Ok(0));
}

/// The line that refuses `text`.
fn refusal(kind: &str, text: &str) -> String {
    let mut catalog = Catalog::builtin();
    let (models, tasks) = (catalog.models().len(), catalog.tasks().len());
    let result = match kind {
        "models" => catalog.add_models_toml(text, "mine.toml"),
        _ => catalog.add_tasks_toml(text, "mine.toml"),
    };
    assert_eq!(catalog.models().len(), models, "nothing is added");
    assert_eq!(catalog.tasks().len(), tasks, "nothing is added");
    result.expect_err(text).to_string()
}

#[test]
fn mistakes_are_named_with_file_line_and_field() {
    for (kind, text, parts) in [
        (
            "models",
            "[[model]\n",
            &["mine.toml: line 1", "[[model]]"][..],
        ),
        (
            "models",
            "[[model]]\nparams = 1e9\n",
            &["line 1", "missing field `name`"],
        ),
        (
            "models",
            "[[model]]\nname = 3\n",
            &["line 2", "expected a string"],
        ),
        (
            "models",
            "[[model]]\nname = \"a\"\nparam = 1e9\n",
            &["line 3", "unknown field `param`", "params"],
        ),
        (
            "models",
            "[[model]]\nname = \"a\"\nparams = \"1B\"\n",
            &["line 3", "invalid type"],
        ),
        (
            "models",
            "[[model]]\nname = \"a\"\nparams = 0\n",
            &[
                "line 3: params",
                "params is 0",
                "expected a count above 0",
                "1.4e9",
            ],
        ),
        (
            "models",
            "[[model]]\nname = \"a\"\ntokens = -2e9\n",
            &["line 3: tokens", "above 0"],
        ),
        (
            "models",
            "[[model]]\nname = \"a\"\nflops = nan\n",
            &["line 3: flops", "NaN"],
        ),
        (
            "models",
            "[[model]]\nname = \"a\"\nflops = inf\n",
            &["line 3: flops", "inf"],
        ),
        (
            "models",
            "[[model]]\nname = \"a\"\nfinal_step = -1\n",
            &["line 3: final_step", "whole number above 0"],
        ),
        (
            "models",
            "[[model]]\nname = \" \"\n",
            &["line 2: name", "no letter or digit"],
        ),
        (
            "models",
            "[[model]]\nname = \"a\"\nparams = 2\nparams_total = 1\n",
            &["line 4: params_total", "below params"],
        ),
        (
            "models",
            "[[model]]\nname = \"x/a-1b\"\n[[model]]\nname = \"A 1B\"\n",
            &["line 4: name", "same model as line 2"],
        ),
        (
            "tasks",
            "[[task]]\nname = \"a\"\nchance = 25\n",
            &[
                "line 3: chance",
                "chance is 25",
                "divide percentages by 100",
            ],
        ),
        (
            "tasks",
            "[[task]]\nname = \"a\"\nchance = 1.0\n",
            &["line 3: chance", "up to but not 1"],
        ),
        (
            "tasks",
            "[[task]]\nname = \"a\"\nchance = -0.1\n",
            &["line 3: chance"],
        ),
        (
            "tasks",
            "[[task]]\nname = \"a\"\nchance = nan\n",
            &["line 3: chance"],
        ),
        (
            "tasks",
            "[[task]]\nname = \"a\"\noptions = 1\n",
            &["line 3: options", "from 2", "chance = 0"],
        ),
        (
            "tasks",
            "[[task]]\nname = \"a\"\nn = { test = 0 }\n",
            &["line 3: n", "above 0"],
        ),
        (
            "tasks",
            "[[task]]\nname = \"a\"\nn = 5\n",
            &["line 3", "expected a map"],
        ),
        (
            "tasks",
            "[[task]]\nname = \"a\"\nn = { test = 5 }\neval_split = \"dev\"\n",
            &["line 4: eval_split", "one of test"],
        ),
        (
            "tasks",
            "[[task]]\nname = \"a_b\"\n[[task]]\nname = \"A-B\"\n",
            &["line 4: name", "line 2"],
        ),
        (
            "tasks",
            "[[task]]\nname = \"a\"\nmetrics.acc = { ceiling = 1.5 }\n",
            &["line 3: ceiling", "at most 1"],
        ),
        (
            "tasks",
            "[[group]]\nname = \"g\"\npatterns = [\"g\"]\ntasks.a = {}\n",
            &["patterns", "{}"],
        ),
    ] {
        let line = refusal(kind, text);
        assert!(!line.contains('\n'), "{line:?}");
        assert!(line.starts_with("mine.toml: "), "{line}");
        for part in parts {
            assert!(line.contains(part), "{part:?} is not in {line:?}");
        }
    }
}
