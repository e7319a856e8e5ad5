//! The small plots of the page: compact inline SVG whose colours come from the page's style.

use std::fmt::Write;

use upturn_types::View;

use crate::numbers::{self, Signs};
use crate::palette::Palette;
use crate::plot::{Domain, Series, x_ticks, y_ticks};
use crate::scene::{coordinate, escape};
use crate::words;

const WIDTH: f64 = 260.0;
const HEIGHT: f64 = 150.0;
const LEFT: f64 = 34.0;
const RIGHT: f64 = 252.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 122.0;
/// Room at the left for step 0.
const ZERO: f64 = 22.0;

struct Place {
    domain: Domain,
    start: f64,
}

impl Place {
    fn x(&self, x: f64) -> f64 {
        match self.domain.x {
            _ if x == f64::NEG_INFINITY => LEFT + 8.0,
            Some((a, b)) if b > a => {
                (self.start + (x - a) / (b - a) * (RIGHT - self.start)).clamp(LEFT, RIGHT)
            }
            _ => f64::midpoint(LEFT, RIGHT),
        }
    }

    fn y(&self, y: f64) -> f64 {
        let (a, b) = self.domain.y;
        (BOTTOM - (y - a) / (b - a) * (BOTTOM - TOP)).clamp(TOP, BOTTOM)
    }
}

/// `points` without those that lie within a fifth of a pixel of the line through the rest
/// (Ramer, Douglas and Peucker).
fn simplify(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    const TOLERANCE: f64 = 0.2;
    let mut keep = vec![false; points.len()];
    let mut parts = Vec::new();
    if let Some(last) = points.len().checked_sub(1) {
        (keep[0], keep[last]) = (true, true);
        parts.push((0, last));
    }
    while let Some((a, b)) = parts.pop() {
        let (dx, dy) = (points[b].0 - points[a].0, points[b].1 - points[a].1);
        let length = dx.hypot(dy).max(1e-9);
        let distance = |i: usize| {
            let (x, y) = (points[i].0 - points[a].0, points[i].1 - points[a].1);
            (x * dy - y * dx).abs() / length
        };
        let farthest = (a + 1..b).max_by(|i, j| distance(*i).total_cmp(&distance(*j)));
        if let Some(i) = farthest.filter(|i| distance(*i) > TOLERANCE) {
            keep[i] = true;
            parts.extend([(a, i), (i, b)]);
        }
    }
    let mut kept = keep.iter();
    points
        .iter()
        .copied()
        .filter(|_| kept.next().is_some_and(|k| *k))
        .collect()
}

/// Path data through `points`, those left out that make no difference.
fn path(points: impl IntoIterator<Item = (f64, f64)>) -> String {
    let points = simplify(&points.into_iter().collect::<Vec<_>>());
    let mut out = String::new();
    let mut last = None;
    for (x, y) in points {
        let at = (coordinate(x), coordinate(y));
        if last.as_ref() == Some(&at) {
            continue;
        }
        let command = if last.is_none() { 'M' } else { 'L' };
        let _ = write!(out, "{command}{} {}", at.0, at.1);
        last = Some(at);
    }
    out
}

/// A sentence that says what the plot shows.
fn describe(series: &Series<'_>) -> String {
    let v = series.verdict;
    let mut out = format!(
        "{} over {}. ",
        words::capital(words::shape(v.shape)),
        words::axis_title(series.axis)
    );
    if let (Some(first), Some(last)) = (v.points.first(), v.points.last()) {
        let _ = write!(
            out,
            "Scores from {} at the smallest to {} at the largest of {}. ",
            numbers::score(first.score),
            numbers::score(last.score),
            v.points.len()
        );
    }
    if let Some(c) = v.chance {
        let _ = write!(out, "Chance {}. ", numbers::level(c));
    }
    match v
        .threshold
        .as_ref()
        .and_then(|t| numbers::threshold(t, series.axis, Signs::UNICODE))
    {
        Some(range) => {
            let _ = write!(out, "Threshold {range} {}.", numbers::unit(series.axis));
        }
        None => out.push_str("No threshold certified."),
    }
    out
}

/// The plot of `series`; `shared` gives the range of its x axis.
#[must_use]
pub fn svg(series: &Series<'_>, shared: &Domain, palette: &Palette) -> String {
    let v = series.verdict;
    let own = Domain::of([series]);
    let place = Place {
        domain: Domain { x: shared.x, ..own },
        start: if own.has_zero { LEFT + ZERO } else { LEFT },
    };
    let name = escape(&format!(
        "{}, {}, {}",
        v.key.task_name(),
        series.who(),
        v.key.setting_name()
    ));
    let mut out = String::with_capacity(2048);
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "<svg class=\"p f{}\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{name}\">\
         <title>{name}</title><desc>{}</desc>",
        palette.color(&v.key.family),
        escape(&describe(series))
    );
    if series.marks.is_empty() {
        let _ = write!(
            out,
            "<text class=m x={} y={}>{}</text></svg>",
            f64::midpoint(LEFT, RIGHT),
            f64::midpoint(TOP, BOTTOM),
            if v.points.is_empty() {
                "nothing to draw"
            } else {
                "scale of the models unknown"
            }
        );
        return out;
    }
    let mut grid = String::new();
    for tick in y_ticks(own.y, 5) {
        let y = place.y(tick.at);
        let _ = write!(grid, "M{LEFT} {}H{RIGHT}", coordinate(y));
        let _ = write!(
            out,
            "<text class=e x={} y={}>{}</text>",
            LEFT - 4.0,
            coordinate(y + 3.0),
            tick.label
        );
    }
    let _ = write!(out, "<path class=g d=\"{grid}\"/>");
    threshold(&mut out, series, &place);

    // Axes and ticks, with a break where step 0 stands left of the log scale.
    let mut axes = format!("M{LEFT} {TOP}V{BOTTOM}H{RIGHT}");
    if let Some(span) = place.domain.x {
        for tick in x_ticks(series.axis, span, 5) {
            let x = coordinate(place.x(tick.at));
            let length = if tick.label.is_empty() { 2 } else { 4 };
            let _ = write!(axes, "M{x} {BOTTOM}v{length}");
            if !tick.label.is_empty() {
                let _ = write!(
                    out,
                    "<text class=m x={x} y={}>{}</text>",
                    BOTTOM + 13.0,
                    tick.label
                );
            }
        }
    }
    if own.has_zero {
        let x = LEFT + 15.0;
        let _ = write!(
            axes,
            "M{} {}l3 -8M{} {}l3 -8",
            x - 1.0,
            BOTTOM + 4.0,
            x + 2.0,
            BOTTOM + 4.0
        );
        let _ = write!(
            out,
            "<text class=m x={} y={}>0</text>",
            coordinate(place.x(f64::NEG_INFINITY)),
            BOTTOM + 13.0
        );
    }
    let _ = write!(
        out,
        "<path class=a d=\"{axes}\"/><text class=m x={} y={}>{}</text>",
        f64::midpoint(LEFT, RIGHT),
        HEIGHT - 3.0,
        words::axis_title(series.axis)
    );
    if let Some(c) = v.chance.filter(|c| c.is_finite()) {
        let y = place.y(c);
        let label = if y > BOTTOM - 14.0 { y - 4.0 } else { y + 10.0 };
        let (x, class) = chance_side(series, &place, label);
        let _ = write!(
            out,
            "<path class=c d=\"M{LEFT} {}H{RIGHT}\"/><text class={class} x={x} y={}>chance</text>",
            coordinate(y),
            coordinate(label)
        );
    }
    points(&mut out, series, &place);
    out.push_str("</svg>");
    out
}

/// The side of the plot where the word "chance" covers fewer points.
fn chance_side(series: &Series<'_>, place: &Place, y: f64) -> (f64, &'static str) {
    let hits = |from: f64, to: f64| {
        series
            .marks
            .iter()
            .filter(|m| {
                let x = place.x(m.x);
                let top = place.y(m.upper.unwrap_or(m.score)) - 3.0;
                let bottom = place.y(m.lower.unwrap_or(m.score)) + 3.0;
                (from..to).contains(&x) && top < y && bottom > y - 8.0
            })
            .count()
    };
    if hits(RIGHT - 38.0, RIGHT + 1.0) <= hits(LEFT, LEFT + 38.0) {
        (RIGHT - 2.0, "\"e h\"")
    } else {
        (LEFT + 3.0, "h")
    }
}

fn threshold(out: &mut String, series: &Series<'_>, place: &Place) {
    let Some((lower, upper)) = series.threshold else {
        return;
    };
    let from = lower.map_or(LEFT, |x| place.x(x));
    let to = upper.map_or(RIGHT, |x| place.x(x));
    if to <= from {
        return;
    }
    let _ = write!(
        out,
        "<path class=t d=\"M{} {TOP}H{}V{BOTTOM}H{}Z\"/>",
        coordinate(from),
        coordinate(to),
        coordinate(from)
    );
    let mut edges = String::new();
    for x in [lower, upper].into_iter().flatten() {
        let _ = write!(edges, "M{} {TOP}V{BOTTOM}", coordinate(place.x(x)));
    }
    let _ = write!(out, "<path class=k d=\"{edges}\"/>");
}

fn points(out: &mut String, series: &Series<'_>, place: &Place) {
    if series.band.len() > 1 {
        // Each side on its own: the closed outline has no line to simplify against.
        let at = |(x, y): (f64, f64)| (place.x(x), place.y(y));
        let low = path(series.band.iter().map(|b| at((b.0, b.1))));
        let high = path(series.band.iter().rev().map(|b| at((b.0, b.2))));
        let high = high.replacen('M', "L", 1);
        let _ = write!(out, "<path class=b d=\"{low}{high}Z\"/>");
    }
    let (class, line): (&str, String) = if series.fit.len() > 1 {
        let fit = series.fit.iter();
        ("l", path(fit.map(|&(x, y)| (place.x(x), place.y(y)))))
    } else {
        let marks = series.placed();
        ("j", path(marks.map(|m| (place.x(m.x), place.y(m.score)))))
    };
    if !line.is_empty() {
        let _ = write!(out, "<path class={class} d=\"{line}\"/>");
    }
    let (mut whiskers, mut dots) = (String::new(), String::new());
    let mut seen = std::collections::BTreeSet::new();
    for m in &series.marks {
        let (x, y) = (coordinate(place.x(m.x)), coordinate(place.y(m.score)));
        if !seen.insert((x.clone(), y.clone())) {
            continue;
        }
        // A zero-length stroke with round ends is a dot.
        let _ = write!(dots, "M{x} {y}h0");
        if let (Some(a), Some(b)) = (m.lower, m.upper) {
            let _ = write!(
                whiskers,
                "M{x} {}V{}",
                coordinate(place.y(a)),
                coordinate(place.y(b))
            );
        }
    }
    if !whiskers.is_empty() {
        let _ = write!(out, "<path class=w d=\"{whiskers}\"/>");
    }
    let class = if matches!(series.verdict.view, View::Training(_)) && series.marks.len() > 30 {
        "\"d s\""
    } else {
        "d"
    };
    let _ = write!(out, "<path class={class} d=\"{dots}\"/>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_points_on_a_line_are_left_out() {
        let line: Vec<(f64, f64)> = (0..50)
            .map(|i| (f64::from(i), 2.0 * f64::from(i)))
            .collect();
        assert_eq!(simplify(&line), [line[0], line[49]]);
        let corner = [(0.0, 0.0), (5.0, 0.05), (10.0, 0.0), (10.0, 10.0)];
        assert_eq!(simplify(&corner), [corner[0], corner[2], corner[3]]);
        assert!(simplify(&[]).is_empty());
        assert_eq!(simplify(&[(1.0, 1.0)]), [(1.0, 1.0)]);
    }
}
