//! What counterexamples have in common: traits of the models on one side against the other
//! models with the same label.

use std::collections::{BTreeMap, BTreeSet};

use upturn_stats::across::{chi_squared_monte_carlo_p, fisher_exact, kruskal_wallis};
use upturn_stats::multiplicity::benjamini_hochberg;
use upturn_stats::ordering::{Standing, counterexamples, two_group_difference};
use upturn_types::{Axis, Clustered, CounterexampleSide, CounterexampleTrait, LabelledModel, flag};

use super::{N_DRAWS, Task, numbered};
use crate::settings::seed_for;

/// Models on each side from which a trait is tested.
const MIN_ON_A_SIDE: usize = 3;
/// Random tables of the test of families.
const TABLES: u64 = 9999;
/// Flags that are traits of a model (not doubts about a row).
const FLAGS: [&str; 4] = [flag::CODE, flag::INSTRUCT, flag::MOE, flag::DISTILLED];

/// A model over all tasks.
struct Member<'a> {
    model: &'a LabelledModel,
    family: &'a str,
    /// Whether it is on the side of a counterexample.
    inside: bool,
}

/// Every trait on every axis and side, adjusted together.
pub(super) fn traits(tasks: &[Task], seed: u64) -> Vec<CounterexampleTrait> {
    let tasks: Vec<&Task> = tasks.iter().filter(|t| !t.order.aggregate).collect();
    let mut rows: Vec<CounterexampleTrait> = Axis::ALL
        .into_iter()
        .flat_map(|axis| {
            [CounterexampleSide::Early, CounterexampleSide::Late].map(|side| (axis, side))
        })
        .flat_map(|(axis, side)| {
            let members = members(&tasks, axis, side);
            let seed = seed_for(seed, &format!("{}/{side:?}", axis.name()));
            tested(&members, axis, side, seed)
        })
        .collect();
    let p: Vec<f64> = rows.iter().map(|r| r.p).collect();
    for (row, p_bh) in rows.iter_mut().zip(benjamini_hochberg(&p)) {
        row.p_bh = p_bh;
    }
    rows
}

/// The models that have an ability (early) or lack one (late) in some task, known on `axis`.
fn members<'a>(tasks: &[&'a Task], axis: Axis, side: CounterexampleSide) -> Vec<Member<'a>> {
    let wanted = match side {
        CounterexampleSide::Early => Standing::Above,
        CounterexampleSide::Late => Standing::Near,
    };
    let mut members: BTreeMap<(&str, &str, &str), Member<'a>> = BTreeMap::new();
    for task in tasks {
        let x = task.coordinates(axis);
        let (family, _) = numbered(&task.families);
        let on_side: BTreeSet<usize> = counterexamples(&family, &task.standing, &x)
            .iter()
            .map(|p| match side {
                CounterexampleSide::Early => p.smaller,
                CounterexampleSide::Late => p.larger,
            })
            .collect();
        for (i, model) in task.order.models.iter().enumerate() {
            if task.standing[i] != wanted || x[i].is_nan() {
                continue;
            }
            let family = &*task.families[i];
            let tuning = model.tuning.as_deref().unwrap_or("");
            members
                .entry((family, tuning, &model.model))
                .or_insert(Member {
                    model,
                    family,
                    inside: false,
                })
                .inside |= on_side.contains(&i);
        }
    }
    members.into_values().collect()
}

fn tested(
    members: &[Member<'_>],
    axis: Axis,
    side: CounterexampleSide,
    seed: u64,
) -> Vec<CounterexampleTrait> {
    let n_in = members.iter().filter(|m| m.inside).count();
    if n_in < MIN_ON_A_SIDE || members.len() - n_in < MIN_ON_A_SIDE {
        return Vec::new();
    }
    let row = |name: &str, n_in, n_out, difference, p| CounterexampleTrait {
        axis,
        side,
        name: name.into(),
        n_in,
        n_out,
        difference,
        p,
        p_bh: p,
    };
    let mut rows = Vec::new();
    if let Some(p) = by_family(members, seed) {
        rows.push(row("family", n_in, members.len() - n_in, None, p));
    }
    let log10 = |v: Option<f64>| v.filter(|v| *v > 0.0).map(f64::log10);
    type Number = fn(&LabelledModel) -> Option<f64>;
    let numbers: [(&str, Number); 2] = [
        ("tokens_per_param", |m| {
            Some(m.scale.tokens? / m.scale.params?)
        }),
        ("tokens", |m| m.scale.tokens),
    ];
    for (name, number) in numbers {
        let known: Vec<(&Member<'_>, f64)> = members
            .iter()
            .filter_map(|m| Some((m, log10(number(m.model))?)))
            .collect();
        let of = |inside: bool| -> Vec<f64> {
            let on_side = known.iter().filter(|(m, _)| m.inside == inside);
            on_side.map(|(_, v)| *v).collect()
        };
        let (within, without) = (of(true), of(false));
        if within.len() < MIN_ON_A_SIDE || without.len() < MIN_ON_A_SIDE {
            continue;
        }
        let (n_in, n_out) = (within.len(), without.len());
        if let Some(test) = kruskal_wallis(&[within, without]) {
            let difference = difference(&known, true, seed);
            rows.push(row(name, n_in, n_out, difference, test.p));
        }
    }
    for name in FLAGS {
        let has = |m: &Member<'_>| m.model.flags.iter().any(|f| &**f == name);
        let count = |inside: bool, with: bool| {
            let cell = |m: &&Member<'_>| m.inside == inside && has(m) == with;
            members.iter().filter(cell).count() as u64
        };
        let table = [
            [count(true, true), count(true, false)],
            [count(false, true), count(false, false)],
        ];
        if table[0][0] + table[1][0] == 0 || table[0][1] + table[1][1] == 0 {
            continue;
        }
        let known: Vec<(&Member<'_>, f64)> = members
            .iter()
            .map(|m| (m, f64::from(u8::from(has(m)))))
            .collect();
        let difference = difference(&known, false, seed);
        let p = fisher_exact(table).p_two_sided;
        rows.push(row(name, n_in, members.len() - n_in, difference, p));
    }
    rows
}

/// Are the members of some families on the side more often?
fn by_family(members: &[Member<'_>], seed: u64) -> Option<f64> {
    let mut table: BTreeMap<&str, [u64; 2]> = BTreeMap::new();
    for member in members {
        table.entry(member.family).or_default()[usize::from(member.inside)] += 1;
    }
    let table: Vec<Vec<u64>> = table.into_values().map(|row| row.to_vec()).collect();
    chi_squared_monte_carlo_p(&table, TABLES, seed)
}

fn difference(known: &[(&Member<'_>, f64)], medians: bool, seed: u64) -> Option<Clustered> {
    let names: Vec<String> = known.iter().map(|(m, _)| m.family.to_owned()).collect();
    let (family, n_families) = numbered(&names);
    let inside: Vec<bool> = known.iter().map(|(m, _)| m.inside).collect();
    let values: Vec<f64> = known.iter().map(|(_, v)| *v).collect();
    let (value, interval) =
        two_group_difference(&values, &inside, &family, medians, N_DRAWS, seed)?;
    Some(Clustered {
        value,
        interval,
        n: known.len(),
        n_clusters: n_families,
    })
}
