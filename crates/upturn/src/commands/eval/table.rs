//! Results as a table of text, with the number of items behind each.

use upturn_eval::{GroupScore, MetricScore};

use super::cells::CellFile;

/// Rows of the table, in the order in which they are shown.
#[derive(Debug, Default)]
pub struct ResultTable {
    rows: Vec<[String; 7]>,
    /// Added metrics, which are in the files and not in the table.
    added: std::collections::BTreeSet<String>,
}

const HEADER: [&str; 7] = ["model", "task", "shots", "filter", "metric", "value", "n"];

impl ResultTable {
    /// Adds the scores of a cell: those that the task asks for.
    pub fn cell(&mut self, model: &str, cell: &CellFile) {
        let name = cell.task.alias.as_ref().unwrap_or(&cell.task.name);
        for score in &cell.scores {
            if score.in_task {
                self.score(model, name, &cell.task.shots.to_string(), score);
            } else {
                self.added.insert(score.metric.clone());
            }
        }
    }

    /// Adds the scores of a group.
    pub fn group(&mut self, model: &str, group: &GroupScore) {
        let name = group.alias.as_ref().unwrap_or(&group.group);
        for score in &group.scores {
            self.score(model, &format!("{name} (group)"), "", score);
        }
    }

    fn score(&mut self, model: &str, task: &str, shots: &str, score: &MetricScore) {
        let direction = if score.higher_is_better { "↑" } else { "↓" };
        let value = match score.stderr {
            Some(stderr) => format!("{:.4} ± {:.4}", score.value, stderr),
            None => format!("{:.4}", score.value),
        };
        self.rows.push([
            model.to_owned(),
            task.to_owned(),
            shots.to_owned(),
            score.filter.clone(),
            format!("{} {direction}", score.metric),
            value,
            score.n.to_string(),
        ]);
    }

    /// The table. `unicode` is whether arrows and ± can be shown.
    pub fn text(&self, unicode: bool) -> String {
        let header = HEADER.map(str::to_owned);
        let rows = || std::iter::once(&header).chain(&self.rows);
        let mut widths = [0; 7];
        for row in rows() {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        let mut text = String::new();
        for (i, row) in rows().enumerate() {
            let cells: Vec<String> = row
                .iter()
                .zip(widths)
                .enumerate()
                .map(|(column, (cell, width))| match column {
                    2 | 6 => format!("{cell:>width$}"),
                    _ => format!("{cell:<width$}"),
                })
                .collect();
            text.push_str(cells.join("  ").trim_end());
            text.push('\n');
            if i == 0 {
                let line = if unicode { "─" } else { "-" };
                text.push_str(&line.repeat(widths.iter().sum::<usize>() + 12));
                text.push('\n');
            }
        }
        if !self.added.is_empty() {
            let added: Vec<&str> = self.added.iter().map(String::as_str).collect();
            text.push_str(&format!("also measured: {}\n", added.join(", ")));
        }
        if unicode {
            text
        } else {
            text.replace('↑', "+").replace('↓', "-").replace('±', "+-")
        }
    }
}

/// A whole number with commas between thousands.
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        for (n, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (98_765, "98,765"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(thousands(n), text);
        }
    }
}
