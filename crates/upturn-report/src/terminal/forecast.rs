//! Forecasts and their backtests as text, each with its baselines beside it.

use upturn_types::{
    Axis, Backtest, BaselineErrors, CollapseTest, Coverage, CurveBacktest, CurveForecast,
    ForecastErrors, ForecastScore, ObservationalForecast, Predictability, Prediction,
    TwoStepForecast, VerdictClass,
};

use super::{Term, TextOptions, Tone, fit, pad};
use crate::numbers::{coordinate_unit, p_value, percent, plural, raw, score, statistic, unit};

/// All backtests: counts, coverage over all held-out scores, then a row for each curve at the
/// cut-off that stands for it.
#[must_use]
pub fn backtests(all: &[CurveBacktest], options: &TextOptions) -> String {
    let mut term = Term::new(options);
    if all.is_empty() {
        term.text(
            "No curve can be backtested: that takes six scales with a known number of items or \
             standard error, four to fit to and two to predict.",
        );
        return term.out;
    }
    let heads: Vec<(&CurveBacktest, &Backtest)> = all
        .iter()
        .filter_map(|curve| Some((curve, curve.headline()?)))
        .collect();
    let count = |v: Predictability| heads.iter().filter(|(_, b)| b.verdict == v).count();
    let n_cutoffs: usize = all.iter().map(|c| c.cutoffs.len()).sum();
    term.paragraph(
        &format!(
            "{} backtested at {}: {} predictable, {} unpredictable, {} undetermined.",
            plural(all.len(), "curve", "curves"),
            plural(n_cutoffs, "cut-off", "cut-offs"),
            count(Predictability::Predictable),
            count(Predictability::Unpredictable),
            count(Predictability::Undetermined),
        ),
        0,
        "",
        Tone::Strong,
    );
    for (name, of) in [
        ("with uncertain parameters", (|b| &b.coverage) as CoverageOf),
        ("with parameters taken as known", |b| &b.coverage_plug_in),
    ] {
        let parts: Vec<String> = [0.5, 0.9, 0.95]
            .iter()
            .filter_map(|&level| {
                let of_level = heads
                    .iter()
                    .filter_map(|(_, b)| of(b).iter().find(|c| c.level == level));
                let (inside, n) = of_level.fold((0, 0), |(i, n), c| (i + c.inside, n + c.n));
                (n > 0).then(|| {
                    format!(
                        "{} of {n} ({}) in their {} interval",
                        inside,
                        percent(inside as f64 / n as f64),
                        percent(level)
                    )
                })
            })
            .collect();
        term.text(&format!("Held-out scores, {name}: {}.", parts.join(", ")));
    }
    let mut sorted = heads;
    sorted.sort_by(|a, b| {
        order(a.1.verdict)
            .cmp(&order(b.1.verdict))
            .then_with(|| a.0.key.cmp(&b.0.key))
    });
    term.blank();
    let limit = options.limit.unwrap_or(usize::MAX);
    header(&mut term);
    for (curve, backtest) in sorted.iter().take(limit) {
        row(&mut term, curve, backtest);
    }
    if sorted.len() > limit {
        term.text(&format!("… and {} more", sorted.len() - limit));
    }
    term.blank();
    term.text(
        "Each row: the largest cut-off that leaves four scales to be tested on (else the largest \
         there is). best: the baseline with the smallest error. predictable: 90% intervals hold, \
         the widest 95% interval is below half the range, and the error is below half of the \
         best baseline's, on four held-out scales; unpredictable: the score jumped above its \
         97.5% quantile at the largest scale or two in a row.",
    );
    term.out
}

type CoverageOf = fn(&Backtest) -> &Vec<Coverage>;

fn order(verdict: Predictability) -> usize {
    match verdict {
        Predictability::Unpredictable => 0,
        Predictability::Predictable => 1,
        Predictability::Undetermined => 2,
    }
}

fn tone(verdict: Predictability) -> Tone {
    match verdict {
        Predictability::Predictable => Tone::Class(VerdictClass::Smooth),
        Predictability::Unpredictable => Tone::Class(VerdictClass::Emergent),
        Predictability::Undetermined => Tone::Class(VerdictClass::Undecided),
    }
}

const NAME_ROOM: usize = 44;

fn header(term: &mut Term) {
    let text = format!(
        "{}  {}  {}",
        pad("verdict", 13),
        pad("curve", NAME_ROOM.min(term.width / 3)),
        "cut-off   train test      MSE  best MSE       in 90%   CRPS"
    );
    let text = term.tone(&text, Tone::Quiet);
    term.line(&text);
}

fn row(term: &mut Term, curve: &CurveBacktest, b: &Backtest) {
    let name = term.clean(&format!(
        "{} {} {}",
        curve.key.family,
        curve.key.task_name(),
        curve.key.setting_name()
    ));
    let room = NAME_ROOM.min(term.width / 3);
    let name = pad(&fit(&name, room, term.signs.ellipsis), room);
    let head = term.tone(&pad(b.verdict.name(), 13), tone(b.verdict));
    let best = best(&b.baselines);
    let judged = b.coverage.iter().find(|c| c.level == 0.9);
    term.line(&format!(
        "{head}  {name}  {:<8}  {:>5} {:>4}  {:>7}  {:>8}  {:>11}  {:>5}",
        raw(curve.axis, curve.axis.raw(b.cutoff)),
        b.n_train,
        b.n_test,
        statistic(b.errors.mse),
        best.map_or_else(String::new, |b| statistic(b.errors.mse)),
        judged.map_or_else(String::new, |c| format!("{} of {}", c.inside, c.n)),
        statistic(b.crps),
    ));
}

fn best(baselines: &[BaselineErrors]) -> Option<&BaselineErrors> {
    baselines
        .iter()
        .min_by(|a, b| a.errors.mse.total_cmp(&b.errors.mse))
}

/// One forecast: what it is made from, every prediction with its intervals, how it did where
/// that is known, and what would narrow it.
#[must_use]
pub fn forecast(forecast: &CurveForecast, options: &TextOptions) -> String {
    let mut term = Term::new(options);
    term.heading(&forecast.key.to_string());
    term.text(&format!(
        "{} curve through {} up to {} {}; chance {}, ceiling {}.",
        forecast.model.name(),
        plural(forecast.n_train, "model", "models"),
        raw(forecast.axis, forecast.axis.raw(forecast.cutoff)),
        unit(forecast.axis),
        crate::numbers::level(forecast.chance),
        crate::numbers::level(forecast.ceiling),
    ));
    predictions(&mut term, forecast.axis, &forecast.predictions);
    if !forecast.baselines.is_empty() {
        let last = forecast.predictions.len().saturating_sub(1);
        let said: Vec<String> = forecast
            .baselines
            .iter()
            .filter_map(|(b, values)| Some(format!("{} {}", b.name(), score(*values.get(last)?))))
            .collect();
        term.text(&format!(
            "Without a model, for the last row: {}.",
            said.join(", ")
        ));
    }
    if let Some(backtest) = &forecast.backtest {
        term.blank();
        scored(
            &mut term,
            backtest.verdict,
            &backtest.errors,
            &backtest.baselines,
            &backtest.coverage,
            &backtest.surprises,
            forecast.axis,
        );
        term.text(&format!(
            "Log score {:.3}, CRPS {}, interval score (90%) {}, widest 95% interval {}{}.",
            backtest.log_score,
            statistic(backtest.crps),
            statistic(backtest.interval_score),
            statistic(backtest.width_max),
            backtest.threshold_error.map_or_else(String::new, |e| {
                format!(
                    ", onset missed by {} {}",
                    statistic(e),
                    coordinate_unit(forecast.axis)
                )
            }),
        ));
        let plug_in = backtest.coverage_plug_in.iter().find(|c| c.level == 0.9);
        if let Some(c) = plug_in {
            term.text(&format!(
                "With parameters taken as known, {} of {} would lie in their 90% interval.",
                c.inside, c.n
            ));
        }
    }
    if !forecast.designs.is_empty() {
        designs(&mut term, forecast);
    }
    term.out
}

fn predictions(term: &mut Term, axis: Axis, all: &[Prediction]) {
    let text = term.tone(
        &format!(
            "{}  {:>9}  {:>6}  {:>6}  {:>16}  {:>16}  {:>16}  {:>8}",
            pad("model", 30),
            unit(axis),
            "n",
            "curve",
            "50% interval",
            "90% interval",
            "95% interval",
            "observed"
        ),
        Tone::Quiet,
    );
    term.line(&text);
    for p in all {
        let name = p.model.as_deref().unwrap_or("(a model of this scale)");
        let mut name = term.clean(name);
        if let Some(step) = p.checkpoint_step {
            name = format!("{name} @{step}");
        }
        let name = pad(&fit(&name, 30, term.signs.ellipsis), 30);
        let interval = |level: f64| {
            p.interval(level).map_or_else(String::new, |(low, high)| {
                format!("[{}, {}]", score(low), score(high))
            })
        };
        let observed = p.observed.map_or_else(String::new, score);
        let outside = p
            .interval(0.9)
            .zip(p.observed)
            .is_some_and(|((low, high), y)| y < low || y > high);
        term.line(&format!(
            "{name}  {:>9}  {:>6}  {:>6}  {:>16}  {:>16}  {:>16}  {:>8}{}",
            raw(axis, axis.raw(p.x)),
            p.n.map_or_else(String::new, |n| n.to_string()),
            score(p.point),
            interval(0.5),
            interval(0.9),
            interval(0.95),
            observed,
            if outside { " *" } else { "" },
        ));
    }
    let outside = all.iter().any(|p| {
        p.interval(0.9)
            .zip(p.observed)
            .is_some_and(|((low, high), y)| y < low || y > high)
    });
    if outside {
        term.text("* outside its 90% interval");
    }
}

fn scored(
    term: &mut Term,
    verdict: Predictability,
    errors: &ForecastErrors,
    baselines: &[BaselineErrors],
    coverage: &[Coverage],
    surprises: &[f64],
    axis: Axis,
) {
    let word = term.tone(verdict.name(), tone(verdict));
    let mut lines = vec![format!(
        "MSE {}, MAE {}, largest error {}",
        statistic(errors.mse),
        statistic(errors.mae),
        statistic(errors.max_error)
    )];
    let plain: Vec<String> = baselines
        .iter()
        .map(|b| format!("{} {}", b.baseline.name(), statistic(b.errors.mse)))
        .collect();
    lines.push(format!("MSE of the baselines: {}", plain.join(", ")));
    let held: Vec<String> = coverage
        .iter()
        .map(|c| {
            format!(
                "{} of {} in their {} interval ({} of so few)",
                c.inside,
                c.n,
                percent(c.level),
                p_value(c.p)
            )
        })
        .collect();
    lines.push(held.join(", "));
    if !surprises.is_empty() {
        let at: Vec<String> = surprises.iter().map(|x| raw(axis, axis.raw(*x))).collect();
        lines.push(format!(
            "above the 97.5% quantile at {} {}",
            at.join(", "),
            unit(axis)
        ));
    }
    term.line(&format!("Verdict: {word}"));
    for line in lines {
        term.paragraph(&line, 2, "", Tone::Plain);
    }
}

fn designs(term: &mut Term, forecast: &CurveForecast) {
    let Some(first) = forecast.designs.first() else {
        return;
    };
    term.blank();
    term.text(&format!(
        "To know more: the 90% interval at {} {} is {} wide. One more model would make it, on \
         average:",
        raw(forecast.axis, forecast.axis.raw(first.target)),
        unit(forecast.axis),
        score(first.width_now)
    ));
    let mut all: Vec<_> = forecast.designs.iter().collect();
    all.sort_by(|a, b| a.width_expected.total_cmp(&b.width_expected));
    for design in all {
        term.line(&format!(
            "  {} {} on {:>6} items: {} ({})",
            pad(&raw(forecast.axis, forecast.axis.raw(design.x)), 9),
            unit(forecast.axis),
            design.n,
            score(design.width_expected),
            percent(design.width_expected / first.width_now)
        ));
    }
}

/// A saved forecast against what was observed since.
#[must_use]
pub fn forecast_score(score: &ForecastScore, options: &TextOptions) -> String {
    let mut term = Term::new(options);
    term.heading(&score.key.to_string());
    predictions(&mut term, score.axis, &score.predictions);
    if score.n_missing > 0 {
        term.text(&format!(
            "{} not observed yet.",
            plural(score.n_missing, "prediction", "predictions")
        ));
    }
    match &score.errors {
        Some(errors) => {
            scored(
                &mut term,
                score.verdict,
                errors,
                &score.baselines,
                &score.coverage,
                &score.surprises,
                score.axis,
            );
            if let Some(crps) = score.crps {
                term.text(&format!("CRPS {}.", statistic(crps)));
            }
        }
        None => term.text("Nothing of it was observed."),
    }
    term.out
}

/// An observational forecast: its laws and the baselines side by side, then every held-out model.
#[must_use]
pub fn observational(forecast: &ObservationalForecast, options: &TextOptions) -> String {
    let mut term = Term::new(options);
    term.heading(&forecast.key.to_string());
    let shares: Vec<String> = forecast
        .explained
        .iter()
        .take(forecast.laws.len())
        .map(|s| percent(*s))
        .collect();
    term.text(&format!(
        "{} up to {} {} and {} above it, by {} other benchmarks ({}); the components explain {}.",
        plural(forecast.n_train, "model", "models"),
        raw(forecast.axis, forecast.axis.raw(forecast.cutoff)),
        unit(forecast.axis),
        forecast.n_test,
        forecast.benchmarks.len(),
        forecast.benchmarks.join(", "),
        shares.join(", ")
    ));
    let text = term.tone(
        &format!(
            "{}  {:>11}  {:>11}",
            pad("law of", 14),
            "MSE train",
            "MSE test"
        ),
        Tone::Quiet,
    );
    term.line(&text);
    for law in &forecast.laws {
        term.line(&format!(
            "{}  {:>11}  {:>11}{}",
            pad(&law.regressor, 14),
            format!("{:.7}", law.mse_train),
            law.mse_test.map_or_else(String::new, |m| format!("{m:.7}")),
            if law.ill_conditioned {
                "  ill-conditioned: its weights mean nothing; try --ridge 0.001"
            } else {
                ""
            }
        ));
    }
    for (baseline, mse) in &forecast.baselines {
        term.line(&format!(
            "{}  {:>11}  {:>11}",
            pad(baseline.name(), 14),
            "",
            format!("{mse:.7}")
        ));
    }
    term.text("Errors are of the score between chance and ceiling.");
    if let Some((gain, (low, high))) = forecast.gain {
        term.text(&format!(
            "MSE of the most components minus that of FLOPs: {gain:.5} [{low:.5}, {high:.5}] \
             over resampled held-out models."
        ));
    }
    let c = &forecast.coverage;
    term.text(&format!(
        "{} of {} held-out scores in their 90% interval ({} of so few).",
        c.inside,
        c.n,
        p_value(c.p)
    ));
    let limit = options.limit.unwrap_or(usize::MAX);
    for p in forecast.predictions.iter().take(limit) {
        let name = pad(&fit(&term.clean(&p.model), 40, term.signs.ellipsis), 40);
        let best = forecast
            .laws
            .iter()
            .rposition(|l| l.regressor.contains("component"))
            .and_then(|i| p.predicted.get(i));
        term.line(&format!(
            "  {name}  {:>9}  predicted {}  [{}, {}]  observed {}",
            raw(forecast.axis, forecast.axis.raw(p.x)),
            best.map_or_else(String::new, |v| score(*v)),
            score(p.interval.0),
            score(p.interval.1),
            score(p.observed)
        ));
    }
    term.out
}

/// A forecast through the loss of a task.
#[must_use]
pub fn two_step(forecast: &TwoStepForecast, options: &TextOptions) -> String {
    let mut term = Term::new(options);
    term.heading(&forecast.key.to_string());
    term.text(&format!(
        "Compute to loss ({}) to score, from {} up to {} FLOPs.",
        forecast.loss,
        plural(
            forecast.n_train,
            "model or checkpoint",
            "models and checkpoints"
        ),
        raw(Axis::Flops, Axis::Flops.raw(forecast.cutoff))
    ));
    term.text(&forecast.loss_law);
    term.text(&format!(
        "{}; scores scatter around it by {}",
        forecast.score_law,
        statistic(forecast.residual_sd)
    ));
    predictions(&mut term, Axis::Flops, &forecast.predictions);
    if let Some(errors) = &forecast.errors {
        let plain: Vec<String> = forecast
            .baselines
            .iter()
            .map(|b| format!("{} {}", b.baseline.name(), statistic(b.errors.mse)))
            .collect();
        term.text(&format!(
            "MSE {}, largest error {}; MSE of the baselines: {}.",
            statistic(errors.mse),
            statistic(errors.max_error),
            plain.join(", ")
        ));
        for c in &forecast.coverage {
            term.text(&format!(
                "{} of {} in their {} interval.",
                c.inside,
                c.n,
                percent(c.level)
            ));
        }
    }
    term.out
}

/// Whether a loss explains a score whatever the size, in two sentences.
#[must_use]
pub fn collapse(test: &CollapseTest, options: &TextOptions) -> String {
    let mut term = Term::new(options);
    term.heading(&test.key.to_string());
    term.text(&format!(
        "{} of {}: R² {:.4} by the {}, {:.4} by compute.",
        plural(test.n, "checkpoint", "checkpoints"),
        plural(test.n_sizes, "size", "sizes"),
        test.r2_loss,
        test.loss,
        test.r2_flops
    ));
    let said = if test.p <= 0.05 {
        "Models of one loss differ by size: the score does not collapse onto the loss"
    } else {
        "No difference between sizes is left once the loss is known"
    };
    term.text(&format!("{said} (F = {:.2}, {}).", test.f, p_value(test.p)));
    term.out
}

#[cfg(test)]
mod tests {
    use upturn_types::{Baseline, CurveKey, CurveModel};

    use super::*;

    fn key() -> CurveKey {
        CurveKey {
            family: "Demo\u{1b}[31m".into(),
            tuning: None,
            task: "quiz".into(),
            subset: None,
            split: None,
            method: "direct".into(),
            shots: Some(5),
            filter: None,
            metric: "acc".into(),
            source: "here".into(),
        }
    }

    fn prediction(observed: Option<f64>) -> Prediction {
        Prediction {
            model: Some("big".into()),
            checkpoint_step: None,
            x: 23.0,
            n: Some(1000),
            point: 0.5,
            mean: 0.5,
            quantiles: Prediction::LEVELS.iter().map(|q| 0.4 + 0.2 * q).collect(),
            observed,
        }
    }

    fn forecast_of(observed: Option<f64>) -> CurveForecast {
        CurveForecast {
            curve: None,
            key: key(),
            axis: Axis::Flops,
            model: CurveModel::Logistic,
            chance: 0.25,
            ceiling: 1.0,
            cutoff: 22.0,
            n_train: 5,
            baselines: vec![(Baseline::LastValue, vec![0.31])],
            predictions: vec![prediction(observed)],
            backtest: None,
            designs: Vec::new(),
        }
    }

    #[test]
    fn a_forecast_names_its_intervals_and_what_lies_outside() {
        let options = TextOptions {
            width: 140,
            ..TextOptions::default()
        };
        let text = forecast(&forecast_of(Some(0.7)), &options);
        for part in [
            "logistic curve through 5 models up to 1.0e22 FLOPs",
            "[0.450, 0.550]",
            "[0.410, 0.590]",
            "[0.405, 0.595]",
            "0.700 *",
            "last value 0.310",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        assert!(!text.contains('\u{1b}'));
        let inside = forecast(&forecast_of(Some(0.5)), &options);
        assert!(!inside.contains('*'), "{inside}");
    }

    #[test]
    fn nothing_to_test_is_said() {
        let text = backtests(&[], &TextOptions::default());
        assert!(text.contains("six scales"), "{text}");
    }
}
