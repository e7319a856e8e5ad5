//! An analysis to draw and describe: GPT-3's few-shot scores as printed in Table H.1 of
//! Brown et al. 2020, and made-up curves for what those do not show.
//!
//! Labels, p-values and fits are typed in to look as an analysis would; they are input to
//! the reports, not results.

use upturn_types::*;

/// (name, params, FLOPs) of the eight models of GPT-3.
const GPT3: [(&str, f64, f64); 8] = [
    ("GPT-3 Small", 1.25e8, 2.25e20),
    ("GPT-3 Medium", 3.56e8, 6.41e20),
    ("GPT-3 Large", 7.6e8, 1.37e21),
    ("GPT-3 XL", 1.32e9, 2.38e21),
    ("GPT-3 2.7B", 2.65e9, 4.77e21),
    ("GPT-3 6.7B", 6.66e9, 1.2e22),
    ("GPT-3 13B", 1.285e10, 2.31e22),
    ("GPT-3 175B", 1.746e11, 3.14e23),
];

/// Wilson's 95% interval, close enough to look at.
fn wilson(score: f64, n: u64) -> Interval {
    let (n, z2) = (n as f64, 3.8415);
    let middle = (score + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = z2.sqrt() / (1.0 + z2 / n) * (score * (1.0 - score) / n + z2 / (4.0 * n * n)).sqrt();
    Interval {
        lower: Some((middle - half).max(0.0)),
        upper: Some((middle + half).min(1.0)),
        confidence_level: 0.95,
    }
}

/// What a fixture says about a curve; the rest follows.
pub struct Spec {
    pub family: &'static str,
    pub task: &'static str,
    pub shots: u32,
    pub chance: Option<f64>,
    pub n: Option<u64>,
    pub scores: Vec<f64>,
    pub models: Vec<(String, Option<u64>, Scale)>,
    pub view: View,
    pub shape: Shape,
    pub reason: Option<Reason>,
    pub attributes: Vec<Attribute>,
    pub near: usize,
    pub above: usize,
}

fn gpt3_models() -> Vec<(String, Option<u64>, Scale)> {
    GPT3.iter()
        .map(|(name, params, flops)| {
            let scale = Scale {
                params: Some(*params),
                tokens: Some(3e11),
                flops: Some(*flops),
                train_loss_nats: None,
            };
            ((*name).to_owned(), None, scale)
        })
        .collect()
}

fn gpt3(task: &'static str, shots: u32, chance: f64, n: u64, scores: [f64; 8]) -> Spec {
    Spec {
        family: "GPT-3",
        task,
        shots,
        chance: Some(chance),
        n: Some(n),
        scores: scores.to_vec(),
        models: gpt3_models(),
        view: View::Across,
        shape: Shape::InsufficientData,
        reason: None,
        attributes: Vec::new(),
        near: 0,
        above: 0,
    }
}

fn label(spec: &Spec, i: usize) -> Label {
    if spec.n.is_none() {
        Label::Untestable
    } else if i < spec.near {
        Label::Near
    } else if i + spec.above >= spec.scores.len() {
        Label::Above
    } else {
        Label::Unresolved
    }
}

/// The curve and verdict of `spec`.
pub fn build(spec: &Spec) -> (Curve, Verdict) {
    let key = CurveKey {
        family: spec.family.into(),
        tuning: None,
        task: spec.task.into(),
        subset: None,
        split: None,
        method: "direct".into(),
        shots: Some(spec.shots),
        filter: None,
        metric: "acc".into(),
        source: "Brown et al. 2020 arXiv:2005.14165 Table H.1".into(),
    };
    let points: Vec<CurvePoint> = spec
        .models
        .iter()
        .zip(&spec.scores)
        .map(|((model, step, scale), score)| CurvePoint {
            model: model.as_str().into(),
            checkpoint_step: *step,
            scale: *scale,
            flops_kind: scale.flops.map(|_| Known::Reported),
            value: *score,
            score: *score,
            stderr: None,
            n: spec.n,
            n_kind: spec.n.map(|_| Known::Reported),
            n_seeds: 1,
            flags: Vec::new(),
            note: None,
            left_out: None,
        })
        .collect();
    let evidence: Vec<PointEvidence> = points
        .iter()
        .enumerate()
        .map(|(i, p)| {
            let label = label(spec, i);
            PointEvidence {
                point: i,
                x: p.scale
                    .flops
                    .and_then(|f| Axis::Flops.coordinate(f))
                    .filter(|x| x.is_finite()),
                score: p.score,
                k: p.n.map(|n| (p.score * n as f64).round() as u64),
                n: p.n,
                interval: p.n.map(|n| wilson(p.score, n)),
                label,
                label_holm: label,
                p_chance: spec.chance.filter(|c| *c > 0.0).map(|_| 0.2),
                p_above: p
                    .n
                    .map(|_| if label == Label::Above { 3.2e-9 } else { 0.7 }),
                p_near: p
                    .n
                    .map(|_| if label == Label::Near { 1.4e-12 } else { 0.3 }),
                p_below: None,
            }
        })
        .collect();
    let n_points = points.len();
    let at = |i: usize| ScoreAt {
        model: points[i].model.clone(),
        checkpoint_step: points[i].checkpoint_step,
        score: points[i].score,
        n: points[i].n,
        interval: evidence[i].interval,
    };
    let end = |i: Option<usize>| i.map(|i| (&points[i], evidence[i].x));
    let lower = end(spec.near.checked_sub(1));
    let upper = end((spec.above > 0).then(|| n_points - spec.above));
    let threshold = (spec.near + spec.above > 0).then(|| Threshold {
        n_near: spec.near,
        n_above: spec.above,
        lower: lower.and_then(|(_, x)| x),
        upper: upper.and_then(|(_, x)| x),
        point: match (lower, upper) {
            (Some((_, Some(a))), Some((_, Some(b)))) => Some((a + b) / 2.0),
            _ => None,
        },
        lower_model: lower.map(|(p, _)| p.model.clone()),
        upper_model: upper.map(|(p, _)| p.model.clone()),
        lower_step: lower.and_then(|(p, _)| p.checkpoint_step),
        upper_step: upper.and_then(|(p, _)| p.checkpoint_step),
        lower_scale: lower.map(|(p, _)| p.scale).unwrap_or_default(),
        upper_scale: upper.map(|(p, _)| p.scale).unwrap_or_default(),
        confidence_level: 0.9,
    });
    let range = spec.chance.map(|c| 1.0 - c);
    let curve = Curve {
        id: key.id(),
        key: key.clone(),
        chance: spec.chance,
        chance_kind: spec.chance.map(|_| Known::Reported),
        ceiling: Some(1.0),
        flipped: false,
        binomial: true,
        aggregate: false,
        not_judged: None,
        points: points.clone(),
    };
    let verdict = Verdict {
        curve: key.id(),
        key,
        view: spec.view.clone(),
        axis: Axis::Flops,
        shape: spec.shape,
        reason: spec.reason,
        candidate: None,
        attributes: spec.attributes.clone(),
        n_models: n_points,
        n_scales: n_points,
        n_items: spec.n.map(|n| (n, n)),
        chance: spec.chance,
        ceiling: Some(1.0),
        near_margin: range.map(|r| 0.05 * r),
        substantial_margin: range.map(|r| 0.10 * r),
        alpha: 0.05,
        threshold,
        before: Some(at(spec.near.saturating_sub(1))),
        after: Some(at(n_points - spec.above.max(1))),
        largest: Some(at(n_points - 1)),
        points: evidence,
        p: spec.n.map(|_| if spec.above > 0 { 3.2e-9 } else { 0.7 }),
        p_bh: spec.n.map(|_| if spec.above > 0 { 9.6e-9 } else { 0.7 }),
        p_by: spec.n.map(|_| if spec.above > 0 { 1.7e-8 } else { 1.0 }),
        resolution: spec.n.map(|n| Resolution {
            n,
            k_above: 117,
            k_near: Some(84),
            near_power: if n > 1000 { 1.0 } else { 0.31 },
            detectable: 0.064,
            n_to_certify_chance: Some(if n > 1000 { 59 } else { 1082 }),
        }),
        trend: Trend {
            cochran_armitage_z: Some(42.1),
            kendall_tau: Some(0.93),
            kendall_p: Some(4.0e-4),
            isotonic_deviance: Some(0.84),
            subthreshold_z: (spec.near >= 3).then_some(3.6),
            subthreshold_trend: (spec.near >= 3).then_some(true),
        },
        abruptness: (spec.near > 0 && spec.above > 0).then_some(Abruptness {
            slope_before: Some(0.0043),
            slope_after: 0.548,
            t: Some(-0.133),
            t_se: Some(0.002),
        }),
        fits: None,
        band: Vec::new(),
        kink: None,
        sharpness: None,
        breakthrough: None,
        caveats: vec![Caveat::SingleRunPerScale],
        needs: Vec::new(),
    };
    (curve, verdict)
}

fn fit(model: CurveModel, theta: &[f64], aicc: Option<f64>, weight: f64) -> Fit {
    Fit {
        model,
        theta: theta.to_vec(),
        rho: None,
        log_likelihood: -1000.0,
        n_params: theta.len(),
        aicc,
        bic: 2010.0,
        qaicc: None,
        weight,
    }
}

/// The evidence that only a well-measured rise has.
fn add_fits(verdict: &mut Verdict, a: f64, b: f64) {
    verdict.fits = Some(CurveComparison {
        likelihood: "binomial".to_owned(),
        k: 8,
        x_mean: 21.7,
        chance: verdict.chance.unwrap_or(0.0),
        ceiling: 1.0,
        overdispersion: Some(2.4),
        fits: vec![
            fit(CurveModel::Const, &[-1.9], Some(2900.0), 0.0),
            fit(CurveModel::Logistic, &[a, b], Some(2004.0), 0.88),
            fit(CurveModel::Hinge, &[-4.9, 4.1, 22.1], Some(2008.2), 0.12),
        ],
        best: Some(CurveModel::Logistic),
        delta_aicc_hinge: Some(-4.2),
        leave_one_scale_out: Vec::new(),
    });
    verdict.band = (0..=20)
        .map(|i| {
            let x = 20.3 + 0.16 * f64::from(i);
            let p = 1.0 / (1.0 + (-(a + b * (x - 21.7))).exp());
            (x, p * 0.9, (p * 1.08).min(1.0))
        })
        .collect();
    verdict.kink = Some(KinkTest {
        statistic: 1.31,
        p: Some(0.214),
        n_draws: 499,
        p_interval: Some((0.179, 0.253)),
        best_alternative: CurveModel::Hinge,
        verdict: KinkVerdict::Undetermined,
        skipped: None,
        breakpoint: Some(BreakpointInterval {
            tau: 22.1,
            interval: Interval {
                lower: Some(21.9),
                upper: None,
                confidence_level: 0.95,
            },
            degenerate: false,
        }),
    });
    verdict.sharpness = Some(Sharpness {
        width: 4.394_449 / b,
        width_interval: Interval {
            lower: Some(4.394_449 / b * 0.94),
            upper: Some(4.394_449 / b * 1.07),
            confidence_level: 0.95,
        },
        midpoint: 22.93,
        class: SharpnessClass::Gradual,
    });
    verdict.breakthrough = Some(Breakthrough {
        increase: verdict.largest.as_ref().map_or(0.0, |l| l.score),
        linearity: 2.9,
        breakthroughness: Breakthrough::CAP,
        p_order_linearity: Some(2.5e-5),
        p_order_breakthroughness: Some(0.0012),
        p_noise_breakthroughness: Some(0.002),
        p_smooth_breakthroughness: Some(0.41),
    });
}

fn trajectory() -> Spec {
    let steps = [0, 1, 8, 64, 512, 1000, 3000, 10_000, 40_000, 143_000];
    let scores = [
        0.251, 0.249, 0.25, 0.252, 0.262, 0.31, 0.48, 0.61, 0.66, 0.702,
    ];
    Spec {
        family: "Pythia",
        task: "arc_easy",
        shots: 0,
        chance: Some(0.25),
        n: Some(2376),
        scores: scores.to_vec(),
        models: steps
            .iter()
            .map(|&s| {
                let tokens = s as f64 * 2_097_152.0;
                let scale = Scale {
                    params: Some(1.2e10),
                    tokens: Some(tokens),
                    flops: Some(6.0 * 1.2e10 * tokens),
                    train_loss_nats: None,
                };
                ("pythia-12b".to_owned(), Some(s), scale)
            })
            .collect(),
        view: View::Training("pythia-12b".into()),
        shape: Shape::AcquiredDuringTraining,
        reason: None,
        attributes: Vec::new(),
        near: 5,
        above: 4,
    }
}

/// A name that would run in a page, steer a terminal and break a line.
pub const HOSTILE: &str = "<script>alert('x')</script>&\u{1b}[31m\u{202e}\"\ntask";

/// The analysis.
pub fn analysis() -> Analysis {
    let mut all: Vec<(Curve, Verdict)> = Vec::new();
    let mut add = |spec: Spec, change: &dyn Fn(&mut Verdict)| {
        let (curve, mut verdict) = build(&spec);
        change(&mut verdict);
        all.push((curve, verdict));
    };

    add(
        Spec {
            shape: Shape::Emergent,
            attributes: vec![Attribute::Abrupt],
            near: 6,
            above: 2,
            ..gpt3(
                "3D+",
                50,
                0.0,
                2000,
                [0.0015, 0.0045, 0.003, 0.0055, 0.0075, 0.009, 0.084, 0.804],
            )
        },
        &|v| {
            add_fits(v, -4.6, 3.34);
            v.caveats
                .push(Caveat::NoModelNearThreshold { decades: 0.284 });
        },
    );
    add(
        Spec {
            shape: Shape::Emergent,
            attributes: vec![Attribute::Abrupt],
            near: 7,
            above: 1,
            ..gpt3(
                "4D+",
                50,
                0.0,
                2000,
                [0.0, 0.0005, 0.0005, 0.0, 0.0015, 0.0015, 0.004, 0.255],
            )
        },
        &|v| {
            add_fits(v, -6.9, 3.2);
            v.caveats
                .push(Caveat::NoModelNearThreshold { decades: 1.133 });
        },
    );
    add(
        Spec {
            shape: Shape::WeakOnset,
            near: 7,
            above: 1,
            ..gpt3(
                "5D+",
                50,
                0.0,
                2000,
                [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0005, 0.093],
            )
        },
        &|_| {},
    );
    add(
        Spec {
            shape: Shape::Smooth,
            attributes: vec![Attribute::FromFloor],
            near: 1,
            above: 6,
            ..gpt3(
                "NaturalQuestions",
                64,
                0.0,
                3610,
                [0.0172, 0.0446, 0.0789, 0.0972, 0.132, 0.17, 0.21, 0.299],
            )
        },
        &|v| add_fits(v, -2.2, 0.9),
    );
    add(trajectory(), &|_| {});
    add(
        Spec {
            shape: Shape::Flat,
            reason: Some(Reason::RandomThroughout),
            near: 8,
            ..gpt3(
                "nonce multiplication",
                0,
                0.0,
                4000,
                [0.0, 0.0, 0.0003, 0.0, 0.0, 0.0005, 0.0, 0.001],
            )
        },
        &|_| {},
    );
    add(
        Spec {
            reason: Some(Reason::NTooSmall),
            ..gpt3(
                "WiC",
                32,
                0.5,
                638,
                [0.498, 0.55, 0.53, 0.53, 0.516, 0.531, 0.511, 0.553],
            )
        },
        &|v| {
            v.needs = vec![Need::MoreItems {
                now: Some(638),
                needed: 1082,
                purpose: "to certify chance".into(),
            }];
            v.caveats.push(Caveat::NTooSmallForChance {
                n: 638,
                needed: Some(1082),
            });
            v.caveats.push(Caveat::SourcesDisagree {
                source: "Chowdhery et al. 2022".into(),
                difference: 0.059,
            });
        },
    );
    add(
        Spec {
            reason: Some(Reason::OnsetNotSubstantial),
            near: 6,
            ..gpt3(
                "cycled letters",
                100,
                0.0,
                300,
                [0.0, 0.003, 0.0, 0.007, 0.01, 0.013, 0.03, 0.05],
            )
        },
        &|v| {
            v.candidate = Some(Shape::Emergent);
            v.needs = vec![Need::LargerModel {
                than: 3.14e23,
                axis: Axis::Flops,
            }];
        },
    );
    add(
        Spec {
            reason: Some(Reason::PlateauUnresolved),
            above: 2,
            ..gpt3(
                "reversed words",
                100,
                0.0,
                2000,
                [0.05, 0.052, 0.049, 0.055, 0.05, 0.06, 0.12, 0.48],
            )
        },
        &|v| {
            v.needs = vec![
                Need::SmallerModel {
                    than: 2.25e20,
                    axis: Axis::Flops,
                },
                Need::ModelBetween {
                    lower: 1.2e22,
                    upper: 2.31e22,
                    axis: Axis::Flops,
                },
            ];
        },
    );
    add(
        Spec {
            family: "Unscaled",
            reason: Some(Reason::ScaleUnknown),
            chance: None,
            n: None,
            scores: vec![0.2, 0.4],
            models: vec![
                ("a".to_owned(), None, Scale::default()),
                ("b".to_owned(), None, Scale::default()),
            ],
            ..gpt3(HOSTILE, 0, 0.0, 1, [0.0; 8])
        },
        &|v| {
            v.needs = vec![Need::StateScale, Need::ReportN];
            v.caveats.push(Caveat::Doubt {
                note: "<b>CAUTION</b>: read from a figure".into(),
            });
        },
    );

    let (mut curves, verdicts): (Vec<Curve>, Vec<Verdict>) = all.into_iter().unzip();
    curves.sort_by(|a, b| a.key.cmp(&b.key));
    let counts = Shape::ALL
        .into_iter()
        .filter_map(|shape| {
            let n = |across: bool| {
                verdicts
                    .iter()
                    .filter(|v| v.shape == shape && (v.view == View::Across) == across)
                    .count()
            };
            let (across, training) = (n(true), n(false));
            (across + training > 0).then_some(CountByShape {
                shape,
                across,
                training,
            })
        })
        .collect();
    let wic = curves
        .iter()
        .find(|c| &*c.key.task == "WiC")
        .map(|c| c.key.clone())
        .expect("the fixture has WiC");
    let three = curves
        .iter()
        .find(|c| &*c.key.task == "3D+")
        .map(|c| c.key.clone())
        .expect("the fixture has 3D+");
    let mut human = Measurement::new("Human", "human rater", "WiC", "acc", 0.8);
    human.source = "Pilehvar and Camacho-Collados 2019".into();
    human.add_flag(flag::REFERENCE);
    Analysis {
        format_version: Analysis::FORMAT_VERSION,
        provenance: Provenance {
            version: "0.1.0".to_owned(),
            inputs: vec!["published:gpt3".to_owned(), "results/<b>.json".to_owned()],
            n_files: 2,
            n_measurements: 92,
        },
        config: AnalysisConfig::default(),
        curves,
        verdicts,
        counts,
        spread: Some(ThresholdSpread {
            axis: Axis::Flops,
            n_bounded: 3,
            n_beyond: 2,
            n_before: 1,
            quantiles: Some([20.5, 21.4, 22.22, 22.8, 22.93]),
        }),
        tasks: Vec::new(),
        sensitivity: Vec::new(),
        conflicts: vec![Conflict {
            key: wic,
            model: "GPT-3 175B".into(),
            checkpoint_step: None,
            values: vec![
                ("Brown et al. 2020".into(), 0.553),
                ("Brown et al. 2020 (test server)".into(), 0.494),
            ],
            same_source: false,
        }],
        references: vec![human],
        artefacts: Vec::new(),
        methods: Vec::new(),
        counterexamples: Default::default(),
        across: Default::default(),
        backtests: Vec::new(),
        agreement: vec![
            AgreementRow {
                ability: "Addition/subtraction (3 digit)".into(),
                model: "GPT-3".into(),
                published: Scale {
                    params: Some(1.3e10),
                    tokens: None,
                    flops: Some(2.3e22),
                    train_loss_nats: None,
                },
                agreement: Agreement::Agrees,
                reason: "3D+ few-shot is emergent in 1.2e22–2.3e22 FLOPs, whose upper end is the published 2.3e22.".to_owned(),
                curves: vec![three],
            },
            AgreementRow {
                ability: "Word in Context (WiC) benchmark".into(),
                model: "PaLM".into(),
                published: Scale {
                    params: Some(5.4e11),
                    tokens: None,
                    flops: Some(2.5e24),
                    train_loss_nats: None,
                },
                agreement: Agreement::Undecided,
                reason: "638 items cannot certify chance at 0.5: 1,082 would.".to_owned(),
                curves: Vec::new(),
            },
            AgreementRow {
                ability: "Using open-book knowledge for fact checking".into(),
                model: "Gopher".into(),
                published: Scale {
                    params: Some(7.1e9),
                    tokens: None,
                    flops: Some(1.3e22),
                    train_loss_nats: None,
                },
                agreement: Agreement::DataNotPublished,
                reason: "The scores by size were shown in a figure only.".to_owned(),
                curves: Vec::new(),
            },
        ],
        diagnostics: vec![
            Diagnostic::error("value 1.7 is out of range for acc")
                .file("results/<b>.json")
                .place("row 12")
                .expected("a fraction between 0 and 1")
                .help("divide percentages by 100"),
            Diagnostic::note("14 rows repeat others exactly and were read once"),
        ],
    }
}
