//! Verdicts grouped by what was measured: one task in one setting over several families.

use std::collections::BTreeMap;

use upturn_types::{Curve, CurveId, CurveKey, TaskSetting, Verdict, View};

/// The method of rows whose source does not say how the answer was elicited: what they share
/// is not known, so they are held against nothing.
const UNSTATED: &str = "unstated";

/// The setting of a curve.
#[must_use]
pub fn setting(key: &CurveKey) -> TaskSetting {
    TaskSetting {
        task: key.task.clone(),
        subset: key.subset.clone(),
        split: key.split.clone(),
        method: key.method.clone(),
        shots: key.shots,
        filter: key.filter.clone(),
        metric: key.metric.clone(),
    }
}

/// A family's name without what people spell differently (`Llama-2`, `LLaMA2`): letters in
/// lower case and digits. Families that differ only in that are one.
#[must_use]
pub fn family_identity(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// Curves by their id.
#[must_use]
pub fn by_id(curves: &[Curve]) -> BTreeMap<&CurveId, &Curve> {
    curves.iter().map(|c| (&c.id, c)).collect()
}

/// Verdicts across models that rest on tests, per setting; of several sources of one family
/// (and tuning) the one with most models, then the first by name.
#[must_use]
pub fn tested<'a>(
    verdicts: impl IntoIterator<Item = &'a Verdict>,
) -> BTreeMap<TaskSetting, Vec<&'a Verdict>> {
    let mut groups: BTreeMap<TaskSetting, BTreeMap<(String, String), &Verdict>> = BTreeMap::new();
    let with_tests = verdicts.into_iter().filter(|v| {
        v.view == View::Across
            && &*v.key.method != UNSTATED
            && v.points.iter().any(|p| p.p_above.is_some())
    });
    for verdict in with_tests {
        let tuning = verdict.key.tuning.as_deref().unwrap_or("");
        let family = (family_identity(&verdict.key.family), tuning.to_owned());
        let held = groups
            .entry(setting(&verdict.key))
            .or_default()
            .entry(family)
            .or_insert(verdict);
        if (verdict.n_models, &held.key.source) > (held.n_models, &verdict.key.source) {
            *held = verdict;
        }
    }
    groups
        .into_iter()
        .map(|(setting, families)| (setting, families.into_values().collect()))
        .collect()
}

/// A seed for `name` under `seed`: the same whatever else is analysed with it.
#[must_use]
pub fn seed_for(seed: u64, name: &str) -> u64 {
    name.bytes()
        .fold(seed ^ 0x51ab_22f1_9e6d_4c35, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_a_family_are_one() {
        assert_eq!(family_identity("LLaMA 2"), family_identity("Llama-2"));
        assert_ne!(family_identity("Llama"), family_identity("Llama-2"));
    }
}
