//! Figures for papers: small multiples of chosen verdicts, laid out once, drawn as SVG or PNG.

use std::collections::BTreeSet;

use upturn_types::{Analysis, Axis, Text, Verdict, View};

use crate::font::Font;
use crate::names::visible;
use crate::numbers::{self, Signs};
use crate::palette::{COLORS, Palette};
use crate::plot::{Domain, Index, Mark, Series, x_ticks, y_ticks};
use crate::scene::{Anchor, Ink, Item, Label, Scene};
use crate::{ReportError, words};

/// How a figure is laid out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FigureOptions {
    /// Width in pixels. 1,000 prints well over one column of a paper (300 per inch), 2,000 over two.
    pub width_px: u32,
    /// Height in pixels; 0 is as high as the panels need.
    pub height_px: u32,
    /// Panels in a row; 0 chooses.
    pub columns: usize,
    /// Scale axis. A curve without scales on it is drawn over the axis of its verdict.
    pub axis: Axis,
    /// Whether the figure has a heading of its own (panels always have theirs).
    pub title: bool,
}

impl Default for FigureOptions {
    fn default() -> Self {
        FigureOptions {
            width_px: 1600,
            height_px: 0,
            columns: 0,
            axis: Axis::Flops,
            title: true,
        }
    }
}

/// Draws `verdicts` as small multiples in an SVG document.
///
/// Families that were measured alike (task, setting, metric, split) share a panel.
///
/// # Errors
///
/// [`ReportError::NothingToDraw`] without verdicts, [`ReportError::Size`] where the panels have no room.
pub fn figure_svg(
    analysis: &Analysis,
    verdicts: &[&Verdict],
    options: &FigureOptions,
) -> Result<String, ReportError> {
    Ok(layout(analysis, verdicts, options)?.svg())
}

/// Draws `verdicts` as small multiples in a PNG image.
///
/// # Errors
///
/// As [`figure_svg`], and where the image cannot be encoded.
pub fn figure_png(
    analysis: &Analysis,
    verdicts: &[&Verdict],
    options: &FigureOptions,
) -> Result<Vec<u8>, ReportError> {
    layout(analysis, verdicts, options)?.png()
}

const INK: Ink = Ink::solid([0x1c, 0x1f, 0x23]);
const QUIET: Ink = Ink::solid([0x59, 0x60, 0x68]);
const FRAME: Ink = Ink::solid([0x8a, 0x91, 0x99]);
const GRID: Ink = Ink::solid([0xe6, 0xe8, 0xea]);

/// Most families in one panel; more would hide each other.
const FAMILIES_PER_PANEL: usize = 6;

struct Panel<'a> {
    series: Vec<Series<'a>>,
}

impl Panel<'_> {
    fn first(&self) -> &Series<'_> {
        &self.series[0]
    }
}

fn same_panel(a: &Series<'_>, b: &Series<'_>) -> bool {
    let (k, l) = (&a.verdict.key, &b.verdict.key);
    a.axis == b.axis
        && a.verdict.view == View::Across
        && b.verdict.view == View::Across
        && (
            &k.task, &k.subset, &k.split, &k.method, k.shots, &k.filter, &k.metric,
        ) == (
            &l.task, &l.subset, &l.split, &l.method, l.shots, &l.filter, &l.metric,
        )
}

fn panels<'a>(analysis: &'a Analysis, verdicts: &[&'a Verdict], axis: Axis) -> Vec<Panel<'a>> {
    let index = Index::new(analysis);
    let mut panels: Vec<Panel<'a>> = Vec::new();
    for &verdict in verdicts {
        let series = Series::new(verdict, index.curve(verdict), axis);
        let home = panels.iter_mut().find(|p| {
            p.series.len() < FAMILIES_PER_PANEL
                && same_panel(p.first(), &series)
                && p.series
                    .iter()
                    .all(|s| s.verdict.key.family != verdict.key.family)
        });
        match home {
            Some(panel) => panel.series.push(series),
            None => panels.push(Panel {
                series: vec![series],
            }),
        }
    }
    panels
}

/// The certified onset of a series over the drawn axis, with its unit.
fn threshold_text(series: &Series<'_>) -> String {
    let certified = series.verdict.threshold.as_ref();
    certified
        .and_then(|t| numbers::threshold(t, series.axis, Signs::UNICODE))
        .map_or_else(
            || "no threshold certified".to_owned(),
            |t| format!("{t} {}", numbers::unit(series.axis)),
        )
}

fn describe(panel: &Panel<'_>) -> String {
    let mut out = String::new();
    for s in &panel.series {
        let v = s.verdict;
        out.push_str(&format!(
            "{}: {}, {}, {}. ",
            s.who(),
            words::shape(v.shape),
            numbers::plural(v.n_models, "model", "models"),
            threshold_text(s)
        ));
    }
    out.truncate(out.trim_end().len());
    out
}

fn title_of(panel: &Panel<'_>) -> (String, String) {
    let v = panel.first().verdict;
    let mut setting = format!("{} · {}", v.key.setting_name(), v.key.metric);
    for extra in [&v.key.filter, &v.key.split].into_iter().flatten() {
        setting.push_str(" · ");
        setting.push_str(extra);
    }
    (v.key.task_name(), setting)
}

/// Where the plot of one panel lies, in pixels.
struct Frame {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    domain: Domain,
    /// Room at the left for step 0.
    zero: f64,
}

impl Frame {
    fn x(&self, x: f64) -> f64 {
        let start = self.left + self.zero;
        match self.domain.x {
            _ if x == f64::NEG_INFINITY => self.left + self.zero * 0.4,
            Some((a, b)) if b > a => {
                (start + (x - a) / (b - a) * (self.right - start)).clamp(self.left, self.right)
            }
            _ => (start + self.right) / 2.0,
        }
    }

    fn y(&self, y: f64) -> f64 {
        let (a, b) = self.domain.y;
        (self.bottom - (y - a) / (b - a) * (self.bottom - self.top)).clamp(self.top, self.bottom)
    }
}

fn line(points: Vec<(f64, f64)>, ink: Ink, width: f64) -> Item {
    Item::Line {
        points,
        ink,
        width,
        dash: None,
    }
}

fn rectangle(x0: f64, y0: f64, x1: f64, y1: f64, ink: Ink) -> Item {
    Item::Area {
        points: vec![(x0, y0), (x1, y0), (x1, y1), (x0, y1)],
        ink,
    }
}

/// Sizes that follow the font size.
struct Style<'f> {
    font: &'f Font,
    em: f64,
}

impl Style<'_> {
    fn hair(&self) -> f64 {
        (self.em * 0.07).max(0.6)
    }

    fn text(
        &self,
        at: (f64, f64),
        text: impl Into<String>,
        size: f64,
        anchor: Anchor,
        ink: Ink,
    ) -> Item {
        Item::Text(Label {
            at,
            text: visible(&text.into()),
            size: size * self.em,
            anchor,
            ink,
            vertical: false,
            rim: false,
        })
    }
}

fn layout(
    analysis: &Analysis,
    verdicts: &[&Verdict],
    options: &FigureOptions,
) -> Result<Scene, ReportError> {
    let panels = panels(analysis, verdicts, options.axis);
    if panels.is_empty() {
        return Err(ReportError::NothingToDraw);
    }
    let size_error = |why| ReportError::Size {
        width_px: options.width_px,
        height_px: options.height_px,
        why,
    };
    let width = f64::from(options.width_px);
    let columns = match options.columns {
        0 => (1..=4usize)
            .find(|c| c * c >= panels.len())
            .unwrap_or(4)
            .min(if width < 700.0 { 2 } else { 4 }),
        n => n,
    }
    .min(panels.len());
    let n_rows = panels.len().div_ceil(columns);
    let cell_width = width / columns as f64;
    // A panel is 26 em wide: at 1,000 px over 3.3 inches and two columns, 7 pt.
    let em = (cell_width / 26.0).clamp(8.0, 40.0);
    if cell_width < em * 14.0 {
        return Err(size_error("each panel needs at least 112 pixels of width"));
    }
    let font = Font::load();
    let style = Style { font: &font, em };

    let families: BTreeSet<&Text> = verdicts.iter().map(|v| &v.key.family).collect();
    let palette = Palette::of(analysis, &families);
    let legend = legend(&style, &palette, &families, &panels, width);
    let heading = if options.title { 2.4 * em } else { 0.6 * em };
    let most_series = panels.iter().map(|p| p.series.len()).max().unwrap_or(1);
    let n_notes = if most_series <= 3 { most_series } else { 0 };
    // Above each plot: title, setting and a line per threshold.
    let above = (2.9 + 1.15 * n_notes as f64) * em;
    let below = 3.9 * em;
    let body = if options.height_px == 0 {
        n_rows as f64 * (above + below + (cell_width * 0.55).min(22.0 * em))
    } else {
        f64::from(options.height_px) - heading - legend.height
    };
    let cell_height = body / n_rows as f64;
    if cell_height - above - below < 4.0 * em {
        return Err(size_error(
            "the panels have no room: make it higher, or use more columns",
        ));
    }
    let height = (heading + body + legend.height).ceil();
    if height > 60_000.0 || width > 60_000.0 {
        return Err(size_error(
            "a figure may be at most 60,000 pixels on a side",
        ));
    }

    // One range for each axis, so that thresholds can be compared between panels.
    let shared = |like: &Series<'_>| {
        Domain::of(panels.iter().flat_map(|p| &p.series).filter(|s| {
            s.axis == like.axis
                && (s.verdict.view == View::Across) == (like.verdict.view == View::Across)
        }))
    };
    let mut items = Vec::new();
    let short = "Scores and certified thresholds";
    let axes: BTreeSet<Axis> = panels.iter().map(|p| p.first().axis).collect();
    let name = match axes.first() {
        Some(axis) if axes.len() == 1 => format!(
            "Scores over {}, with certified thresholds",
            words::axis_title(*axis)
        ),
        _ => short.to_owned(),
    };
    if options.title {
        let room = width - 1.6 * em;
        let heading = [name.as_str(), short]
            .into_iter()
            .find(|t| font.width(t, 1.15 * em) <= room)
            .map_or_else(|| font.fit(short, 1.15 * em, room), str::to_owned);
        items.push(style.text((0.8 * em, 1.6 * em), heading, 1.15, Anchor::Start, INK));
    }
    for (i, panel) in panels.iter().enumerate() {
        let (row, column) = (i / columns, i % columns);
        let own = Domain::of(&panel.series);
        let all = shared(panel.first());
        let x0 = column as f64 * cell_width;
        let y0 = heading + row as f64 * cell_height;
        let frame = Frame {
            left: x0 + 4.6 * em,
            right: x0 + cell_width - 1.0 * em,
            top: y0 + above,
            bottom: y0 + cell_height - below,
            zero: if own.has_zero { 2.4 * em } else { 0.0 },
            domain: Domain { x: all.x, ..own },
        };
        items.push(draw_panel(&style, &palette, panel, &frame, x0, y0, n_notes));
    }
    for item in legend.items {
        items.push(shift_down(item, heading + body));
    }
    Ok(Scene {
        width: options.width_px,
        height: height as u32,
        name,
        items,
    })
}

fn draw_panel(
    style: &Style<'_>,
    palette: &Palette,
    panel: &Panel<'_>,
    frame: &Frame,
    x0: f64,
    y0: f64,
    n_notes: usize,
) -> Item {
    let em = style.em;
    let (title, setting) = title_of(panel);
    let color = |s: &Series<'_>| Ink::solid(COLORS[palette.color(&s.verdict.key.family)]);
    let mut items = Vec::new();

    // Titles and certified thresholds.
    let put = |items: &mut Vec<Item>, x: f64, y: f64, text: &str, size: f64, ink: Ink| {
        let text = style.font.fit(&visible(text), size * em, frame.right - x);
        items.push(style.text((x, y), text, size, Anchor::Start, ink));
    };
    let left = x0 + 0.8 * em;
    put(&mut items, left, y0 + 1.2 * em, &title, 1.05, INK);
    put(&mut items, left, y0 + 2.35 * em, &setting, 0.82, QUIET);
    for (i, s) in panel.series.iter().enumerate().take(n_notes) {
        let y = y0 + (3.45 + 1.15 * i as f64) * em;
        items.push(rectangle(
            left,
            y - 0.62 * em,
            left + 0.7 * em,
            y + 0.02 * em,
            color(s).with_opacity(0.55),
        ));
        let note = format!("{}: {}", s.who(), threshold_text(s));
        put(&mut items, left + 1.1 * em, y, &note, 0.82, INK);
    }

    // Axes.
    for tick in y_ticks(frame.domain.y, 5) {
        let y = frame.y(tick.at);
        items.push(line(
            vec![(frame.left, y), (frame.right, y)],
            GRID,
            style.hair(),
        ));
        items.push(style.text(
            (frame.left - 0.4 * em, y + 0.3 * em),
            tick.label,
            0.82,
            Anchor::End,
            INK,
        ));
    }
    let axis = panel.first().axis;
    if let Some(span) = frame.domain.x {
        let n_max = ((frame.right - frame.left - frame.zero) / (3.4 * em)) as usize;
        for tick in x_ticks(axis, span, n_max) {
            let x = frame.x(tick.at);
            let length = if tick.label.is_empty() { 0.22 } else { 0.4 };
            items.push(line(
                vec![(x, frame.bottom), (x, frame.bottom + length * em)],
                FRAME,
                style.hair(),
            ));
            if !tick.label.is_empty() {
                items.push(style.text(
                    (x, frame.bottom + 1.4 * em),
                    tick.label,
                    0.82,
                    Anchor::Middle,
                    INK,
                ));
            }
        }
    }

    let placed = panel.series.iter().any(|s| !s.marks.is_empty());
    for s in &panel.series {
        draw_threshold(style, s, frame, color(s), &mut items);
    }
    // Frame, open at the top and right.
    items.push(line(
        vec![
            (frame.left, frame.top),
            (frame.left, frame.bottom),
            (frame.right, frame.bottom),
        ],
        FRAME,
        style.hair() * 1.3,
    ));
    if frame.zero > 0.0 {
        draw_break(style, frame, &mut items);
    }
    let chances = chance_lines(panel);
    for &c in &chances {
        items.push(Item::Line {
            points: vec![(frame.left, frame.y(c)), (frame.right, frame.y(c))],
            ink: QUIET,
            width: style.hair() * 1.3,
            dash: Some((0.45 * em, 0.3 * em)),
        });
    }
    for s in &panel.series {
        draw_series(
            style,
            s,
            frame,
            color(s),
            palette.shape(&s.verdict.key.family),
            &mut items,
        );
    }
    for &c in &chances {
        items.push(chance_label(style, panel, frame, c));
    }
    if !placed {
        items.push(style.text(
            (
                (frame.left + frame.right) / 2.0,
                (frame.top + frame.bottom) / 2.0,
            ),
            "scale of the models unknown",
            0.9,
            Anchor::Middle,
            QUIET,
        ));
    }

    // Axis titles.
    items.push(style.text(
        ((frame.left + frame.right) / 2.0, frame.bottom + 2.75 * em),
        words::axis_title(axis),
        0.82,
        Anchor::Middle,
        QUIET,
    ));
    items.push(Item::Text(Label {
        at: (x0 + 1.5 * em, (frame.top + frame.bottom) / 2.0),
        text: style.font.fit(
            &format!("{} (score)", panel.first().verdict.key.metric),
            0.82 * em,
            frame.bottom - frame.top,
        ),
        size: 0.82 * em,
        anchor: Anchor::Middle,
        ink: QUIET,
        vertical: true,
        rim: false,
    }));
    Item::Group {
        name: format!("{title}, {setting}"),
        description: describe(panel),
        items,
    }
}

/// The certified interval: shaded, with a line at each certified end.
fn draw_threshold(
    style: &Style<'_>,
    series: &Series<'_>,
    frame: &Frame,
    ink: Ink,
    items: &mut Vec<Item>,
) {
    let Some((lower, upper)) = series.threshold else {
        return;
    };
    let x0 = lower.map_or(frame.left, |x| frame.x(x));
    let x1 = upper.map_or(frame.right, |x| frame.x(x));
    if x1 <= x0 {
        return;
    }
    items.push(rectangle(
        x0,
        frame.top,
        x1,
        frame.bottom,
        ink.with_opacity(0.13),
    ));
    for x in [lower, upper].into_iter().flatten() {
        items.push(Item::Line {
            points: vec![(frame.x(x), frame.top), (frame.x(x), frame.bottom)],
            ink: ink.with_opacity(0.65),
            width: style.hair(),
            dash: Some((0.18 * style.em, 0.22 * style.em)),
        });
    }
}

/// Two strokes across the axis between step 0 and the log scale, and its label.
fn draw_break(style: &Style<'_>, frame: &Frame, items: &mut Vec<Item>) {
    let em = style.em;
    let x = frame.left + frame.zero * 0.78;
    items.push(line(
        vec![(x - 0.16 * em, frame.bottom), (x + 0.16 * em, frame.bottom)],
        Ink::solid([0xff; 3]),
        style.hair() * 3.0,
    ));
    for dx in [-0.16, 0.16] {
        let x = x + dx * em;
        items.push(line(
            vec![
                (x - 0.13 * em, frame.bottom + 0.36 * em),
                (x + 0.13 * em, frame.bottom - 0.36 * em),
            ],
            FRAME,
            style.hair() * 1.3,
        ));
    }
    items.push(style.text(
        (frame.x(f64::NEG_INFINITY), frame.bottom + 1.4 * em),
        "0",
        0.82,
        Anchor::Middle,
        INK,
    ));
}

fn draw_series(
    style: &Style<'_>,
    series: &Series<'_>,
    frame: &Frame,
    ink: Ink,
    shape: usize,
    items: &mut Vec<Item>,
) {
    let em = style.em;
    if series.band.len() > 1 {
        let mut points: Vec<(f64, f64)> = series
            .band
            .iter()
            .map(|&(x, low, _)| (frame.x(x), frame.y(low)))
            .collect();
        points.extend(
            series
                .band
                .iter()
                .rev()
                .map(|&(x, _, high)| (frame.x(x), frame.y(high))),
        );
        items.push(Item::Area {
            points,
            ink: ink.with_opacity(0.18),
        });
    }
    if series.fit.len() > 1 {
        let points = series
            .fit
            .iter()
            .map(|&(x, y)| (frame.x(x), frame.y(y)))
            .collect();
        items.push(line(points, ink, 0.16 * em));
    } else if series.marks.len() > 1 {
        // Without a fit the points are joined by a thin line that claims nothing.
        let points = series
            .placed()
            .map(|m| (frame.x(m.x), frame.y(m.score)))
            .collect();
        items.push(Item::Line {
            points,
            ink: ink.with_opacity(0.6),
            width: style.hair(),
            dash: Some((0.25 * em, 0.25 * em)),
        });
    }
    let many = series.marks.len() > 40;
    for m in &series.marks {
        let x = frame.x(m.x);
        if let (Some(a), Some(b)) = (m.lower, m.upper) {
            items.push(line(
                vec![(x, frame.y(a)), (x, frame.y(b))],
                ink.with_opacity(if many { 0.35 } else { 1.0 }),
                style.hair() * 1.2,
            ));
        }
    }
    for m in &series.marks {
        items.push(Item::Dot {
            at: (frame.x(m.x), frame.y(m.score)),
            radius: if many { 0.22 * em } else { 0.34 * em },
            shape,
            ink,
        });
    }
}

/// The distinct chance levels of a panel.
fn chance_lines(panel: &Panel<'_>) -> Vec<f64> {
    let mut chances: Vec<f64> = panel
        .series
        .iter()
        .filter_map(|s| s.verdict.chance)
        .filter(|c| c.is_finite())
        .collect();
    chances.sort_by(f64::total_cmp);
    chances.dedup_by(|a, b| (*a - *b).abs() < 1e-9);
    chances
}

/// The word at the chance line, at the first place where it covers no point.
fn chance_label(style: &Style<'_>, panel: &Panel<'_>, frame: &Frame, chance: f64) -> Item {
    let em = style.em;
    let size = 0.75;
    let width = style.font.width("chance", size * em);
    let y = frame.y(chance);
    let (over, under) = (y - 0.3 * em, y + 0.9 * em);
    let (start, end) = (frame.left + 0.3 * em, frame.right - 0.2 * em - width);
    let middle = (start + end) / 2.0;
    let covered = |x: f64, base: f64| -> usize {
        let hits = |m: &Mark| {
            let (mx, pad) = (frame.x(m.x), 0.4 * em);
            let top = frame.y(m.upper.unwrap_or(m.score)) - pad;
            let bottom = frame.y(m.lower.unwrap_or(m.score)) + pad;
            mx > x - pad && mx < x + width + pad && bottom > base - 0.7 * em && top < base
        };
        let points = panel
            .series
            .iter()
            .flat_map(|s| &s.marks)
            .filter(|m| hits(m));
        points.count()
    };
    let places = [end, start, middle]
        .into_iter()
        .flat_map(|x| [(x, over), (x, under)])
        .filter(|&(_, base)| base < frame.bottom && base - 0.7 * em > frame.top);
    let (x, base) = places
        .min_by_key(|&(x, base)| covered(x, base))
        .unwrap_or((end, over));
    Item::Text(Label {
        at: (x, base),
        text: "chance".to_owned(),
        size: size * em,
        anchor: Anchor::Start,
        ink: QUIET,
        vertical: false,
        rim: true,
    })
}

struct Legend {
    items: Vec<Item>,
    height: f64,
}

/// Families with their colours, then what each mark means, wrapped to the width.
fn legend(
    style: &Style<'_>,
    palette: &Palette,
    families: &BTreeSet<&Text>,
    panels: &[Panel<'_>],
    width: f64,
) -> Legend {
    let em = style.em;
    let size = 0.85;
    type Key<'k> = Box<dyn Fn(f64, f64) -> Vec<Item> + 'k>;
    let mut entries: Vec<(String, Key<'_>)> = Vec::new();
    for &family in families {
        let ink = Ink::solid(COLORS[palette.color(family)]);
        let shape = palette.shape(family);
        let hair = style.hair();
        entries.push((
            family.to_string(),
            Box::new(move |x, y| {
                vec![
                    line(
                        vec![(x + 0.8 * em, y - 0.55 * em), (x + 0.8 * em, y + 0.55 * em)],
                        ink,
                        hair * 1.2,
                    ),
                    Item::Dot {
                        at: (x + 0.8 * em, y),
                        radius: 0.34 * em,
                        shape,
                        ink,
                    },
                ]
            }),
        ));
    }
    let series = || panels.iter().flat_map(|p| &p.series);
    if series().any(|s| s.marks.iter().any(|m| m.lower.is_some())) {
        let hair = style.hair();
        entries.push((
            "95% interval".to_owned(),
            Box::new(move |x, y| {
                vec![line(
                    vec![(x + 0.8 * em, y - 0.55 * em), (x + 0.8 * em, y + 0.55 * em)],
                    QUIET,
                    hair * 1.2,
                )]
            }),
        ));
    }
    if series().any(|s| s.fit.len() > 1) {
        entries.push((
            "fitted curve".to_owned(),
            Box::new(move |x, y| vec![line(vec![(x, y), (x + 1.6 * em, y)], QUIET, 0.16 * em)]),
        ));
    }
    if series().any(|s| s.threshold.is_some()) {
        entries.push((
            "threshold, certified to lie here".to_owned(),
            Box::new(move |x, y| {
                vec![rectangle(
                    x,
                    y - 0.5 * em,
                    x + 1.6 * em,
                    y + 0.5 * em,
                    QUIET.with_opacity(0.22),
                )]
            }),
        ));
    }
    let mut items = Vec::new();
    let (mut x, mut y) = (0.8 * em, 0.9 * em);
    for (text, key) in entries {
        let text = style.font.fit(&text, size * em, width - 4.0 * em);
        let needed = 2.1 * em + style.font.width(&text, size * em) + 1.6 * em;
        if x + needed > width && x > 0.8 * em {
            x = 0.8 * em;
            y += 1.6 * em;
        }
        items.extend(key(x, y));
        items.push(style.text((x + 2.1 * em, y + 0.3 * em), text, size, Anchor::Start, INK));
        x += needed;
    }
    Legend {
        items,
        height: y + 1.1 * em,
    }
}

fn shift_down(item: Item, dy: f64) -> Item {
    let shift = |points: Vec<(f64, f64)>| points.into_iter().map(|(x, y)| (x, y + dy)).collect();
    match item {
        Item::Line {
            points,
            ink,
            width,
            dash,
        } => Item::Line {
            points: shift(points),
            ink,
            width,
            dash,
        },
        Item::Area { points, ink } => Item::Area {
            points: shift(points),
            ink,
        },
        Item::Dot {
            at,
            radius,
            shape,
            ink,
        } => Item::Dot {
            at: (at.0, at.1 + dy),
            radius,
            shape,
            ink,
        },
        Item::Text(label) => Item::Text(Label {
            at: (label.at.0, label.at.1 + dy),
            ..label
        }),
        Item::Group {
            name,
            description,
            items,
        } => Item::Group {
            name,
            description,
            items: items.into_iter().map(|i| shift_down(i, dy)).collect(),
        },
    }
}
