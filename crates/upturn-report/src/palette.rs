//! Colours of families: the Okabe–Ito set, distinct to colour-blind readers, the same family alike everywhere.

use std::collections::{BTreeMap, BTreeSet};

use upturn_types::{Analysis, Text};

/// The set of Okabe and Ito (2008) without yellow and black, the darkest on white first.
pub const COLORS: [[u8; 3]; 6] = [
    [0x00, 0x72, 0xb2],
    [0xd5, 0x5e, 0x00],
    [0x00, 0x9e, 0x73],
    [0xcc, 0x79, 0xa7],
    [0xe6, 0x9f, 0x00],
    [0x56, 0xb4, 0xe9],
];

/// Shapes of points, which go on where colours repeat.
pub const SHAPES: usize = 3;

/// The slot of each family of an analysis, in alphabetical order.
pub struct Palette(BTreeMap<Text, usize>);

impl Palette {
    /// The palette of `analysis`: it depends on all its families, not on those drawn.
    #[must_use]
    pub fn new(analysis: &Analysis) -> Palette {
        let families: BTreeSet<&Text> = analysis
            .curves
            .iter()
            .map(|c| &c.key.family)
            .chain(analysis.verdicts.iter().map(|v| &v.key.family))
            .collect();
        Palette(
            families
                .into_iter()
                .enumerate()
                .map(|(i, f)| (f.clone(), i))
                .collect(),
        )
    }

    /// The palette for a figure of a few `families`: each keeps its slot of the analysis, unless
    /// two would look alike; then the later one moves to the next free slot.
    #[must_use]
    pub fn of(analysis: &Analysis, families: &BTreeSet<&Text>) -> Palette {
        let all = Palette::new(analysis);
        let mut taken: BTreeSet<usize> = BTreeSet::new();
        let mut slots = BTreeMap::new();
        for &family in families {
            let home = all.color(family);
            // Colours first, then colours again with the next shape.
            let slot = (0..COLORS.len() * SHAPES)
                .map(|i| (home + i) % COLORS.len() + i / COLORS.len() * COLORS.len())
                .find(|slot| !taken.contains(slot))
                .unwrap_or(home);
            taken.insert(slot);
            slots.insert(family.clone(), slot);
        }
        Palette(slots)
    }

    /// Index into [`COLORS`] of a family.
    #[must_use]
    pub fn color(&self, family: &Text) -> usize {
        self.0.get(family).map_or(0, |i| i % COLORS.len())
    }

    /// Shape of the points of a family, below [`SHAPES`].
    #[must_use]
    pub fn shape(&self, family: &Text) -> usize {
        self.0
            .get(family)
            .map_or(0, |i| (i / COLORS.len()) % SHAPES)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use upturn_types::{AnalysisConfig, Provenance};

    use super::*;

    #[test]
    fn families_of_one_figure_never_look_alike_while_slots_last() {
        let analysis = Analysis {
            format_version: 1,
            provenance: Provenance::default(),
            config: AnalysisConfig::default(),
            curves: Vec::new(),
            verdicts: Vec::new(),
            counts: Vec::new(),
            spread: None,
            tasks: Vec::new(),
            sensitivity: Vec::new(),
            conflicts: Vec::new(),
            references: Vec::new(),
            counterexamples: Default::default(),
            across: Default::default(),
            agreement: Vec::new(),
            artefacts: Vec::new(),
            methods: Vec::new(),
            backtests: Vec::new(),
            diagnostics: Vec::new(),
        };
        let names: Vec<Text> = (0..COLORS.len() * SHAPES)
            .map(|i| Arc::from(format!("family {i:02}")))
            .collect();
        let families: BTreeSet<&Text> = names.iter().collect();
        let palette = Palette::of(&analysis, &families);
        let looks: BTreeSet<(usize, usize)> = names
            .iter()
            .map(|f| (palette.color(f), palette.shape(f)))
            .collect();
        assert_eq!(looks.len(), names.len());
        // The first six differ in colour alone.
        let colors: BTreeSet<usize> = names[..6].iter().map(|f| palette.color(f)).collect();
        assert_eq!(colors.len(), 6);
    }
}
