//! What a measurement must satisfy to be kept, and the one line said when it does not.

use upturn_catalog::metric_info;
use upturn_types::{Diagnostic, Measurement};

/// Checks one row; the diagnostic names the first thing wrong with it.
///
/// Checked are: texts not empty; numbers finite; value within \[0, 1\] where the
/// catalogue knows the metric as bounded; N, D, C, loss and the standard error not
/// negative, N and n not 0; chance in \[0, 1) for bounded metrics, and below the ceiling.
/// The diagnostic has no file and no place: they belong to the caller.
///
/// # Errors
/// The diagnostic, when the row must be refused.
pub fn validate(m: &Measurement) -> Result<(), Box<Diagnostic>> {
    check(m).map_or(Ok(()), |d| Err(Box::new(d)))
}

fn check(m: &Measurement) -> Option<Diagnostic> {
    texts(m)
        .or_else(|| score(m))
        .or_else(|| scale(m))
        .or_else(|| floor(m))
}

fn texts(m: &Measurement) -> Option<Diagnostic> {
    let required = [
        ("family", &m.family),
        ("model", &m.model),
        ("task", &m.task),
        ("method", &m.method),
        ("metric", &m.metric),
        ("source", &m.source),
    ];
    let optional = [
        ("tuning", &m.tuning),
        ("subset", &m.subset),
        ("split", &m.split),
        ("setting", &m.setting),
        ("filter", &m.filter),
        ("note", &m.note),
    ];
    let all = required
        .into_iter()
        .map(|(name, text)| (name, Some(text)))
        .chain(
            optional
                .into_iter()
                .map(|(name, text)| (name, text.as_ref())),
        )
        .chain(m.flags.iter().map(|flag| ("flag", Some(flag))));
    for (name, text) in all {
        if text.is_some_and(|t| t.trim().is_empty()) {
            return Some(Diagnostic::error(format!("{name} is empty")).expected("a text"));
        }
    }
    None
}

fn score(m: &Measurement) -> Option<Diagnostic> {
    let metric = &m.metric;
    let bounded = metric_info(metric).is_some_and(|i| i.bounded);
    let fraction = "a fraction between 0 and 1";
    if !m.value.is_finite() {
        let found = Diagnostic::error(format!("value {} is no score for {metric}", m.value));
        return Some(found.expected(if bounded { fraction } else { "a finite number" }));
    }
    if bounded && !(0.0..=1.0).contains(&m.value) {
        let found = Diagnostic::error(format!("value {} is out of range for {metric}", m.value))
            .expected(fraction);
        return Some(if m.value > 1.0 && m.value <= 100.0 {
            found.help("divide percentages by 100, or set scale = 0.01 in the map")
        } else {
            found.help("check that this is the score")
        });
    }
    if let Some(stderr) = m.stderr
        && !(stderr >= 0.0 && stderr.is_finite())
    {
        return Some(
            Diagnostic::error(format!("standard error {stderr} is out of range"))
                .expected("a finite number, 0 or more")
                .help("leave an unknown standard error out"),
        );
    }
    if m.n == Some(0) {
        return Some(
            Diagnostic::error("n is 0")
                .expected("1 item or more")
                .help("leave an unknown n out"),
        );
    }
    None
}

fn scale(m: &Measurement) -> Option<Diagnostic> {
    let counts = [
        ("params", m.params, false),
        ("tokens", m.tokens, true),
        ("flops", m.flops, true),
        ("train_loss_nats", m.train_loss_nats, true),
    ];
    for (name, value, zero_is_fine) in counts {
        let Some(value) = value else { continue };
        let fine = value.is_finite() && (value > 0.0 || (zero_is_fine && value == 0.0));
        if !fine {
            return Some(
                Diagnostic::error(format!("{name} {value} is out of range"))
                    .expected(if zero_is_fine {
                        "a finite number, 0 or more"
                    } else {
                        "a finite number above 0"
                    })
                    .help("leave an unknown scale out"),
            );
        }
    }
    None
}

fn floor(m: &Measurement) -> Option<Diagnostic> {
    let bounded = metric_info(&m.metric).is_some_and(|i| i.bounded);
    if let Some(ceiling) = m.ceiling
        && !(ceiling.is_finite() && (!bounded || (ceiling > 0.0 && ceiling <= 1.0)))
    {
        return Some(
            Diagnostic::error(format!(
                "ceiling {ceiling} is out of range for {}",
                m.metric
            ))
            .expected(if bounded {
                "a fraction above 0, up to 1"
            } else {
                "a finite number"
            }),
        );
    }
    let chance = m.chance?;
    if !(chance.is_finite() && (!bounded || (0.0..1.0).contains(&chance))) {
        return Some(
            Diagnostic::error(format!("chance {chance} is out of range for {}", m.metric))
                .expected(if bounded {
                    "a fraction from 0 to below 1"
                } else {
                    "a finite number"
                })
                .help("1 divided by the number of options; leave an unknown chance out"),
        );
    }
    let ceiling = m.ceiling.or(bounded.then_some(1.0))?;
    (m.higher_is_better != Some(false) && chance >= ceiling).then(|| {
        Diagnostic::error(format!(
            "chance {chance} is not below the ceiling {ceiling}"
        ))
        .expected("a floor below the best score")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row() -> Measurement {
        Measurement::new("F", "a", "t", "acc", 0.5)
    }

    fn line(change: impl FnOnce(&mut Measurement)) -> String {
        let mut m = row();
        change(&mut m);
        validate(&m).map_or_else(|d| d.to_string(), |()| "fine".to_owned())
    }

    #[test]
    fn each_refusal_is_one_clear_line() {
        type Case = (&'static str, fn(&mut Measurement));
        let cases: [Case; 17] = [
            (
                "value 1.7 is out of range for acc; expected a fraction between 0 and 1; \
                 divide percentages by 100, or set scale = 0.01 in the map",
                |m| m.value = 1.7,
            ),
            (
                "value -0.1 is out of range for acc; expected a fraction between 0 and 1; \
                 check that this is the score",
                |m| m.value = -0.1,
            ),
            (
                "value NaN is no score for acc; expected a fraction between 0 and 1",
                |m| m.value = f64::NAN,
            ),
            (
                "value inf is no score for perplexity; expected a finite number",
                |m| (m.metric, m.value) = ("perplexity".into(), f64::INFINITY),
            ),
            (
                "standard error -0.1 is out of range; expected a finite number, 0 or more; \
                 leave an unknown standard error out",
                |m| m.stderr = Some(-0.1),
            ),
            (
                "n is 0; expected 1 item or more; leave an unknown n out",
                |m| m.n = Some(0),
            ),
            (
                "params 0 is out of range; expected a finite number above 0; leave an unknown scale out",
                |m| m.params = Some(0.0),
            ),
            (
                "params -7 is out of range; expected a finite number above 0; leave an unknown scale out",
                |m| m.params = Some(-7.0),
            ),
            (
                "tokens -1 is out of range; expected a finite number, 0 or more; leave an unknown scale out",
                |m| m.tokens = Some(-1.0),
            ),
            (
                "flops inf is out of range; expected a finite number, 0 or more; leave an unknown scale out",
                |m| m.flops = Some(f64::INFINITY),
            ),
            (
                "train_loss_nats NaN is out of range; expected a finite number, 0 or more; leave an unknown scale out",
                |m| m.train_loss_nats = Some(f64::NAN),
            ),
            (
                "chance 1 is out of range for acc; expected a fraction from 0 to below 1; \
                 1 divided by the number of options; leave an unknown chance out",
                |m| m.chance = Some(1.0),
            ),
            (
                "chance -0.25 is out of range for acc; expected a fraction from 0 to below 1; \
                 1 divided by the number of options; leave an unknown chance out",
                |m| m.chance = Some(-0.25),
            ),
            (
                "chance 0.5 is not below the ceiling 0.4; expected a floor below the best score",
                |m| (m.chance, m.ceiling) = (Some(0.5), Some(0.4)),
            ),
            (
                "ceiling 2 is out of range for acc; expected a fraction above 0, up to 1",
                |m| m.ceiling = Some(2.0),
            ),
            ("task is empty; expected a text", |m| m.task = " ".into()),
            ("note is empty; expected a text", |m| {
                m.note = Some("".into())
            }),
        ];
        for (expected, change) in cases {
            assert_eq!(line(change), expected);
        }
    }

    #[test]
    fn what_is_true_is_kept() {
        assert_eq!(line(|_| ()), "fine");
        assert_eq!(line(|m| m.value = 0.0), "fine");
        assert_eq!(line(|m| m.value = 1.0), "fine");
        // Step 0 of a training run.
        assert_eq!(
            line(|m| (m.tokens, m.flops) = (Some(0.0), Some(0.0))),
            "fine"
        );
        assert_eq!(line(|m| m.stderr = Some(0.0)), "fine");
        assert_eq!(line(|m| m.chance = Some(0.0)), "fine");
        // Unbounded and unknown metrics may be any finite number.
        assert_eq!(
            line(|m| (m.metric, m.value) = ("perplexity".into(), 1e6)),
            "fine"
        );
        assert_eq!(
            line(|m| (m.metric, m.value) = ("my metric".into(), -3.0)),
            "fine"
        );
    }

    proptest! {
        #[test]
        fn kept_rows_are_in_range(m in crate::measurement_table::tests::any_measurement()) {
            if validate(&m).is_ok() {
                prop_assert!(m.value.is_finite());
                prop_assert!(m.params.is_none_or(|v| v > 0.0));
                prop_assert!(m.tokens.is_none_or(|v| v >= 0.0));
                prop_assert!(m.stderr.is_none_or(|v| v >= 0.0));
                prop_assert_ne!(m.n, Some(0));
            }
        }
    }
}
