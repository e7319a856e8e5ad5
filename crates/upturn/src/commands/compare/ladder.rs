//! The models in order of scale, and where along them something changes.

use upturn_engine::Model;
use upturn_eval::ModelIdentity;
use upturn_types::{Known, LanguageModel, Scale};

use super::ask::Asked;
use crate::commands::eval::models::Identity;

pub use super::args::Order;

/// A model with what it said.
#[derive(Debug)]
pub struct Rung {
    /// Its name in this run; unique.
    pub label: String,
    /// Who it is; `flops` are derived as 6ND where they are not reported.
    pub who: ModelIdentity,
    /// How `flops` is known.
    pub flops_kind: Option<Known>,
    /// Longest input, tokens.
    pub max_length: usize,
    /// What it said to each prompt.
    pub asked: Vec<Asked>,
}

/// What the models are put in order by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// Training compute.
    Flops,
    /// Parameters.
    Params,
    /// As given.
    Given,
}

impl Axis {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Axis::Flops => "flops",
            Axis::Params => "params",
            Axis::Given => "given",
        }
    }
}

/// The models, the smallest first.
#[derive(Debug)]
pub struct Ladder {
    /// In order.
    pub rungs: Vec<Rung>,
    /// What by.
    pub axis: Axis,
    /// Models whose compute is not known.
    without_compute: Vec<String>,
}

impl Rung {
    /// A model with what it said.
    pub fn new(label: &str, identity: &Identity, model: &Model, asked: Vec<Asked>) -> Self {
        let mut who = identity.model.clone();
        let derived = Scale {
            params: who.params,
            tokens: who.tokens,
            ..Scale::default()
        };
        let flops_kind = match (who.flops, derived.six_nd()) {
            (Some(_), _) => Some(Known::Reported),
            (None, Some(flops)) => {
                who.flops = Some(flops);
                Some(Known::Derived)
            }
            (None, None) => None,
        };
        Rung {
            label: label.to_owned(),
            who,
            flops_kind,
            max_length: model.max_length(),
            asked,
        }
    }
}

impl Ladder {
    /// Puts models in order. One axis holds for all: by parameters where the compute of any
    /// is not known.
    pub fn new(mut rungs: Vec<Rung>, order: Order) -> Self {
        let without_compute: Vec<String> = rungs
            .iter()
            .filter(|r| r.who.flops.is_none())
            .map(|r| r.label.clone())
            .collect();
        let axis = match order {
            Order::Given => Axis::Given,
            Order::Scale if without_compute.is_empty() => Axis::Flops,
            Order::Scale => Axis::Params,
        };
        let size = |r: &Rung| {
            let (flops, params) = (r.who.flops.unwrap_or(0.0), r.who.params.unwrap_or(0.0));
            match axis {
                Axis::Flops => (flops, params),
                _ => (params, flops),
            }
        };
        if axis != Axis::Given {
            // Stable: models of one size stay as given.
            rungs.sort_by(|a, b| {
                let (a, b) = (size(a), size(b));
                a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))
            });
        }
        Ladder {
            rungs,
            axis,
            without_compute,
        }
    }

    /// What there is to say of the order.
    pub fn note(&self) -> Option<String> {
        if self.axis != Axis::Params || self.rungs.len() < 2 {
            return None;
        }
        Some(format!(
            "the models are in order of parameters, because the training compute is not known of {}; \
             give training tokens with --train-tokens MODEL=D or in upturn.toml",
            crate::commands::eval::messages::listed(&self.without_compute)
        ))
    }

    /// The first model along the ladder whose answer to a prompt is `target`.
    pub fn first_equal(&self, prompt: usize, target: &str) -> Option<usize> {
        self.rungs
            .iter()
            .position(|r| r.asked[prompt].answers(target))
    }

    /// The most likely target of each model, where models have one.
    pub fn best_targets(&self, prompt: usize) -> Vec<(usize, usize)> {
        let best = |(at, rung): (usize, &Rung)| Some((at, rung.asked[prompt].best_target()?));
        self.rungs.iter().enumerate().filter_map(best).collect()
    }

    /// Where the most likely target is another than that of the model before: place of the
    /// model, the target before, the target now.
    pub fn changes(&self, prompt: usize) -> Vec<(usize, usize, usize)> {
        self.best_targets(prompt)
            .windows(2)
            .filter(|pair| pair[0].1 != pair[1].1)
            .map(|pair| (pair[1].0, pair[0].1, pair[1].1))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use upturn_types::FinishReason;

    use super::*;
    use crate::commands::compare::ask::{Answer, Scored, Target};

    const TARGETS: [&str; 2] = [" 4", " 5"];

    fn rung(label: &str, params: f64, flops: Option<f64>, answer: &str, scores: [f32; 2]) -> Rung {
        let who = ModelIdentity {
            family: "f".into(),
            model: label.into(),
            checkpoint_step: None,
            tuning: None,
            params: Some(params),
            tokens: None,
            flops,
            train_loss_nats: None,
            seed: None,
        };
        let targets = TARGETS.iter().zip(scores).map(|(text, logprob)| Target {
            text: Arc::from(*text),
            scored: Ok(Scored {
                logprob,
                is_greedy: false,
                n_truncated: 0,
                tokens: Vec::new(),
            }),
        });
        let asked = Asked {
            answer: Some(Answer {
                text: answer.to_owned(),
                finish: FinishReason::Stop,
                n_truncated: 0,
                logprob: -1.0,
                tokens: Vec::new(),
            }),
            targets: targets.collect(),
            ..Asked::default()
        };
        Rung {
            label: label.to_owned(),
            who,
            flops_kind: None,
            max_length: 8,
            asked: vec![asked],
        }
    }

    fn labels(ladder: &Ladder) -> Vec<&str> {
        ladder.rungs.iter().map(|r| r.label.as_str()).collect()
    }

    #[test]
    fn one_axis_orders_all_models() {
        let rungs = |c: Option<f64>| {
            vec![
                rung("c", 3.0, Some(10.0), "", [0.0; 2]),
                rung("b", 2.0, c, "", [0.0; 2]),
                rung("a", 1.0, Some(30.0), "", [0.0; 2]),
            ]
        };
        let known = Ladder::new(rungs(Some(20.0)), Order::Scale);
        assert_eq!((labels(&known), known.note()), (vec!["c", "b", "a"], None));
        let unknown = Ladder::new(rungs(None), Order::Scale);
        assert_eq!(labels(&unknown), ["a", "b", "c"]);
        assert!(
            unknown
                .note()
                .is_some_and(|n| n.contains("not known of b;"))
        );
        let given = Ladder::new(rungs(None), Order::Given);
        assert_eq!((labels(&given), given.note()), (vec!["c", "b", "a"], None));
    }

    #[test]
    fn marks_are_where_something_changes() {
        let ladder = Ladder::new(
            vec![
                rung("1", 1.0, None, "5", [-2.0, -1.0]),
                rung("2", 2.0, None, "44", [-1.0, -2.0]),
                rung("3", 3.0, None, "4", [-1.0, -1.0]),
                rung("4", 4.0, None, " 4\n", [-3.0, -1.0]),
            ],
            Order::Scale,
        );
        assert_eq!(ladder.first_equal(0, TARGETS[0]), Some(2));
        assert_eq!(ladder.first_equal(0, TARGETS[1]), Some(0));
        assert_eq!(ladder.first_equal(0, "none"), None);
        assert_eq!(ladder.changes(0), [(1, 1, 0), (3, 0, 1)]);
    }
}
