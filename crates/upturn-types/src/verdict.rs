//! Verdicts: what a curve shows, with its evidence and what would decide what it does not show.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    Abruptness, Axis, Breakthrough, CurveComparison, CurveId, CurveKey, Interval, KinkTest,
    PointEvidence, Resolution, Scale, Sharpness, Text, Trend, View,
};

/// The shape of a curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Near-random, then certified substantially above: the pattern of Wei et al.
    Emergent,
    /// Certified near-random, then certified above, but not substantially yet.
    WeakOnset,
    /// Learned during the training of one model.
    AcquiredDuringTraining,
    /// Rises without a certified near-random part, or gradually.
    Smooth,
    /// At the ceiling throughout.
    Saturated,
    /// No change over scale.
    Flat,
    /// Falls with scale.
    Inverse,
    /// Falls, then rises.
    UShaped,
    /// Rises and falls otherwise.
    NonMonotone,
    /// Undecided: the data cannot tell.
    InsufficientData,
}

impl Shape {
    /// All shapes, in the order of tables.
    pub const ALL: [Shape; 10] = [
        Shape::Emergent,
        Shape::WeakOnset,
        Shape::AcquiredDuringTraining,
        Shape::Smooth,
        Shape::Saturated,
        Shape::Flat,
        Shape::Inverse,
        Shape::UShaped,
        Shape::NonMonotone,
        Shape::InsufficientData,
    ];

    /// The word used in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Shape::Emergent => "emergent",
            Shape::WeakOnset => "weak_onset",
            Shape::AcquiredDuringTraining => "acquired_during_training",
            Shape::Smooth => "smooth",
            Shape::Saturated => "saturated",
            Shape::Flat => "flat",
            Shape::Inverse => "inverse",
            Shape::UShaped => "u_shaped",
            Shape::NonMonotone => "non_monotone",
            Shape::InsufficientData => "insufficient_data",
        }
    }

    /// The four answers and the honest fifth.
    #[must_use]
    pub fn class(self) -> VerdictClass {
        match self {
            Shape::Emergent | Shape::WeakOnset => VerdictClass::Emergent,
            Shape::AcquiredDuringTraining => VerdictClass::Acquired,
            Shape::Smooth | Shape::Saturated => VerdictClass::Smooth,
            Shape::Flat => VerdictClass::Flat,
            Shape::Inverse | Shape::UShaped | Shape::NonMonotone => VerdictClass::Inverse,
            Shape::InsufficientData => VerdictClass::Undecided,
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Shapes grouped as the question is asked: emergent, smooth, flat, inverse or undecided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictClass {
    /// `emergent`, `weak_onset`.
    Emergent,
    /// `acquired_during_training`: learned along one run, which every learned task is.
    Acquired,
    /// `smooth`, `saturated`.
    Smooth,
    /// `flat`.
    Flat,
    /// `inverse`, `u_shaped`, `non_monotone`: not improving throughout.
    Inverse,
    /// `insufficient_data`.
    Undecided,
}

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$vmeta])* #[serde(rename = $word)] $variant,)*
        }

        impl $name {
            /// All values.
            pub const ALL: &'static [$name] = &[$($name::$variant),*];

            /// The word used in files.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $word,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }
    };
}

words! {
    /// Why a shape is what it is: for `insufficient_data` what is missing, for `flat` which kind.
    Reason {
        /// Neither n nor a standard error is known.
        NUnknown = "n_unknown",
        /// Chance is unknown.
        ChanceUnknown = "chance_unknown",
        /// An unbounded metric: there is no floor to be near.
        NoFloor = "no_floor",
        /// Fewer than four distinct scales.
        TooFewScales = "too_few_scales",
        /// The scales span too little.
        SpanTooShort = "span_too_short",
        /// All models are below chance: a parse failure or a wrong floor.
        BelowChance = "below_chance",
        /// Near-random small models are certified, no large model is certified above.
        OnsetNotSubstantial = "onset_not_substantial",
        /// Only one near-random model is certified.
        PlateauTooShort = "plateau_too_short",
        /// Too few items to certify chance.
        NTooSmall = "n_too_small",
        /// No small model is certified near-random.
        PlateauUnresolved = "plateau_unresolved",
        /// No difference can be certified at all.
        Unresolved = "unresolved",
        /// Flat: all models are certified near-random.
        RandomThroughout = "random throughout",
        /// The scale of the models is unknown on every axis.
        ScaleUnknown = "scale_unknown",
        /// A composite or mixed metric: shown, never judged.
        Composite = "composite",
    }
}

words! {
    /// Attributes of a shape.
    Attribute {
        /// The onset is steeper than four times the slope before it.
        Abrupt = "abrupt",
        /// Whether the onset is abrupt cannot be told.
        AbruptnessUnresolved = "abruptness_unresolved",
        /// The onset is gradual.
        GradualOnset = "gradual_onset",
        /// Some model above the threshold is exceeded by a smaller one.
        DipAboveThreshold = "dip_above_threshold",
        /// Flat, and certified above chance throughout.
        ConstantAboveChance = "constant_above_chance",
        /// A rise with a small drop in it.
        LocalDip = "local_dip",
        /// Rises off the floor within the certified part.
        FromFloor = "from_floor",
        /// Rises, then falls.
        InvertedU = "inverted_u",
        /// The mean over the models below the threshold is certified near-random.
        PlateauPooled = "plateau_pooled",
    }
}

/// Something the reader should know before quoting a verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Caveat {
    /// The threshold interval is wider than `decades`: no model was measured inside it.
    NoModelNearThreshold {
        /// Width of the interval on the verdict's axis.
        decades: f64,
    },
    /// n is not from the source.
    NAssumed {
        /// How it is known.
        known: crate::Known,
        /// The number.
        n: u64,
    },
    /// Chance is not from the source.
    ChanceAssumed {
        /// The floor used.
        chance: f64,
    },
    /// n is too small to certify chance.
    NTooSmallForChance {
        /// Items.
        n: u64,
        /// Items needed.
        needed: Option<u64>,
    },
    /// One training run per scale: seed variance is not in the intervals.
    SingleRunPerScale,
    /// FLOPs are partly or wholly derived as 6ND.
    FlopsDerived,
    /// FLOPs are unknown for some members: the family is read on another axis.
    AxisFallback {
        /// The axis used.
        axis: Axis,
    },
    /// Members left out, with the reason.
    MembersLeftOut {
        /// Model names.
        models: Vec<Text>,
        /// Why.
        why: Text,
    },
    /// The members' last checkpoints are at different steps.
    UnequalTraining {
        /// Smallest and largest last step.
        steps: (u64, u64),
    },
    /// An average of parts that are analysed too; not counted twice.
    Aggregate,
    /// Another source reports the same models differently.
    SourcesDisagree {
        /// The other source.
        source: Text,
        /// Largest absolute difference.
        difference: f64,
    },
    /// A doubt recorded by the source.
    Doubt {
        /// Its words.
        note: Text,
    },
    /// Some scores are below chance: answers may not have been parsed.
    BelowChanceScores {
        /// How many models.
        models: usize,
    },
    /// The number of shots is known only for the largest size.
    ShotsAtLargest,
    /// The shape with every member put back, where it differs.
    ShapeWithAll {
        /// The shape with every member in.
        shape: Shape,
    },
    /// The shape without members that are unlike the rest, where it differs.
    ShapeWithout {
        /// Model names.
        models: Vec<Text>,
        /// What sets them apart (a flag: `moe`, `code`, `instruct`).
        why: Text,
        /// The shape without them.
        shape: Shape,
    },
}

/// What would decide an undecided curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Need {
    /// State n, or a standard error, for the scores.
    ReportN,
    /// State the chance level.
    StateChance,
    /// State the scale of the models.
    StateScale,
    /// More items per model.
    MoreItems {
        /// Items now (the smallest).
        now: Option<u64>,
        /// Items that would do.
        needed: u64,
        /// What for.
        purpose: Text,
    },
    /// A model between two scales.
    ModelBetween {
        /// Lower end, raw on `axis`.
        lower: f64,
        /// Upper end, raw on `axis`.
        upper: f64,
        /// The axis.
        axis: Axis,
    },
    /// A model smaller than the smallest.
    SmallerModel {
        /// The smallest now, raw on `axis`.
        than: f64,
        /// The axis.
        axis: Axis,
    },
    /// A model larger than the largest.
    LargerModel {
        /// The largest now, raw on `axis`.
        than: f64,
        /// The axis.
        axis: Axis,
    },
    /// More distinct scales.
    MoreScales {
        /// Scales now.
        now: usize,
        /// Scales needed.
        needed: usize,
    },
    /// Look at the answers: scores are below chance.
    InspectAnswers,
}

/// The certified interval of the onset: with confidence ≥ 1 − 2α the score stays
/// above chance + δ from somewhere in (lower, upper].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// Length of the near-random run from the smallest model.
    pub n_near: usize,
    /// Length of the above run from the largest model.
    pub n_above: usize,
    /// Lower end on the verdict's axis (coordinate x); `None` is −∞ or unknown.
    pub lower: Option<f64>,
    /// Upper end on the verdict's axis (coordinate x); `None` is +∞ or unknown.
    pub upper: Option<f64>,
    /// Point estimate: the hinge τ̂ if inside the interval, else the midpoint.
    pub point: Option<f64>,
    /// Model at the lower end.
    pub lower_model: Option<Text>,
    /// Model at the upper end.
    pub upper_model: Option<Text>,
    /// Training steps at the ends, for trajectories.
    pub lower_step: Option<u64>,
    /// Training step at the upper end.
    pub upper_step: Option<u64>,
    /// Scale at the lower end, on every axis known.
    pub lower_scale: Scale,
    /// Scale at the upper end, on every axis known.
    pub upper_scale: Scale,
    /// Confidence of the interval.
    pub confidence_level: f64,
}

impl Threshold {
    /// Whether anything at all is certified.
    #[must_use]
    pub fn is_certified(&self) -> bool {
        self.n_near > 0 || self.n_above > 0
    }

    /// Whether both ends are certified.
    #[must_use]
    pub fn is_bounded(&self) -> bool {
        self.n_near > 0 && self.n_above > 0
    }
}

/// A score at one end of a curve or of its threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoreAt {
    /// Model.
    pub model: Text,
    /// Step, for trajectories.
    pub checkpoint_step: Option<u64>,
    /// Score, larger is better.
    pub score: f64,
    /// Items.
    pub n: Option<u64>,
    /// Its 95% interval.
    pub interval: Option<Interval>,
}

/// One curve read in one view on one axis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The curve.
    pub curve: CurveId,
    /// Its key.
    pub key: CurveKey,
    /// The direction in which it is read.
    pub view: View,
    /// The axis.
    pub axis: Axis,
    /// Shape.
    pub shape: Shape,
    /// Reason.
    pub reason: Option<Reason>,
    /// What the data point to where they are too few to decide.
    pub candidate: Option<Shape>,
    /// Attributes.
    pub attributes: Vec<Attribute>,
    /// Models (or checkpoints) judged.
    pub n_models: usize,
    /// Distinct scales among them.
    pub n_scales: usize,
    /// Smallest and largest n.
    pub n_items: Option<(u64, u64)>,
    /// Chance floor c.
    pub chance: Option<f64>,
    /// Ceiling u.
    pub ceiling: Option<f64>,
    /// Near-random margin δ, in score.
    pub near_margin: Option<f64>,
    /// Substantial margin Δ, in score.
    pub substantial_margin: Option<f64>,
    /// Level α.
    pub alpha: f64,
    /// Certified onset, where anything is certified.
    pub threshold: Option<Threshold>,
    /// Score before: the last near-random model, else the smallest.
    pub before: Option<ScoreAt>,
    /// Score after: the first model certified above, else the largest.
    pub after: Option<ScoreAt>,
    /// The largest model's score.
    pub largest: Option<ScoreAt>,
    /// Tests per model, in order of scale.
    pub points: Vec<PointEvidence>,
    /// p of "the largest model is not above chance + δ"; the evidence by which lists are sorted.
    pub p: Option<f64>,
    /// p adjusted over the list by Benjamini–Hochberg.
    pub p_bh: Option<f64>,
    /// p adjusted over the list by Benjamini–Yekutieli.
    pub p_by: Option<f64>,
    /// What n can show.
    pub resolution: Option<Resolution>,
    /// Trend helpers.
    pub trend: Trend,
    /// Abruptness test, where the onset is certified.
    pub abruptness: Option<Abruptness>,
    /// Curve fits.
    pub fits: Option<CurveComparison>,
    /// Pointwise 95% band of the best fit, for drawing: (x, lower, upper).
    pub band: Vec<(f64, f64, f64)>,
    /// Kink test.
    pub kink: Option<KinkTest>,
    /// Sharpness.
    pub sharpness: Option<Sharpness>,
    /// Linearity and breakthroughness.
    pub breakthrough: Option<Breakthrough>,
    /// What to know before quoting it.
    pub caveats: Vec<Caveat>,
    /// What would decide it.
    pub needs: Vec<Need>,
}

impl Verdict {
    /// Shape with its reason, as shown: `insufficient_data(n_unknown)`.
    #[must_use]
    pub fn shape_name(&self) -> String {
        match self.reason {
            Some(reason) => format!("{}({reason})", self.shape),
            None => self.shape.to_string(),
        }
    }
}
