//! Forecasts as a figure: intervals as bands, the curve as a line, what was observed as dots.

use upturn_types::{Axis, CurveForecast};

use crate::numbers::{plural, unit};
use crate::palette::COLORS;
use crate::plot::{x_ticks, y_ticks};
use crate::scene::{Anchor, Ink, Item, Label, Scene};

const INK: Ink = Ink::solid([0x1c, 0x1f, 0x23]);
const QUIET: Ink = Ink::solid([0x59, 0x60, 0x68]);
const GRID: Ink = Ink::solid([0xe6, 0xe8, 0xea]);

/// Panels in one figure; more would not be looked at.
const PANELS_MAX: usize = 24;
const COLUMNS: usize = 3;
const PANEL: (f64, f64) = (380.0, 280.0);
const MARGIN: (f64, f64, f64, f64) = (54.0, 14.0, 34.0, 42.0);

/// Draws the first forecasts as small multiples in an SVG document: 50 and 95% intervals of the
/// predictions, the fitted curve's values, the chance level and the observed scores.
#[must_use]
pub fn forecast_svg(forecasts: &[CurveForecast]) -> String {
    let shown = &forecasts[..forecasts.len().min(PANELS_MAX)];
    let columns = shown.len().clamp(1, COLUMNS);
    let rows = shown.len().div_ceil(columns).max(1);
    let mut scene = Scene {
        width: (PANEL.0 * columns as f64) as u32,
        height: (PANEL.1 * rows as f64) as u32,
        name: plural(shown.len(), "forecast", "forecasts"),
        items: Vec::new(),
    };
    for (i, forecast) in shown.iter().enumerate() {
        let corner = (
            PANEL.0 * (i % columns) as f64,
            PANEL.1 * (i / columns) as f64,
        );
        scene.items.push(panel(forecast, corner));
    }
    scene.svg()
}

fn label(at: (f64, f64), text: &str, size: f64, anchor: Anchor, ink: Ink) -> Item {
    Item::Text(Label {
        at,
        text: text.to_owned(),
        size,
        anchor,
        ink,
        vertical: false,
        rim: false,
    })
}

fn panel(forecast: &CurveForecast, (left, top): (f64, f64)) -> Item {
    let (l, r, t, b) = MARGIN;
    let predictions = &forecast.predictions;
    let last = predictions.last().map_or(forecast.cutoff, |p| p.x);
    let domain = (
        forecast.cutoff - 0.05,
        last.max(forecast.cutoff + 0.1) + 0.05,
    );
    let x = |v: f64| left + l + (v - domain.0) / (domain.1 - domain.0) * (PANEL.0 - l - r);
    let scores = (0.0, 1.0);
    let y = |v: f64| {
        top + t + (1.0 - (v.clamp(0.0, 1.0) - scores.0) / (scores.1 - scores.0)) * (PANEL.1 - t - b)
    };
    let mut items = Vec::new();
    for tick in y_ticks(scores, 5) {
        items.push(line(
            vec![(x(domain.0), y(tick.at)), (x(domain.1), y(tick.at))],
            GRID,
            1.0,
            None,
        ));
        let at = (left + l - 6.0, y(tick.at) + 4.0);
        items.push(label(at, &tick.label, 11.0, Anchor::End, QUIET));
    }
    for tick in x_ticks(forecast.axis, domain, 4) {
        let at = (x(tick.at), top + PANEL.1 - b + 16.0);
        items.push(label(at, &tick.label, 11.0, Anchor::Middle, QUIET));
    }
    let middle = left + l + 0.5 * (PANEL.0 - l - r);
    let axis_name = match forecast.axis {
        Axis::Loss => "pre-training loss",
        axis => unit(axis),
    };
    items.push(label(
        (middle, top + PANEL.1 - 8.0),
        axis_name,
        11.0,
        Anchor::Middle,
        QUIET,
    ));
    let ink = Ink::solid(COLORS[0]);
    for (level, opacity) in [(0.95, 0.18), (0.5, 0.30)] {
        let ends: Vec<(f64, (f64, f64))> = predictions
            .iter()
            .filter_map(|p| Some((p.x, p.interval(level)?)))
            .collect();
        let mut corners: Vec<(f64, f64)> = ends
            .iter()
            .map(|(at, (low, _))| (x(*at), y(*low)))
            .collect();
        corners.extend(ends.iter().rev().map(|(at, (_, high))| (x(*at), y(*high))));
        if ends.len() > 1 {
            items.push(Item::Area {
                points: corners,
                ink: ink.with_opacity(opacity),
            });
        } else if let Some((at, (low, high))) = ends.first() {
            let points = vec![(x(*at), y(*low)), (x(*at), y(*high))];
            items.push(line(points, ink.with_opacity(opacity + 0.2), 8.0, None));
        }
    }
    items.push(line(
        predictions.iter().map(|p| (x(p.x), y(p.point))).collect(),
        ink,
        1.6,
        None,
    ));
    items.push(line(
        vec![
            (x(domain.0), y(forecast.chance)),
            (x(domain.1), y(forecast.chance)),
        ],
        QUIET,
        1.0,
        Some((3.0, 3.0)),
    ));
    for p in predictions {
        if let Some(observed) = p.observed {
            items.push(Item::Dot {
                at: (x(p.x), y(observed)),
                radius: 4.0,
                shape: 0,
                ink: Ink::solid(COLORS[1]),
            });
        }
    }
    let name = format!("{} — {}", forecast.key.family, forecast.key.task_name());
    let short: String = name.chars().take(52).collect();
    items.push(label(
        (left + l, top + 18.0),
        &short,
        12.5,
        Anchor::Start,
        INK,
    ));
    Item::Group {
        name: forecast.key.to_string(),
        description: format!(
            "{} predicted from {}",
            plural(predictions.len(), "score", "scores"),
            plural(forecast.n_train, "smaller model", "smaller models")
        ),
        items,
    }
}

fn line(points: Vec<(f64, f64)>, ink: Ink, width: f64, dash: Option<(f64, f64)>) -> Item {
    Item::Line {
        points,
        ink,
        width,
        dash,
    }
}
