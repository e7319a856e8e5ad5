//! How many test items stand behind each score, where the source does not say.
//!
//! In order of trust: stated by the source; recovered from a standard error that
//! was printed in full; recovered from the lattice on which the scores lie;
//! assumed from the catalogue of benchmarks. What is recovered for one row holds
//! for every row of the same test set.

use std::collections::BTreeMap;

use upturn_catalog::metric_info;
use upturn_stats::recover::{NRecovery, n_from_lattice, n_from_stderr};
use upturn_types::{Known, Measurement, Text};

/// What identifies a test set: rows that agree on it were scored on the same items.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct TestSet {
    task: Text,
    subset: Option<Text>,
    split: Option<Text>,
    metric: Text,
    filter: Option<Text>,
    method: Text,
    shots: Option<u32>,
    source: Text,
}

impl TestSet {
    fn of(m: &Measurement) -> Self {
        TestSet {
            task: m.task.clone(),
            subset: m.subset.clone(),
            split: m.split.clone(),
            metric: m.metric.clone(),
            filter: m.filter.clone(),
            method: m.method.clone(),
            shots: m.shots,
            source: m.source.clone(),
        }
    }
}

/// Whether the metric is a mean of 0/1 outcomes, so that counts make sense.
#[must_use]
pub fn is_binomial(metric: &str) -> bool {
    metric_info(metric).is_some_and(|info| info.binomial)
}

/// Fills `n` and `n_kind` of 0/1 metrics where the source did not state n.
pub fn recover(measurements: &mut [Measurement]) {
    let mut sets: BTreeMap<TestSet, Vec<usize>> = BTreeMap::new();
    for (i, m) in measurements.iter().enumerate() {
        if is_binomial(&m.metric) && m.n_kind != Some(Known::Reported) {
            sets.entry(TestSet::of(m)).or_default().push(i);
        }
    }
    for rows in sets.values() {
        let mut from_errors: Vec<u64> = Vec::new();
        for &i in rows {
            let m = &mut measurements[i];
            let recovered = m.stderr.map(|se| n_from_stderr(m.value, se, None));
            if let Some(NRecovery::Known(n)) = recovered {
                (m.n, m.n_kind) = (Some(n), Some(Known::Recovered));
                from_errors.push(n);
            }
        }
        from_errors.sort_unstable();
        from_errors.dedup();
        // A standard error says more than an assumption, a lattice less: scores with partial
        // credit lie on a finer one than their items make.
        let (shared, over_assumed) = match from_errors[..] {
            // Every row that could be read agrees: the others (score 0 or 1) share it.
            [n] => (Some(n), true),
            [] => {
                let scores: Vec<f64> = rows.iter().map(|&i| measurements[i].value).collect();
                (n_from_lattice(&scores), false)
            }
            _ => (None, false),
        };
        let open =
            |m: &Measurement| m.n.is_none() || (over_assumed && m.n_kind == Some(Known::Assumed));
        if let Some(n) = shared {
            for &i in rows {
                let m = &mut measurements[i];
                if open(m) {
                    (m.n, m.n_kind) = (Some(n), Some(Known::Recovered));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standard_error_speaks_for_its_test_set_but_never_overrules_the_source() {
        let mut rows: Vec<Measurement> = [(0.2242703533, Some(0.01636004335)), (0.0, Some(0.0))]
            .into_iter()
            .map(|(value, stderr)| {
                let mut m = Measurement::new("Pythia", "m", "logiqa", "acc", value);
                m.stderr = stderr;
                m
            })
            .collect();
        let mut stated = rows[0].clone();
        (stated.n, stated.n_kind) = (Some(600), Some(Known::Reported));
        rows.push(stated);
        recover(&mut rows);
        let n: Vec<_> = rows.iter().map(|m| (m.n, m.n_kind)).collect();
        assert_eq!(n[0], (Some(651), Some(Known::Recovered)));
        assert_eq!(n[1], (Some(651), Some(Known::Recovered)));
        assert_eq!(n[2], (Some(600), Some(Known::Reported)));
    }

    #[test]
    fn a_lattice_fills_what_is_missing_and_overrules_nothing() {
        let scores = [0.0005, 0.0135, 0.0625, 0.3555, 0.7185];
        let rows = |n: Option<u64>| -> Vec<Measurement> {
            let mut rows: Vec<Measurement> = scores
                .iter()
                .map(|&s| Measurement::new("f", "m", "t", "acc", s))
                .collect();
            for m in &mut rows {
                (m.n, m.n_kind) = (n, n.map(|_| Known::Assumed));
            }
            recover(&mut rows);
            rows
        };
        assert!(rows(None).iter().all(|m| m.n == Some(2000)));
        assert!(rows(Some(250)).iter().all(|m| m.n == Some(250)));
    }

    #[test]
    fn graded_metrics_have_no_count() {
        let mut rows = vec![Measurement::new("f", "m", "t", "f1", 0.25)];
        rows[0].stderr = Some(0.01);
        recover(&mut rows);
        assert_eq!(rows[0].n, None);
    }
}
