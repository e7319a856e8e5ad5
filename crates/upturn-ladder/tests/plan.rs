//! Numbers of a plan against counts by hand.

use std::path::Path;

use upturn_ladder::{Ladder, NoTexts, Plan};

fn plan(text: &str) -> Plan {
    let ladder = Ladder::parse(text, Path::new("l.toml")).expect("sound");
    ladder.plan(&NoTexts).expect("possible")
}

const TASK: &str = "[[data.task]]\ngenerator = \"addition:digits=1\"\n";

#[test]
fn parameters_tokens_and_flops_are_those_counted_by_hand() {
    let plan = plan(&format!(
        "family = \"a\"\nsizes.widths = [16]\ntokens.per_param = 100\n[train]\nbatch_tokens = 1000\n\
         [data]\ncontext = 32\nruns = 1\n{TASK}"
    ));
    let m = &plan.members[0];
    // <unk>, <|endoftext|>, newline, ten digits, + and =.
    assert_eq!(plan.tokenizer.vocab_size, 15);
    // Two tables; attention 4·16²; three matrices 16×48; two norms a layer and one at the end.
    let layer = 4 * 16 * 16 + 3 * 16 * 48 + 2 * 16;
    let n = 2 * 15 * 16 + layer + 16;
    assert_eq!(m.shape.n_layers, 1);
    assert_eq!(m.n_params, n);
    assert_eq!(m.n_params_without_embedding, layer + 16);
    assert_eq!(m.steps, (100.0 * n as f64 / 1000.0).round() as u64);
    assert_eq!(m.tokens, m.steps * 1000);
    assert_eq!(m.flops_6nd, 6.0 * n as f64 * m.tokens as f64);

    // `3+4=7\n` feeds 5 tokens and `8+7=15\n` 6: a batch of 1,000 has nothing longer.
    let forward = |t: usize| {
        let per_token = 2 * (4 * 16 * 16 + 3 * 16 * 48) + 2 * 15 * 16;
        t * per_token + 4 * 16 * t * (t + 1) / 2
    };
    let (low, high) = (forward(5) as f64 / 5.0, forward(6) as f64 / 6.0);
    let per_token = m.flops / 3.0 / m.tokens as f64;
    assert!(
        low < per_token && per_token < high,
        "{low} {per_token} {high}"
    );
    assert!((5.0..6.0).contains(&m.mean_length), "{}", m.mean_length);
    let share = (m.mean_length - 5.0).clamp(0.0, 1.0);
    let mixed = (forward(5) as f64 * (1.0 - share) + forward(6) as f64 * share) / m.mean_length;
    // The sequences cut at the ends of batches are one in a few hundred.
    assert!(
        (per_token / mixed - 1.0).abs() < 1e-3,
        "{per_token} {mixed}"
    );
    assert!((m.flops_per_param_token() - 3.0 * mixed / n as f64).abs() < 0.01);
    // Of 5 or 6 tokens the last 2 or 3 predict the answer and its newline.
    assert!((0.4..0.5).contains(&m.target_share), "{}", m.target_share);
    assert!(m.memory_bytes > 4 * 4 * n, "{}", m.memory_bytes);
    assert_eq!(m.checkpoints.last(), Some(&m.steps));
    assert!((plan.estimate_secs(1e9) - m.flops / 1e9).abs() < 1e-9);
}

#[test]
fn members_rise_in_compute_with_seeds_and_finetunes() {
    let plan = plan(&format!(
        "family = \"a\"\n[sizes]\nwidths = [32, 4, 16]\nseeds = [[5e3, 2]]\n[tokens]\ntotal = 1e6\n\
         [data]\ncontext = 32\n{TASK}[[finetune]]\nname = \"more\"\ntokens_share = 0.25\n\
         [[finetune.task]]\ngenerator = \"addition:digits=2\"\nform = \"steps\"\n"
    ));
    let names: Vec<&str> = plan.members.iter().map(|m| m.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "a-w4-l1-seed0",
            "a-w4-l1-seed1",
            "a-w16-l1-seed0",
            "a-w16-l1-seed1",
            "a-w32-l2",
            "a-w4-l1-seed0-more",
            "a-w4-l1-seed1-more",
            "a-w16-l1-seed0-more",
            "a-w16-l1-seed1-more",
            "a-w32-l2-more",
        ]
    );
    let of = |name: &str| plan.member(name).expect(name);
    let (one, two) = (of("a-w4-l1-seed0"), of("a-w4-l1-seed1"));
    assert_ne!(one.init.seed, two.init.seed);
    assert_ne!(one.data_seed, two.data_seed);
    assert_ne!(one.hash, two.hash);
    // All rungs of a seed see the same documents in the same order.
    assert_eq!(one.data_seed, of("a-w32-l2").data_seed);
    let (parent, tuned) = (of("a-w32-l2"), of("a-w32-l2-more"));
    assert_eq!(tuned.parent.as_deref(), Some("a-w32-l2"));
    assert_eq!(tuned.tuning.as_deref(), Some("more"));
    assert_eq!(tuned.tokens, 61 * 4096);
    assert_eq!(tuned.tokens_total, parent.tokens + tuned.tokens);
    assert_eq!(tuned.flops_total, parent.flops + tuned.flops);
    assert!((tuned.optimizer.lr - 0.003).abs() < 1e-9);
    assert_eq!(tuned.checkpoints, [61]);
    // One vocabulary for all: the finetune's too.
    assert_eq!(parent.shape.vocab_size, tuned.shape.vocab_size);
}

#[test]
fn mup_is_folded_into_deviations_and_rates() {
    let text = |transfer: &str, width: usize| {
        format!(
            "family = \"a\"\nsizes.widths = [{width}]\nsizes.layers = 2\ntrain.transfer = \"{transfer}\"\n{TASK}"
        )
    };
    let at = |transfer: &str, width: usize| {
        let plan = plan(&text(transfer, width));
        (plan.members[0].init, plan.members[0].rates)
    };
    // Four times the base width: rates of matrices and the head a quarter, and the head's
    // deviation a quarter in place of a half.
    let (base, base_rates) = at("mup", 32);
    let (wide, rates) = at("mup", 128);
    assert_eq!((rates.embedding, rates.vector), (1.0, 1.0));
    assert_eq!((rates.matrix, rates.head), (0.25, 0.25));
    assert_eq!(wide.embedding_std, base.embedding_std);
    assert!((wide.matrix_std / base.matrix_std - 0.5).abs() < 1e-6);
    assert!((wide.residual_std / wide.matrix_std - 0.5).abs() < 1e-6);
    assert!((wide.head_std / base.head_std - 0.25).abs() < 1e-6);
    // At the base width both rules are one.
    assert_eq!((base, base_rates), at("none", 32));
    let (none, plain) = at("none", 128);
    assert_eq!((plain.matrix, plain.head), (1.0, 1.0));
    assert!((none.head_std / base.head_std - 0.5).abs() < 1e-6);
}

#[test]
fn a_range_of_compute_is_met_exactly() {
    let plan = plan(&format!(
        "family = \"a\"\nsizes.flops = {{ from = 1e10, to = 1e13, rungs = 7 }}\ntokens.per_param = 200\n{TASK}"
    ));
    assert_eq!(plan.members.len(), 7);
    for (i, m) in plan.members.iter().enumerate() {
        let wanted = 1e10 * 10f64.powf(i as f64 / 2.0);
        // D is rounded to whole batches.
        let slack = m.batch_tokens as f64 / m.tokens as f64;
        assert!(
            (m.flops / wanted - 1.0).abs() <= slack,
            "{} {wanted:e} {:e}",
            m.name,
            m.flops
        );
        let ratio = m.tokens as f64 / m.n_params as f64;
        assert!((100.0..400.0).contains(&ratio), "{} {ratio}", m.name);
    }
    let widths: Vec<usize> = plan.members.iter().map(|m| m.shape.hidden).collect();
    assert!(widths.windows(2).all(|w| w[0] < w[1]), "{widths:?}");
}

#[test]
fn the_same_compute_for_all() {
    let plan = plan(&format!(
        "family = \"a\"\nsizes.widths = [8, 32]\ntokens.flops = 1e11\n{TASK}"
    ));
    for m in &plan.members {
        assert!(
            (m.flops / 1e11 - 1.0).abs() < 0.05,
            "{} {:e}",
            m.name,
            m.flops
        );
    }
}

#[test]
fn rungs_say_what_they_want() {
    let plan = plan(&format!(
        "family = \"a\"\n[sizes]\nrungs = [{{ width = 16, layers = 3, heads = 8, kv_heads = 2, intermediate = 20, \
         tokens = 5e5, seeds = 2, name = \"big\" }}, {{ width = 16, layers = 3 }}]\n[tokens]\ntotal = 2e5\n{TASK}"
    ));
    let big = plan.member("big-seed1").expect("named");
    assert_eq!((big.shape.n_heads, big.shape.n_kv_heads), (8, 2));
    assert_eq!((big.shape.n_layers, big.shape.intermediate), (3, 20));
    assert_eq!(big.tokens, 122 * 4096);
    assert_eq!(plan.member("a-w16-l3").expect("by rule").tokens, 49 * 4096);
}

#[test]
fn notes_say_what_is_unusual() {
    let one = plan(&format!(
        "family = \"a\"\nsizes.widths = [4]\ntokens.total = 5000\n{TASK}"
    ));
    assert!(
        one.notes.iter().any(|n| n.contains("one rung")),
        "{:?}",
        one.notes
    );
    assert!(
        one.notes
            .iter()
            .any(|n| n.contains("fewer than 100 updates")),
        "{:?}",
        one.notes
    );
    // Of few inputs a quarter is for tests, of many a sixteenth: sums of two digits are among
    // those of up to three, and on other sides there.
    let overlap = plan(&format!(
        "family = \"a\"\nsizes.widths = [4, 8]\ntokens.total = 1e6\n{TASK}\
         [[data.task]]\ngenerator = \"addition:digits=2\"\n\
         [[data.task]]\ngenerator = \"addition:digits=3,operands=upto\"\n"
    ));
    let note = overlap
        .notes
        .iter()
        .find(|n| n.contains("hold test items of addition_2digit"));
    assert!(note.is_some(), "{:?}", overlap.notes);
    let apart = plan(&format!(
        "family = \"a\"\nsizes.widths = [4, 8]\ntokens.total = 1e6\n{TASK}\
         [[data.task]]\ngenerator = \"addition:digits=2\"\n"
    ));
    assert!(apart.notes.is_empty(), "{:?}", apart.notes);
}

#[test]
fn a_rehearsal_counts_what_it_did() {
    let plan = plan(&format!(
        "family = \"a\"\nsizes.widths = [8]\ntokens.total = 1e6\n{TASK}"
    ));
    let m = &plan.members[0];
    let flops = plan.rehearse(m, 3).expect("steps");
    let wanted = m.flops / m.steps as f64 * 3.0;
    assert!((flops / wanted - 1.0).abs() < 0.01, "{flops:e} {wanted:e}");
}
