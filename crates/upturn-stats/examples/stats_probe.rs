//! Answers statistics asked for as JSON lines, for comparison with other software.
//!
//! Each input line is `{"fn": name, ...arguments}` and is answered by one line, the
//! result or `{"error": reason}`. `scripts/check_stats.py` drives it.

use std::error::Error;
use std::io::{BufRead, Write};

use serde_json::{Value, json};
use upturn_stats::dist::{
    beta_inc, beta_inc_inv, binom_cdf, binom_sf, chi2_sf, clopper_pearson, ln_beta, norm_cdf,
    norm_quantile, t_isf, t_sf, wilson,
};
use upturn_stats::inference::bootstrap::{BootstrapConfig, Units, bootstrap};
use upturn_stats::inference::clustered::{
    intraclass_correlation, mean_clustered, mean_independent,
};
use upturn_stats::inference::paired::{mcnemar, paired_difference};
use upturn_stats::inference::sequential::confidence_sequence::confidence_sequence;
use upturn_stats::inference::sequential::mixture::{ln_e_above, ln_e_below};
use upturn_stats::inference::two_sample::{newcombe_interval, two_proportion_z};
use upturn_stats::inference::variance::CrossedScores;
use upturn_stats::multiplicity::{benjamini_hochberg, benjamini_yekutieli, holm};
use upturn_stats::trend::{cochran_armitage, kendall_tau_b, pava};

type Answer = Result<Value, Box<dyn Error>>;

/// One question's arguments by name.
struct Ask(Value);

impl Ask {
    fn f(&self, name: &str) -> Result<f64, Box<dyn Error>> {
        let value = self.0[name].as_f64();
        value.ok_or_else(|| format!("{name}: expected a number").into())
    }

    fn u(&self, name: &str) -> Result<u64, Box<dyn Error>> {
        let value = self.0[name].as_u64();
        value.ok_or_else(|| format!("{name}: expected a count").into())
    }

    fn list<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<Vec<T>, Box<dyn Error>> {
        let value = serde_json::from_value(self.0[name].clone());
        value.map_err(|e| format!("{name}: {e}").into())
    }
}

fn answer(line: &str) -> Answer {
    let ask = Ask(serde_json::from_str(line)?);
    let name = ask.0["fn"]
        .as_str()
        .ok_or("fn: expected a name")?
        .to_owned();
    match name.as_str() {
        "binom_sf" => Ok(json!(binom_sf(ask.u("k")?, ask.u("n")?, ask.f("p")?))),
        "binom_cdf" => Ok(json!(binom_cdf(ask.u("k")?, ask.u("n")?, ask.f("p")?))),
        "clopper_pearson" => {
            let ends = clopper_pearson(ask.u("k")?, ask.u("n")?, ask.f("alpha")? / 2.0);
            Ok(json!(ends))
        }
        "wilson" => Ok(json!(wilson(ask.u("k")?, ask.u("n")?, ask.f("alpha")?))),
        "beta_inc" => Ok(json!(beta_inc(ask.f("a")?, ask.f("b")?, ask.f("x")?))),
        "beta_inc_inv" => Ok(json!(beta_inc_inv(ask.f("a")?, ask.f("b")?, ask.f("p")?))),
        "ln_beta" => Ok(json!(ln_beta(ask.f("a")?, ask.f("b")?))),
        "norm_cdf" => Ok(json!(norm_cdf(ask.f("z")?))),
        "norm_quantile" => Ok(json!(norm_quantile(ask.f("p")?))),
        "t_sf" => Ok(json!(t_sf(ask.f("t")?, ask.f("df")?))),
        "t_isf" => Ok(json!(t_isf(ask.f("p")?, ask.f("df")?))),
        "chi2_sf" => Ok(json!(chi2_sf(ask.f("x")?, ask.f("df")?))),
        "holm" => Ok(json!(holm(&ask.list("p")?))),
        "benjamini_hochberg" => Ok(json!(benjamini_hochberg(&ask.list("p")?))),
        "benjamini_yekutieli" => Ok(json!(benjamini_yekutieli(&ask.list("p")?))),
        "kendall_tau_b" => {
            let found = kendall_tau_b(&ask.list("x")?, &ask.list("y")?);
            Ok(json!(found.map(|(tau, p)| [tau, p])))
        }
        "cochran_armitage" => {
            let found = cochran_armitage(&ask.list("x")?, &ask.list("k")?, &ask.list("n")?);
            Ok(json!(found))
        }
        "pava" => Ok(json!(pava(&ask.list("y")?, &ask.list("w")?))),
        "mean_independent" => {
            let found = mean_independent(&ask.list("scores")?).ok_or("undefined")?;
            Ok(json!([found.point_estimate, found.standard_error]))
        }
        "mean_clustered" => {
            let clusters: Vec<u64> = ask.list("clusters")?;
            let found = mean_clustered(&ask.list("scores")?, &clusters).ok_or("undefined")?;
            let ends = found.confidence_interval(0.95).ok_or("level")?;
            Ok(json!([
                found.point_estimate,
                found.standard_error,
                ends.lower,
                ends.upper
            ]))
        }
        "intraclass_correlation" => {
            let clusters: Vec<u64> = ask.list("clusters")?;
            Ok(json!(intraclass_correlation(
                &ask.list("scores")?,
                &clusters
            )))
        }
        "paired_difference" => {
            let found = paired_difference(&ask.list("a")?, &ask.list("b")?).ok_or("undefined")?;
            let mean = found.difference;
            Ok(json!([
                mean.point_estimate,
                mean.standard_error,
                found.correlation
            ]))
        }
        "mcnemar" => {
            let found = mcnemar(ask.u("b10")?, ask.u("b01")?, ask.u("n")?).ok_or("undefined")?;
            Ok(json!([
                found.p_first_better,
                found.p_two_sided,
                found.p_mid_first_better
            ]))
        }
        "two_proportion_z" => {
            let (k1, n1, k2, n2) = (ask.u("k1")?, ask.u("n1")?, ask.u("k2")?, ask.u("n2")?);
            let found = two_proportion_z(k1, n1, k2, n2).ok_or("undefined")?;
            Ok(json!([found.z, found.p_first_larger, found.p_two_sided]))
        }
        "newcombe" => {
            let (k1, n1, k2, n2) = (ask.u("k1")?, ask.u("n1")?, ask.u("k2")?, ask.u("n2")?);
            let ends = newcombe_interval(k1, n1, k2, n2, 1.0 - ask.f("alpha")?);
            let ends = ends.ok_or("undefined")?;
            Ok(json!([ends.lower, ends.upper]))
        }
        "ln_e_above" => Ok(json!(ln_e_above(ask.u("k")?, ask.u("n")?, ask.f("p")?))),
        "ln_e_below" => Ok(json!(ln_e_below(ask.u("k")?, ask.u("n")?, ask.f("p")?))),
        "confidence_sequence" => {
            let ends = confidence_sequence(ask.u("k")?, ask.u("n")?, 1.0 - ask.f("alpha")?);
            let ends = ends.ok_or("undefined")?;
            Ok(json!([ends.lower, ends.upper]))
        }
        "bootstrap_mean" => {
            let scores: Vec<f64> = ask.list("scores")?;
            let config = BootstrapConfig {
                n_draws: u32::try_from(ask.u("n_draws")?)?,
                seed: ask.u("seed")?,
                confidence_level: 0.95,
            };
            let units = match ask.list::<u64>("clusters") {
                Ok(labels) => Units::from_labels(&labels),
                Err(_) => Units::Items(scores.len()),
            };
            let mean = |items: &[usize]| {
                items.iter().map(|&i| scores[i]).sum::<f64>() / items.len() as f64
            };
            let found = bootstrap(&units, mean, config).ok_or("undefined")?;
            let bca = found.bca.ok_or("no BCa interval")?;
            Ok(json!([
                found.standard_error,
                found.percentile.lower,
                found.percentile.upper,
                bca.lower,
                bca.upper
            ]))
        }
        "crossed" => {
            let count = |name| -> Result<usize, Box<dyn Error>> { Ok(ask.u(name)?.try_into()?) };
            let (items, prompts, seeds) = (count("items")?, count("prompts")?, count("seeds")?);
            let scores = CrossedScores::new(items, prompts, seeds, ask.list("scores")?);
            let found = scores.ok_or("incomplete design")?.decompose();
            Ok(json!([
                found.items,
                found.prompts,
                found.seeds,
                found.residual,
                found.standard_error_items,
                found.standard_error_prompts
            ]))
        }
        _ => Err(format!("fn: no function {name}").into()),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let result = answer(&line?).unwrap_or_else(|e| json!({"error": e.to_string()}));
        writeln!(out, "{result}")?;
    }
    Ok(())
}
