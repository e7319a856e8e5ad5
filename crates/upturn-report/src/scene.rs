//! A figure as a list of marks in pixels, drawn alike as SVG and as PNG.

use std::fmt::Write;

use tiny_skia::{
    FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, Stroke, StrokeDash, Transform,
};

use crate::font::Font;
use crate::names::visible;
use crate::{ReportError, font};

/// A colour with its opacity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ink {
    /// Red, green, blue.
    pub rgb: [u8; 3],
    /// 0 (clear) to 1.
    pub opacity: f32,
}

impl Ink {
    /// A solid colour.
    #[must_use]
    pub const fn solid(rgb: [u8; 3]) -> Ink {
        Ink { rgb, opacity: 1.0 }
    }

    /// The colour at an opacity.
    #[must_use]
    pub const fn with_opacity(self, opacity: f32) -> Ink {
        Ink {
            rgb: self.rgb,
            opacity,
        }
    }

    fn hex(self) -> String {
        let [r, g, b] = self.rgb;
        format!("#{r:02x}{g:02x}{b:02x}")
    }
}

/// Where a text stands in relation to its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// It starts there.
    Start,
    /// Its middle is there.
    Middle,
    /// It ends there.
    End,
}

/// A text.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// Place of the baseline.
    pub at: (f64, f64),
    /// Words.
    pub text: String,
    /// Size in pixels.
    pub size: f64,
    /// Anchor.
    pub anchor: Anchor,
    /// Colour.
    pub ink: Ink,
    /// Reads upwards.
    pub vertical: bool,
    /// Stands on a white rim, so that marks below do not cross it.
    pub rim: bool,
}

/// One mark.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// A line through points.
    Line {
        /// Points.
        points: Vec<(f64, f64)>,
        /// Colour.
        ink: Ink,
        /// Width in pixels.
        width: f64,
        /// Lengths of dash and gap; `None` for a solid line.
        dash: Option<(f64, f64)>,
    },
    /// A filled shape.
    Area {
        /// Corners.
        points: Vec<(f64, f64)>,
        /// Colour.
        ink: Ink,
    },
    /// A point: circle, square or triangle, with a white rim.
    Dot {
        /// Middle.
        at: (f64, f64),
        /// Radius in pixels.
        radius: f64,
        /// 0 circle, 1 square, 2 triangle.
        shape: usize,
        /// Colour.
        ink: Ink,
    },
    /// A text.
    Text(Label),
    /// Items that belong together, with a name for readers that do not see them.
    Group {
        /// Name.
        name: String,
        /// What it shows.
        description: String,
        /// Items.
        items: Vec<Item>,
    },
}

/// A figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Name of the whole.
    pub name: String,
    /// Marks, the lowest first.
    pub items: Vec<Item>,
}

/// Most pixels of an image: 400 MB while it is drawn.
const MAX_PIXELS: u64 = 100_000_000;

const WHITE: Ink = Ink::solid([0xff; 3]);

/// `text` with what XML and HTML would read as markup escaped, and control characters,
/// which no XML text may hold, replaced.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// A coordinate with at most one decimal, without a trailing zero.
#[must_use]
pub fn coordinate(value: f64) -> String {
    let rounded = (value * 10.0).round() / 10.0;
    if rounded == rounded.trunc() {
        format!("{:.0}", rounded + 0.0)
    } else {
        format!("{rounded:.1}")
    }
}

fn path_data(points: &[(f64, f64)]) -> String {
    let mut out = String::new();
    for (i, (x, y)) in points.iter().enumerate() {
        out.push(if i == 0 { 'M' } else { 'L' });
        out.push_str(&coordinate(*x));
        out.push(' ');
        out.push_str(&coordinate(*y));
    }
    out
}

fn corners(at: (f64, f64), radius: f64, shape: usize) -> Vec<(f64, f64)> {
    let (x, y) = at;
    if shape == 1 {
        let r = radius * 0.88;
        vec![
            (x - r, y - r),
            (x + r, y - r),
            (x + r, y + r),
            (x - r, y + r),
        ]
    } else {
        let r = radius * 1.2;
        vec![
            (x, y - r),
            (x + r * 0.95, y + r * 0.7),
            (x - r * 0.95, y + r * 0.7),
        ]
    }
}

fn rim_width(radius: f64) -> f64 {
    (radius * 0.25).max(0.5)
}

impl Scene {
    /// The scene as an SVG document.
    #[must_use]
    pub fn svg(&self) -> String {
        let (w, h) = (self.width, self.height);
        let mut out = String::new();
        let name = escape(&self.name);
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" \
             viewBox=\"0 0 {w} {h}\" role=\"img\" aria-label=\"{name}\" \
             font-family=\"{}\"><title>{name}</title>\
             <rect width=\"{w}\" height=\"{h}\" fill=\"#fff\"/>",
            font::SVG_FAMILIES
        );
        out.push('\n');
        for item in &self.items {
            write_svg(item, &mut out);
        }
        out.push_str("</svg>\n");
        out
    }

    /// The scene as a PNG image.
    ///
    /// # Errors
    ///
    /// When there is no memory for an image of this size, or it cannot be encoded.
    pub fn png(&self) -> Result<Vec<u8>, ReportError> {
        if u64::from(self.width) * u64::from(self.height) > MAX_PIXELS {
            return Err(ReportError::Size {
                width_px: self.width,
                height_px: self.height,
                why: "an image may have at most 100 million pixels",
            });
        }
        let mut pixels = Pixmap::new(self.width, self.height).ok_or(ReportError::Size {
            width_px: self.width,
            height_px: self.height,
            why: "no image can be that large",
        })?;
        pixels.fill(tiny_skia::Color::WHITE);
        let font = Font::load();
        for item in &self.items {
            paint(item, &font, &mut pixels);
        }
        pixels
            .encode_png()
            .map_err(|e| ReportError::Encode(e.to_string()))
    }
}

fn opacity_attribute(name: &str, ink: Ink) -> String {
    if ink.opacity < 1.0 {
        format!(
            " {name}-opacity=\"{}\"",
            (ink.opacity * 100.0).round() / 100.0
        )
    } else {
        String::new()
    }
}

fn write_svg(item: &Item, out: &mut String) {
    let _ = match item {
        Item::Line {
            points,
            ink,
            width,
            dash,
        } => {
            let dash = dash.map_or_else(String::new, |(a, b)| {
                format!(" stroke-dasharray=\"{} {}\"", coordinate(a), coordinate(b))
            });
            writeln!(
                out,
                "<path d=\"{}\" fill=\"none\" stroke=\"{}\"{} stroke-width=\"{}\" stroke-linejoin=\"round\"{dash}/>",
                path_data(points),
                ink.hex(),
                opacity_attribute("stroke", *ink),
                coordinate(*width),
            )
        }
        Item::Area { points, ink } => writeln!(
            out,
            "<path d=\"{}Z\" fill=\"{}\"{}/>",
            path_data(points),
            ink.hex(),
            opacity_attribute("fill", *ink)
        ),
        Item::Dot {
            at,
            radius,
            shape,
            ink,
        } => {
            let rim = format!(
                "fill=\"{}\" stroke=\"#fff\" stroke-width=\"{}\"",
                ink.hex(),
                coordinate(rim_width(*radius))
            );
            if *shape == 0 {
                writeln!(
                    out,
                    "<circle cx=\"{}\" cy=\"{}\" r=\"{}\" {rim}/>",
                    coordinate(at.0),
                    coordinate(at.1),
                    coordinate(*radius)
                )
            } else {
                writeln!(
                    out,
                    "<path d=\"{}Z\" {rim}/>",
                    path_data(&corners(*at, *radius, *shape))
                )
            }
        }
        Item::Text(label) => {
            let (x, y) = (coordinate(label.at.0), coordinate(label.at.1));
            let anchor = match label.anchor {
                Anchor::Start => "",
                Anchor::Middle => " text-anchor=\"middle\"",
                Anchor::End => " text-anchor=\"end\"",
            };
            let turn = if label.vertical {
                format!(" transform=\"rotate(-90 {x} {y})\"")
            } else {
                String::new()
            };
            let rim = if label.rim {
                format!(
                    " stroke=\"#fff\" stroke-width=\"{}\" stroke-linejoin=\"round\" paint-order=\"stroke\"",
                    coordinate(label.size * 0.3)
                )
            } else {
                String::new()
            };
            writeln!(
                out,
                "<text x=\"{x}\" y=\"{y}\" font-size=\"{}\"{anchor} fill=\"{}\"{rim}{turn}>{}</text>",
                coordinate(label.size),
                label.ink.hex(),
                escape(&label.text)
            )
        }
        Item::Group {
            name,
            description,
            items,
        } => {
            let _ = writeln!(
                out,
                "<g role=\"img\" aria-label=\"{0}\"><title>{0}</title><desc>{1}</desc>",
                escape(name),
                escape(description)
            );
            for item in items {
                write_svg(item, out);
            }
            writeln!(out, "</g>")
        }
    };
}

fn path_of(points: &[(f64, f64)], close: bool) -> Option<Path> {
    let mut builder = PathBuilder::new();
    for (i, &(x, y)) in points.iter().enumerate() {
        let (x, y) = (x as f32, y as f32);
        if i == 0 {
            builder.move_to(x, y);
        } else {
            builder.line_to(x, y);
        }
    }
    if close {
        builder.close();
    }
    builder.finish()
}

fn paint_of(ink: Ink) -> Paint<'static> {
    let [r, g, b] = ink.rgb;
    let mut paint = Paint {
        anti_alias: true,
        ..Paint::default()
    };
    paint.set_color_rgba8(r, g, b, (ink.opacity * 255.0).round() as u8);
    paint
}

fn stroke(pixels: &mut Pixmap, path: &Path, ink: Ink, width: f64, dash: Option<(f64, f64)>) {
    let stroke = Stroke {
        width: width as f32,
        line_join: LineJoin::Round,
        line_cap: LineCap::Butt,
        dash: dash.and_then(|(a, b)| StrokeDash::new(vec![a as f32, b as f32], 0.0)),
        ..Stroke::default()
    };
    pixels.stroke_path(path, &paint_of(ink), &stroke, Transform::identity(), None);
}

fn fill(pixels: &mut Pixmap, path: &Path, ink: Ink) {
    pixels.fill_path(
        path,
        &paint_of(ink),
        FillRule::Winding,
        Transform::identity(),
        None,
    );
}

fn paint(item: &Item, font: &Font, pixels: &mut Pixmap) {
    match item {
        Item::Line {
            points,
            ink,
            width,
            dash,
        } => {
            if let Some(path) = path_of(points, false) {
                stroke(pixels, &path, *ink, *width, *dash);
            }
        }
        Item::Area { points, ink } => {
            if let Some(path) = path_of(points, true) {
                fill(pixels, &path, *ink);
            }
        }
        Item::Dot {
            at,
            radius,
            shape,
            ink,
        } => {
            let path = if *shape == 0 {
                PathBuilder::from_circle(at.0 as f32, at.1 as f32, *radius as f32)
            } else {
                path_of(&corners(*at, *radius, *shape), true)
            };
            if let Some(path) = path {
                fill(pixels, &path, *ink);
                stroke(pixels, &path, WHITE, rim_width(*radius), None);
            }
        }
        Item::Text(label) => {
            let width = font.width(&label.text, label.size);
            let shift = match label.anchor {
                Anchor::Start => 0.0,
                Anchor::Middle => -width / 2.0,
                Anchor::End => -width,
            };
            let (x, y) = (label.at.0 as f32, label.at.1 as f32);
            let place = if label.vertical {
                Transform::from_row(0.0, -1.0, 1.0, 0.0, x, y - shift as f32)
            } else {
                Transform::from_translate(x + shift as f32, y)
            };
            if let Some(path) = font.outline(&label.text, label.size, place) {
                if label.rim {
                    stroke(pixels, &path, WHITE, label.size * 0.3, None);
                }
                fill(pixels, &path, label.ink);
            }
        }
        Item::Group { items, .. } => {
            for item in items {
                paint(item, font, pixels);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_names_stays_text() {
        assert_eq!(
            escape("<script>&'\"\u{1b}"),
            "&lt;script&gt;&amp;&#39;&quot;\u{fffd}"
        );
    }

    #[test]
    fn coordinates_are_short() {
        assert_eq!(coordinate(10.04), "10");
        assert_eq!(coordinate(-0.04), "0");
        assert_eq!(coordinate(3.25), "3.3");
        assert_eq!(coordinate(120.0), "120");
    }

    #[test]
    fn pixels_follow_the_marks() {
        let scene = Scene {
            width: 20,
            height: 20,
            name: "n".to_owned(),
            items: vec![Item::Area {
                points: vec![(0.0, 0.0), (10.0, 0.0), (10.0, 20.0), (0.0, 20.0)],
                ink: Ink::solid([0, 0, 0]),
            }],
        };
        let png = scene.png().expect("a small image");
        let pixels = Pixmap::decode_png(&png).expect("a PNG");
        let at = |x, y| pixels.pixel(x, y).map(|p| p.red());
        assert_eq!((at(3, 10), at(15, 10)), (Some(0), Some(255)));
    }
}
