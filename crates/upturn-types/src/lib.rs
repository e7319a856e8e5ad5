//! The records that every part of Upturn speaks in: measurements, curves, verdicts.
//!
//! This crate holds data and the small pure functions that belong to it. It
//! does no I/O and has no async runtime: readers live in `upturn-store`, the
//! statistics in `upturn-stats`, pictures in `upturn-report`.
//!
//! Units are in the names: `params` and `tokens` are counts, `flops` is a count
//! of floating-point operations (never a rate), losses are nats per token. A
//! value that is not known is `None`, never zero: step 0 of a training run has
//! truly seen 0 tokens.

mod across;
mod analysis;
mod artefact;
mod counterexample;
mod curve;
mod diagnostic;
mod evidence;
mod forecast;
mod lm;
mod measurement;
mod method;
mod plan;
mod python_float;
mod sample;
mod scale;
mod verdict;

pub use across::{
    AcrossTasks, AssociationTest, Concentration, LossAgainstMetric, LossSource, NobodyYet,
    ScaleNeeded, TaskTrait, ThresholdMass, TraitLevel, TraitQuestion,
};
pub use analysis::{
    Agreement, AgreementRow, Analysis, AnalysisConfig, Conflict, CountByShape, FamilyVerdict,
    Heterogeneity, Provenance, Sensitivity, TaskVerdict, ThresholdSpread,
};
pub use artefact::{
    ArtefactTest, ArtefactVerdict, Condition, ConditionName, GradedKink, LinkBasis, LinkPrediction,
    LinkTest, Outcome, PairedMetric, SmoothLoss, TaskLaw, ZeroScore,
};
pub use counterexample::{
    AxisDifference, AxisOrder, AxisRegression, Clustered, Counterexample, CounterexampleSide,
    CounterexampleTotal, CounterexampleTrait, Counterexamples, EqualSlopes, LabelledModel,
    TaskOrder, TaskSetting,
};
pub use curve::{Curve, CurveId, CurveKey, CurvePoint, View};
pub use diagnostic::{Diagnostic, Severity};
pub use evidence::{
    Abruptness, BreakpointInterval, Breakthrough, CurveComparison, CurveModel, Fit, Interval,
    KinkTest, KinkVerdict, Label, PointEvidence, Resolution, Sharpness, SharpnessClass, Trend,
};
pub use forecast::{
    Backtest, Baseline, BaselineErrors, CollapseTest, Coverage, CurveBacktest, CurveForecast,
    Design, ForecastErrors, ForecastScore, HashedInput, ObservationalForecast, ObservationalLaw,
    ObservationalPrediction, Predictability, Prediction, SavedForecast, TwoStepForecast,
};
pub use lm::{
    ChatMessage, Done, FinishReason, Flow, GenerateOptions, GenerateRequest, Generation,
    LanguageModel, LmError, Loglikelihood, LoglikelihoodRequest, RollingRequest, Work,
};
pub use measurement::{Known, Measurement, Text, flag};
pub use method::{
    ComputeGain, EffectTest, LogitDifference, MethodArm, MethodComparison, MethodEffect,
    MethodFamily, MethodKind, MethodScales, MethodVerdict, ThresholdShift,
};
pub use plan::{Plan, StoppingPlan};
pub use python_float::python_float;
pub use sample::{ChoiceScore, Sample, TargetScore};
pub use scale::{Axis, Scale};
pub use verdict::{
    Attribute, Caveat, Need, Reason, ScoreAt, Shape, Threshold, Verdict, VerdictClass,
};
