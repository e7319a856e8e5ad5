//! Answers the statistics of families and tasks as JSON lines, for comparison with other software.
//!
//! Each input line is `{"fn": name, ...arguments}` and is answered by one line, the result
//! or `{"error": reason}`. `scripts/check_across.py` drives it.

use std::error::Error;
use std::io::{BufRead, Write};

use serde_json::{Value, json};
use upturn_stats::across::{
    GridThreshold, chi_squared, chi_squared_monte_carlo_p, cluster_bic, concentration_null,
    cramers_v, dunn_holm, extrapolate, fisher_exact, kruskal_wallis, median_absolute_deviation,
    spearman, spearman_permutation_p, standard_deviation, turnbull,
};
use upturn_stats::ordering::{
    FamilyBootstrap, Standing, auc, family_bootstrap, gauss_hermite, mixed_logit,
};

type Answer = Result<Value, Box<dyn Error>>;

/// An argument by name, of the type that is wanted.
fn get<T: serde::de::DeserializeOwned>(ask: &Value, name: &str) -> Result<T, Box<dyn Error>> {
    serde_json::from_value(ask[name].clone()).map_err(|e| format!("{name}: {e}").into())
}

/// ±infinity as text, which JSON numbers cannot hold.
fn end(value: &Value) -> Result<f64, Box<dyn Error>> {
    match value.as_str() {
        Some(text) => Ok(text.parse()?),
        None => value.as_f64().ok_or_else(|| "an end is no number".into()),
    }
}

fn answer(line: &str) -> Answer {
    let ask: Value = serde_json::from_str(line)?;
    let ask = &ask;
    match ask["fn"].as_str().ok_or("fn: expected a name")? {
        "fisher" => {
            let f = fisher_exact(get(ask, "table")?);
            Ok(json!([f.p_greater, f.p_two_sided]))
        }
        "chi2" => {
            let table: Vec<Vec<u64>> = get(ask, "table")?;
            let chi = chi_squared(&table).ok_or("undefined")?;
            let v = cramers_v(&table).ok_or("undefined")?;
            Ok(json!([chi.statistic, chi.p, chi.df, v]))
        }
        "chi2_monte_carlo" => {
            let table: Vec<Vec<u64>> = get(ask, "table")?;
            let p = chi_squared_monte_carlo_p(&table, get(ask, "draws")?, get(ask, "seed")?);
            Ok(json!(p.ok_or("undefined")?))
        }
        "kruskal" => {
            let test = kruskal_wallis(&get::<Vec<Vec<f64>>>(ask, "groups")?).ok_or("undefined")?;
            Ok(json!([test.h, test.p]))
        }
        "dunn" => {
            let pairs = dunn_holm(&get::<Vec<Vec<f64>>>(ask, "groups")?);
            Ok(json!(pairs.iter().map(|p| p.2).collect::<Vec<_>>()))
        }
        "spearman" => {
            let (a, b): (Vec<f64>, Vec<f64>) = (get(ask, "a")?, get(ask, "b")?);
            Ok(json!(spearman(&a, &b).ok_or("undefined")?))
        }
        "spearman_p" => {
            let (a, b): (Vec<f64>, Vec<f64>) = (get(ask, "a")?, get(ask, "b")?);
            Ok(json!(
                spearman_permutation_p(&a, &b, 9999, 1).ok_or("undefined")?
            ))
        }
        "turnbull" => {
            let ends = ask["intervals"]
                .as_array()
                .ok_or("intervals: expected a list")?;
            let intervals = ends
                .iter()
                .map(|pair| Ok((end(&pair[0])?, end(&pair[1])?)))
                .collect::<Result<Vec<_>, Box<dyn Error>>>()?;
            let fit = turnbull(&intervals).ok_or("undefined")?;
            let held: Vec<f64> = fit.mass.iter().copied().filter(|m| *m > 1e-6).collect();
            Ok(json!({"ll": fit.log_likelihood, "mass": held}))
        }
        "dispersion" => {
            let v: Vec<f64> = get(ask, "v")?;
            Ok(json!([
                standard_deviation(&v).ok_or("undefined")?,
                median_absolute_deviation(&v).ok_or("undefined")?
            ]))
        }
        "concentration" => {
            let rows: Vec<(usize, Vec<f64>, usize, usize)> = get(ask, "thresholds")?;
            let thresholds: Vec<GridThreshold> = rows
                .into_iter()
                .map(|(task, grid, lower, upper)| GridThreshold {
                    task,
                    grid,
                    lower,
                    upper,
                })
                .collect();
            let (draws, p) = concentration_null(&thresholds, get(ask, "draws")?, get(ask, "seed")?)
                .ok_or("undefined")?;
            Ok(json!([p, draws.iter().sum::<f64>() / draws.len() as f64]))
        }
        "cluster_bic" => {
            let v: Vec<f64> = get(ask, "v")?;
            Ok(json!(cluster_bic(&v, 1e-3).ok_or("undefined")?))
        }
        "extrapolate" => {
            let (x, k, n): (Vec<f64>, Vec<u64>, Vec<u64>) =
                (get(ask, "x")?, get(ask, "k")?, get(ask, "n")?);
            let found = extrapolate(
                &x,
                &k,
                &n,
                (get(ask, "chance")?, 1.0),
                get(ask, "target")?,
                0.05,
                0.9,
            );
            let found = found.map_err(|e| format!("{e:?}"))?;
            Ok(json!([found.at, found.lower, found.upper]))
        }
        "hermite" => {
            let (nodes, weights) = gauss_hermite(get(ask, "n")?);
            Ok(json!([nodes, weights].concat()))
        }
        "mixed_logit" => {
            let columns: Vec<Vec<f64>> = get(ask, "x")?;
            let above: Vec<bool> = get(ask, "above")?;
            let family: Vec<usize> = get(ask, "family")?;
            let fit = mixed_logit(&columns, &above, &family).ok_or("undefined")?;
            let area = auc(&columns[0], &above).ok_or("undefined")?;
            Ok(json!([fit.penalised, fit.intercept, fit.slopes[0], area]))
        }
        "family_bootstrap" => {
            let family: Vec<usize> = get(ask, "family")?;
            let (x, y): (Vec<f64>, Vec<f64>) = (get(ask, "x")?, get(ask, "y")?);
            let n_families = family.iter().max().map_or(0, |f| f + 1);
            let standing = vec![Standing::Open; family.len()];
            let config = FamilyBootstrap {
                n_draws: get(ask, "draws")?,
                seed: get(ask, "seed")?,
                confidence_level: 0.95,
            };
            let found = family_bootstrap(&family, n_families, &standing, &y, &[x], &[], config);
            let ends = |value: upturn_stats::ordering::WithInterval| {
                let interval = value.and_then(|v| v.1)?;
                Some([interval.lower?, interval.upper?])
            };
            let axis = &found.axes[0];
            let (tau, rho) = (ends(axis.tau_b), ends(axis.spearman));
            Ok(json!(
                [tau.ok_or("no interval")?, rho.ok_or("no interval")?].concat()
            ))
        }
        other => Err(format!("fn: {other} is not known").into()),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let value = answer(&line?).unwrap_or_else(|e| json!({"error": e.to_string()}));
        writeln!(out, "{value}")?;
    }
    Ok(())
}
