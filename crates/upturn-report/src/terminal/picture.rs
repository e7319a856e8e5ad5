//! Curves drawn with characters: a sparkline for a row, a small plot for a curve.

use upturn_types::Verdict;

use super::{Term, pad, width};
use crate::numbers;
use crate::plot::{Domain, Series, Tick, x_ticks};

/// Most characters of a sparkline; longer curves are averaged.
const SPARK_WIDTH: usize = 12;

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const ASCII_BLOCKS: [char; 8] = ['_', '.', '-', ':', '=', '+', '*', '#'];

/// The scores of `verdict` in order of scale, one character each.
///
/// The lowest block is chance (or the lowest score), the highest the best score, but at
/// least 2.5 substantial margins above chance (a quarter of the range by default), so that
/// noise near chance stays low.
pub fn sparkline(verdict: &Verdict, unicode: bool) -> String {
    let scores: Vec<f64> = verdict
        .points
        .iter()
        .map(|p| p.score)
        .filter(|s| s.is_finite())
        .collect();
    if scores.is_empty() {
        return String::new();
    }
    let n = scores.len().min(SPARK_WIDTH);
    let buckets: Vec<f64> = (0..n)
        .map(|i| {
            let part = &scores[i * scores.len() / n..(i + 1) * scores.len() / n];
            part.iter().sum::<f64>() / part.len() as f64
        })
        .collect();
    let least = buckets.iter().copied().fold(f64::INFINITY, f64::min);
    let most = buckets.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let low = verdict.chance.map_or(least, |c| c.min(least));
    let floor = verdict.chance.unwrap_or(low) + 2.5 * verdict.substantial_margin.unwrap_or(0.0);
    let high = most.max(floor);
    let blocks = if unicode { BLOCKS } else { ASCII_BLOCKS };
    buckets
        .iter()
        .map(|s| {
            let share = if high > low {
                (s - low) / (high - low)
            } else {
                0.0
            };
            blocks[((share * 7.0).round().clamp(0.0, 7.0)) as usize]
        })
        .collect()
}

/// A plot of `series` in the width of the terminal, eight lines high.
pub fn plot(term: &Term, series: &Series<'_>) -> Vec<String> {
    const ROWS: usize = 7;
    let domain = Domain::of([series]);
    let Some((from, to)) = domain.x else {
        return Vec::new();
    };
    let columns = (term.width.saturating_sub(12)).clamp(20, 64);
    let (low, high) = domain.y;
    let column = |x: f64| {
        let share = if x == f64::NEG_INFINITY {
            0.0
        } else {
            (x - from) / (to - from)
        };
        ((share * (columns - 1) as f64).round() as usize).min(columns - 1)
    };
    let row = |y: f64| {
        let share = ((y - low) / (high - low)).clamp(0.0, 1.0);
        ROWS - 1 - ((share * (ROWS - 1) as f64).round() as usize)
    };
    let (dot, chance, shade, corner, bar, side) = if term.unicode {
        ('●', '┈', '░', '└', '─', '│')
    } else {
        ('o', '.', ':', '+', '-', '|')
    };
    let mut grid = vec![vec![' '; columns]; ROWS];
    if let Some((lower, upper)) = series.threshold {
        let first = lower.map_or(0, column);
        let last = upper.map_or(columns - 1, column);
        for cells in &mut grid {
            for cell in cells.iter_mut().take(last + 1).skip(first) {
                *cell = shade;
            }
        }
    }
    if let Some(c) = series.verdict.chance {
        for cell in &mut grid[row(c)] {
            *cell = chance;
        }
    }
    for m in &series.marks {
        grid[row(m.score)][column(m.x)] = dot;
    }
    let labels = [(0, numbers::score(high)), (ROWS - 1, numbers::score(low))];
    let room = labels.iter().map(|(_, l)| width(l)).max().unwrap_or(5);
    let mut out: Vec<String> = grid
        .into_iter()
        .enumerate()
        .map(|(i, cells)| {
            let label = labels
                .iter()
                .find(|(at, _)| *at == i)
                .map_or("", |(_, l)| l.as_str());
            let blank = " ".repeat(room - width(label));
            format!(
                "{blank}{label} {side}{}",
                cells.into_iter().collect::<String>()
            )
        })
        .collect();
    let rule = bar.to_string().repeat(columns);
    out.push(format!("{} {corner}{rule}", " ".repeat(room)));
    let mut scale = String::new();
    for Tick { at, label } in x_ticks(series.axis, (from, to), columns / 8) {
        // Superscripts have no ASCII: the exponent is written out.
        let label = match (term.unicode, label.is_empty()) {
            (_, true) => continue,
            (true, _) => label,
            (false, _) => numbers::raw(series.axis, series.axis.raw(at)),
        };
        let start = column(at).saturating_sub(width(&label) / 2);
        if start > width(&scale) || scale.is_empty() {
            scale = pad(&scale, start);
            scale.push_str(&label);
        }
    }
    out.push(format!(
        "{}  {scale} {}",
        " ".repeat(room),
        numbers::unit(series.axis)
    ));
    out
}
