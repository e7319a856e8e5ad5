//! The embedded font of the figures: widths for layout, outlines for pixels.

use tiny_skia::{Path, PathBuilder, Transform};
use ttf_parser::{Face, OutlineBuilder};

static BYTES: &[u8] = include_bytes!("../fonts/DejaVuSansCondensed-subset.ttf");

/// The families an SVG asks for: ours first, then faces that are no wider.
pub const SVG_FAMILIES: &str = "'DejaVu Sans Condensed','Arial','Helvetica',sans-serif";

/// The embedded font.
pub struct Font {
    /// `None` only if the embedded bytes were no font, which a test rules out.
    face: Option<Face<'static>>,
}

struct Builder {
    path: PathBuilder,
    scale: f32,
    dx: f32,
}

impl Builder {
    fn at(&self, x: f32, y: f32) -> (f32, f32) {
        (self.dx + x * self.scale, -y * self.scale)
    }
}

impl OutlineBuilder for Builder {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.path.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.path.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ((x1, y1), (x, y)) = (self.at(x1, y1), self.at(x, y));
        self.path.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ((x1, y1), (x2, y2), (x, y)) = (self.at(x1, y1), self.at(x2, y2), self.at(x, y));
        self.path.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.path.close();
    }
}

impl Font {
    /// Loads the embedded font.
    #[must_use]
    pub fn load() -> Font {
        Font {
            face: Face::parse(BYTES, 0).ok(),
        }
    }

    fn glyphs(&self, text: &str) -> Vec<(ttf_parser::GlyphId, f64)> {
        let Some(face) = &self.face else {
            return Vec::new();
        };
        let em = f64::from(face.units_per_em());
        text.chars()
            .filter_map(|c| face.glyph_index(c).or_else(|| face.glyph_index('\u{fffd}')))
            .map(|id| (id, f64::from(face.glyph_hor_advance(id).unwrap_or(0)) / em))
            .collect()
    }

    /// Width of `text` at `size`, in its unit.
    #[must_use]
    pub fn width(&self, text: &str, size: f64) -> f64 {
        self.glyphs(text).iter().map(|(_, w)| w).sum::<f64>() * size
    }

    /// `text` cut with an ellipsis so that it is no wider than `width`.
    #[must_use]
    pub fn fit(&self, text: &str, size: f64, width: f64) -> String {
        if self.width(text, size) <= width {
            return text.to_owned();
        }
        let mut room = width - self.width("…", size);
        let mut out = String::new();
        for c in text.chars() {
            room -= self.width(c.encode_utf8(&mut [0; 4]), size);
            if room < 0.0 {
                break;
            }
            out.push(c);
        }
        out.truncate(out.trim_end().len());
        out.push('…');
        out
    }

    /// The outline of `text` with its baseline starting at the origin, moved by `place`.
    #[must_use]
    pub fn outline(&self, text: &str, size: f64, place: Transform) -> Option<Path> {
        let face = self.face.as_ref()?;
        let mut builder = Builder {
            path: PathBuilder::new(),
            scale: (size / f64::from(face.units_per_em())) as f32,
            dx: 0.0,
        };
        for (id, advance) in self.glyphs(text) {
            // A blank has no outline; its advance still counts.
            let _blank = face.outline_glyph(id, &mut builder);
            builder.dx += (advance * size) as f32;
        }
        builder.path.finish()?.transform(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_font_knows_every_sign_of_a_figure() {
        let font = Font::load();
        let face = font.face.as_ref().expect("the embedded bytes are a font");
        for c in "Az09 ⁰¹²³⁴⁵⁶⁷⁸⁹⁻–−≤≥→·…×δΔ�".chars() {
            assert!(face.glyph_index(c).is_some(), "no glyph for {c}");
        }
        assert!(font.width("mm", 10.0) > font.width("ii", 10.0));
    }

    #[test]
    fn long_titles_are_cut_to_their_room() {
        let font = Font::load();
        let cut = font.fit("a very long name of a task indeed", 10.0, 60.0);
        assert!(cut.ends_with('…'));
        assert!(font.width(&cut, 10.0) <= 60.0);
        assert_eq!(font.fit("short", 10.0, 60.0), "short");
    }
}
