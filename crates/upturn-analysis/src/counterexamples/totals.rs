//! Counterexamples over all tasks, per axis.

use std::collections::BTreeMap;

use upturn_stats::ordering::{Standing, pair_rate};
use upturn_types::{Axis, Clustered, CounterexampleTotal};

use super::{N_DRAWS, Task};
use crate::settings::seed_for;

/// Totals per axis; averages whose parts are there too are left out.
pub(super) fn totals(tasks: &[Task], seed: u64) -> Vec<CounterexampleTotal> {
    let tasks: Vec<&Task> = tasks.iter().filter(|t| !t.order.aggregate).collect();
    Axis::ALL
        .into_iter()
        .filter_map(|axis| {
            let orders: Vec<_> = tasks
                .iter()
                .flat_map(|t| t.order.axes.iter().filter(|a| a.axis == axis))
                .filter(|a| a.n_pairs > 0)
                .collect();
            let sum = |f: &dyn Fn(&upturn_types::AxisOrder) -> usize| {
                orders.iter().map(|a| f(a)).sum::<usize>()
            };
            (!orders.is_empty()).then(|| CounterexampleTotal {
                axis,
                n_tasks: orders.len(),
                n_tasks_with: orders.iter().filter(|a| a.n_counterexamples > 0).count(),
                n_pairs: sum(&|a| a.n_pairs),
                n_counterexamples: sum(&|a| a.n_counterexamples),
                n_strict: sum(&|a| a.n_strict),
                discordance: discordance(&tasks, axis, seed),
            })
        })
        .collect()
}

/// Counterexamples per pair with an interval over families, a family being the same in all tasks.
fn discordance(tasks: &[&Task], axis: Axis, seed: u64) -> Option<Clustered> {
    let mut cells: BTreeMap<(&str, &str), (f64, f64)> = BTreeMap::new();
    for task in tasks {
        let x = task.coordinates(axis);
        let of = |wanted: Standing| {
            let x = &x;
            (0..x.len()).filter(move |&i| task.standing[i] == wanted && !x[i].is_nan())
        };
        for i in of(Standing::Above) {
            for j in of(Standing::Near) {
                let (a, b) = (&*task.families[i], &*task.families[j]);
                if a != b {
                    let cell = cells.entry((a.min(b), a.max(b))).or_default();
                    cell.0 += 1.0;
                    cell.1 += f64::from(u8::from(x[i] < x[j]));
                }
            }
        }
    }
    let mut families: Vec<&str> = cells.keys().flat_map(|(a, b)| [*a, *b]).collect();
    families.sort_unstable();
    families.dedup();
    let number = |f: &str| families.partition_point(|d| *d < f);
    let numbered: Vec<(usize, usize, f64, f64)> = cells
        .iter()
        .map(|((a, b), (pairs, found))| (number(a), number(b), *pairs, *found))
        .collect();
    let seed = seed_for(seed, axis.name());
    let (value, interval) = pair_rate(families.len(), &numbered, N_DRAWS, seed)?;
    Some(Clustered {
        value,
        interval,
        n: cells.values().map(|c| c.0 as usize).sum(),
        n_clusters: families.len(),
    })
}
