//! Plans and outcomes of ladders as tables.

use serde_json::{Value, json};
use upturn_ladder::{Outcome, Plan, Report};

use crate::stages::duration;

/// Columns of text, the first to the left and the others to the right.
fn columns(rows: &[Vec<String>]) -> String {
    let n = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| {
        let cells = rows.iter().filter_map(|r| r.get(c));
        cells.map(|t| t.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..n).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (c, cell) in row.iter().enumerate() {
            let fill = " ".repeat(widths[c] - cell.chars().count());
            match c {
                0 => line.push_str(&format!("{cell}{fill}")),
                _ => line.push_str(&format!("  {fill}{cell}")),
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// `864`, `28.2k`, `1.24M`.
fn count(n: f64) -> String {
    match n {
        n if n < 1e4 => format!("{n:.0}"),
        n if n < 1e6 => format!("{:.1}k", n / 1e3),
        n if n < 1e9 => format!("{:.2}M", n / 1e6),
        n => format!("{:.2}B", n / 1e9),
    }
}

fn bytes(n: usize) -> String {
    match n as f64 {
        n if n < 1e6 => format!("{:.0} KB", n / 1e3),
        n if n < 1e9 => format!("{:.1} MB", n / 1e6),
        n => format!("{:.2} GB", n / 1e9),
    }
}

/// The plan, a line per member, and what all take at a rate in FLOPs a second.
pub fn plan_table(plan: &Plan, rate: f64) -> String {
    let header = [
        "model",
        "N",
        "N without embeddings",
        "D",
        "C",
        "6ND",
        "steps",
        "memory",
        "time",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for m in &plan.members {
        rows.push(vec![
            m.name.clone(),
            count(m.n_params as f64),
            count(m.n_params_without_embedding as f64),
            count(m.tokens as f64),
            format!("{:.2e}", m.flops),
            format!("{:.2e}", m.flops_6nd),
            m.steps.to_string(),
            bytes(m.memory_bytes),
            duration(m.estimate_secs(rate)),
        ]);
    }
    format!(
        "{}{} models, {:.2e} FLOPs, about {} at {:.0} GFLOP/s\n",
        columns(&rows),
        plan.members.len(),
        plan.flops(),
        duration(plan.estimate_secs(rate)),
        rate / 1e9
    )
}

/// The plan for machines.
pub fn plan_json(plan: &Plan, rate: f64) -> Value {
    let members: Vec<Value> = plan
        .members
        .iter()
        .map(|m| {
            json!({
                "member": m.name, "parent": m.parent, "tuning": m.tuning, "seed": m.seed,
                "shape": m.shape, "params": m.n_params,
                "params_without_embedding": m.n_params_without_embedding,
                "tokens": m.tokens, "steps": m.steps, "batch_tokens": m.batch_tokens,
                "flops": m.flops, "flops_6nd": m.flops_6nd, "memory_bytes": m.memory_bytes,
                "checkpoints": m.checkpoints, "lr": m.optimizer.lr, "hash": m.hash,
                "secs": m.estimate_secs(rate),
            })
        })
        .collect();
    json!({
        "family": plan.family, "members": members, "flops": plan.flops(),
        "flops_per_sec": rate, "secs": plan.estimate_secs(rate),
    })
}

/// What became of the members.
pub fn outcome_table(plan: &Plan, report: &Report) -> String {
    let header = ["model", "N", "D", "C", "loss (nats)", ""];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for m in &report.members {
        let n_params = plan.member(&m.name).map_or(0, |p| p.n_params);
        let (tokens, flops, loss, word) = match &m.outcome {
            Outcome::Finished {
                kept,
                loss_nats,
                tokens,
                flops,
            } => (
                count(*tokens as f64),
                format!("{:.2e}", *flops as f64),
                format!("{loss_nats:.4}"),
                if *kept { "kept" } else { "trained" }.to_owned(),
            ),
            Outcome::Stopped { step } => none(format!("stopped at step {step}")),
            Outcome::Waiting => none("waiting".to_owned()),
            Outcome::Failed { reason } => none(format!("failed: {reason}")),
            Outcome::Skipped { reason } => none(format!("left out: {reason}")),
        };
        rows.push(vec![
            m.name.clone(),
            count(n_params as f64),
            tokens,
            flops,
            loss,
            word,
        ]);
    }
    columns(&rows)
}

fn none(word: String) -> (String, String, String, String) {
    (String::new(), String::new(), String::new(), word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [
            vec!["a".into(), "10".into()],
            vec!["long".into(), "1".into()],
        ];
        assert_eq!(columns(&rows), "a     10\nlong   1\n");
        assert_eq!(
            (count(864.0), count(28_160.0), count(4.8e6)),
            ("864".into(), "28.2k".into(), "4.80M".into())
        );
        assert_eq!(
            (duration(12.2), duration(200.0), duration(3840.0)),
            ("12 s".into(), "3 min 20 s".into(), "1 h 04 min".into())
        );
    }
}
