//! A plan of a measurement as text.

use upturn_types::Plan;

use super::{Term, TextOptions, Tone};
use crate::numbers::{integer, level, percent, score};

/// What a task's items can show, how many are needed, and what stopping early saves.
#[must_use]
pub fn plan(plan: &Plan, options: &TextOptions) -> String {
    let mut term = Term::new(options);
    term.heading(&format!("{} ({})", plan.task, plan.metric));
    term.text(&format!(
        "Chance {}, near-random up to {}, effect {} (a model at {}); level {}, power {}.",
        level(plan.chance),
        level(plan.chance + plan.margin),
        level(plan.effect),
        level(plan.chance + plan.effect),
        level(plan.alpha),
        percent(plan.power),
    ));
    if let Some(r) = &plan.resolution {
        term.blank();
        term.paragraph(
            &format!("With its {} items", integer(r.n)),
            0,
            "",
            Tone::Strong,
        );
        let near = r.k_near.map_or_else(
            || "no score certifies a model near-random".to_owned(),
            |k| format!("scores up to {} certify a model near-random", share(k, r.n)),
        );
        let above = if r.k_above > r.n {
            "no score certifies one above".to_owned()
        } else {
            format!("scores from {} on certify one above", share(r.k_above, r.n))
        };
        term.paragraph(&format!("{near}; {above}."), 2, "", Tone::Plain);
        term.paragraph(
            &format!(
                "A model exactly at chance is certified near-random with probability {}; the \
                 smallest score certified above with {} probability is {}.",
                percent(r.near_power),
                percent(plan.power),
                score(r.detectable)
            ),
            2,
            "",
            Tone::Plain,
        );
    }
    term.blank();
    term.paragraph("Items needed for each model", 0, "", Tone::Strong);
    let needed = |n: Option<u64>| n.map_or_else(|| "no number suffices".to_owned(), integer);
    for (n, what) in [
        (
            plan.n_to_certify_chance,
            "to certify a model at chance as near-random".to_owned(),
        ),
        (
            plan.n_to_certify_above,
            format!(
                "to certify a model at {} above chance + margin",
                level(plan.chance + plan.effect)
            ),
        ),
        (
            plan.n_to_detect,
            "to tell two such models apart, each on its own items".to_owned(),
        ),
        (
            plan.n_to_detect_paired,
            format!(
                "the same on the same items, outcomes correlated by {}",
                level(plan.correlation)
            ),
        ),
    ] {
        term.line(&format!("  {:>10}  {what}", needed(n)));
    }
    if let Some(first) = plan.stopping.first() {
        term.blank();
        term.paragraph(
            &format!(
                "Stopping once decided, at most {} items, a look after every {}",
                integer(first.budget),
                integer(first.batch)
            ),
            0,
            "",
            Tone::Strong,
        );
        for s in &plan.stopping {
            term.line(&format!(
                "  at {:<6} median {:>6}, 90% by {:>6}: near {:>6}, above {:>6}, undecided {:>6}",
                score(s.score),
                integer(s.n_median.round() as u64),
                integer(s.n_90.round() as u64),
                percent(s.near),
                percent(s.above),
                percent((1.0 - s.near - s.above).max(0.0))
            ));
        }
        term.text(&format!(
            "Shares of {} simulated runs. Each side is wrong with probability {} at most, however \
             often one looks.",
            integer(u64::from(first.n_simulations)),
            level(plan.alpha)
        ));
    }
    term.out
}

fn share(k: u64, n: u64) -> String {
    score(k as f64 / n as f64)
}
