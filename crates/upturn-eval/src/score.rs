//! Responses to samples and scores.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use serde_json::Value;
use upturn_metrics::{
    Chance, ChoicesResponse, FilterPipeline, FilterValue, GenerationResponse, ItemScores,
    ItemValue, MetricError, MetricRequest, TokenIds, aggregate, bootstrap_iterations,
    score_choices, score_generation, score_loglikelihood, score_rolling, softmax, stderr,
};
use upturn_tasks::{FollowUp, Gold, Item, ItemRequests, Task};
use upturn_types::{ChoiceScore, LanguageModel, Loglikelihood, Sample, TargetScore, Text};

use crate::cell::{CellPlan, EvalOptions, MetricScore, Wanted, output_kind};
use crate::error::EvalError;
use crate::response::ItemResponse;

/// Samples by filter and item, and the aggregated scores by filter and metric.
pub(crate) fn score_items(
    model: &dyn LanguageModel,
    task: &Task,
    plan: &CellPlan,
    responses: &[ItemResponse],
    options: &EvalOptions,
) -> Result<(Vec<Sample>, Vec<MetricScore>), EvalError> {
    let at = |source: MetricError| EvalError::Metric {
        task: task.config.task.clone(),
        source,
    };
    let requests: Vec<MetricRequest> = plan.wanted.iter().map(|w| w.request.clone()).collect();
    let generated = plan
        .items
        .iter()
        .any(|i| matches!(i.requests, ItemRequests::Generate(_)));
    let likelihood = FilterPipeline::take_first();
    let pipelines: Vec<&FilterPipeline> = if generated {
        task.pipelines().iter().collect()
    } else {
        // Filters see generated text only; a name given to them still names the scores.
        vec![task.pipelines().first().unwrap_or(&likelihood)]
    };
    let mut samples = Vec::new();
    let mut scores = Vec::new();
    for pipeline in pipelines {
        let scored: Result<Vec<(Sample, ItemScores)>, EvalError> = plan
            .items
            .par_iter()
            .zip(responses)
            .enumerate()
            .map(|(index, (item, response))| {
                let scorer = Scorer {
                    model,
                    task,
                    requests: &requests,
                    pipeline,
                };
                scorer.item(index, item, response).map_err(|e| match e {
                    Fault::Metric(source) => EvalError::Request {
                        task: task.config.task.clone(),
                        doc_id: item.doc_id,
                        part: String::new(),
                        reason: source.to_string(),
                    },
                    Fault::Eval(e) => e,
                })
            })
            .collect();
        let scored = scored?;
        let mut lists: BTreeMap<&str, Vec<ItemValue>> = BTreeMap::new();
        for (sample, values) in scored {
            samples.push(sample);
            for (name, value) in values {
                lists.entry(name).or_default().push(value);
            }
        }
        let chance = Options::of(&plan.items);
        for wanted in &plan.wanted {
            if let Some(values) = lists.get(wanted.request.info.name)
                && let Some(score) = score(
                    wanted,
                    values,
                    &pipeline.name,
                    task,
                    chance,
                    options,
                    model.vocab_size(),
                )
                .map_err(at)?
            {
                scores.push(score);
            }
        }
    }
    Ok((samples, scores))
}

fn score(
    wanted: &Wanted,
    values: &[ItemValue],
    filter: &str,
    task: &Task,
    options_of: Options,
    options: &EvalOptions,
    vocab_size: Option<u64>,
) -> Result<Option<MetricScore>, MetricError> {
    if values.iter().all(|v| *v == ItemValue::Nothing) {
        return Ok(None);
    }
    let info = wanted.request.info;
    let value = aggregate(wanted.aggregation, values)?;
    let iterations = bootstrap_iterations(info.name, options.bootstrap_iterations);
    let kind = output_kind(task);
    Ok(Some(MetricScore {
        metric: info.name.to_owned(),
        filter: filter.to_owned(),
        value,
        stderr: stderr(wanted.aggregation, values, iterations)?,
        n: values.len() as u64,
        higher_is_better: wanted.higher_is_better,
        graded: info.graded,
        in_task: wanted.in_task,
        chance: match (info.graded, task.config.stated_chance()) {
            (false, Some(chance)) if options_of.harmonic_mean.is_none() => Some(chance),
            _ => match (info.chance_for(kind), options_of.right_share) {
                (Chance::OneOverOptions, Some(share)) => Some(share),
                (chance, _) => chance.value(options_of.harmonic_mean, vocab_size),
            },
        },
        ceiling: if wanted.higher_is_better {
            info.range.1
        } else {
            info.range.0
        },
    }))
}

/// Numbers of options over the items.
#[derive(Debug, Clone, Copy)]
struct Options {
    /// 1 / mean of 1 / options: a guess is right with one over this, where one option is.
    harmonic_mean: Option<f64>,
    /// Mean share of options that are right, where an item has several: a guess is right so often.
    right_share: Option<f64>,
}

impl Options {
    fn of(items: &[Item]) -> Self {
        let shares: Vec<f64> = items
            .iter()
            .filter(|i| !i.choices.is_empty())
            .map(|i| (i.choices.len() as f64).recip())
            .collect();
        let harmonic_mean = (!shares.is_empty() && shares.len() == items.len()).then(|| {
            let same = shares.iter().all(|s| s.to_bits() == shares[0].to_bits());
            if same {
                shares[0].recip()
            } else {
                shares.len() as f64 / shares.iter().sum::<f64>()
            }
        });
        let right = |item: &Item| match &item.gold {
            Gold::AnyOf(all) => all.iter().flatten().collect::<BTreeSet<_>>().len(),
            Gold::One(_) | Gold::Absent => 1,
        };
        let several = harmonic_mean.is_some() && items.iter().any(|i| right(i) > 1);
        let right_share = several.then(|| {
            let shares = items.iter().zip(&shares).map(|(i, s)| right(i) as f64 * s);
            shares.sum::<f64>() / items.len() as f64
        });
        Options {
            harmonic_mean,
            right_share,
        }
    }
}

enum Fault {
    Metric(MetricError),
    Eval(EvalError),
}

impl From<MetricError> for Fault {
    fn from(e: MetricError) -> Self {
        Fault::Metric(e)
    }
}

struct Scorer<'a> {
    model: &'a dyn LanguageModel,
    task: &'a Task,
    requests: &'a [MetricRequest],
    pipeline: &'a FilterPipeline,
}

impl Scorer<'_> {
    fn item(
        &self,
        index: usize,
        item: &Item,
        response: &ItemResponse,
    ) -> Result<(Sample, ItemScores), Fault> {
        let mut sample = blank(item, &self.pipeline.name);
        let scores = match &item.requests {
            ItemRequests::Choices { conditional, .. } => {
                sample.choices = choices(item, conditional.len(), &response.likelihoods);
                let gold = gold(&item.gold);
                let scored = ChoicesResponse {
                    choices: &sample.choices,
                    gold: &gold,
                };
                let right = gold.right_options(&sample.choices);
                if let [only] = right[..] {
                    sample.gold = Some(only as u32);
                }
                let scores = score_choices(&scored, self.requests)?;
                sample.target_score = sample.gold.map(|right| {
                    let right = &sample.choices[right as usize];
                    TargetScore {
                        logprob: right.logprob,
                        is_greedy: right.is_greedy,
                        n_tokens: right.n_tokens,
                        n_chars: right.n_chars,
                        n_bytes: right.n_bytes,
                    }
                });
                scores
            }
            ItemRequests::Loglikelihood(request) => {
                let target = target_score(&request.continuation, &first(&response.likelihoods));
                let scores = score_loglikelihood(&target, self.requests);
                sample.target_score = Some(target);
                scores
            }
            ItemRequests::Rolling(request) => {
                let target = target_score(&request.text, &first(&response.likelihoods));
                let scores = score_rolling(&request.text, &target, self.requests);
                sample.target_score = Some(target);
                scores
            }
            ItemRequests::Generate(_) => self.generation(index, item, response, &mut sample)?,
        };
        sample.metrics = self
            .requests
            .iter()
            .map(|r| {
                let value = scores.iter().find(|s| s.0 == r.info.name);
                (r.info.name.into(), value.and_then(|v| v.1.as_number()))
            })
            .collect();
        Ok((sample, scores))
    }

    fn generation(
        &self,
        index: usize,
        item: &Item,
        response: &ItemResponse,
        sample: &mut Sample,
    ) -> Result<ItemScores, Fault> {
        // Of two requests the second answers are the ones that count.
        let n_first = match item.follow_up {
            Some(FollowUp::Generate { .. }) => response.generations.len() / 2,
            Some(FollowUp::Judge { .. }) | None => 0,
        };
        let answers: Vec<FilterValue> = response
            .generations
            .iter()
            .skip(n_first)
            .map(|g| FilterValue::from(g.text.as_str()))
            .collect();
        let field = item
            .doc
            .get("choices")
            .and_then(Value::as_array)
            .map(|all| {
                let text = |v: &Value| FilterValue::from_json(v).python_str();
                all.iter().map(text).collect::<Vec<String>>()
            });
        let result = self.pipeline.apply_doc(index, &answers, field.as_deref())?;
        let needs_ids = self.requests.iter().any(|r| r.info.needs_token_ids());
        let tokens = |text: &str| {
            self.model.tokenize(text).map_err(|e| {
                Fault::Eval(EvalError::Model {
                    model: self.model.name().to_owned(),
                    reason: e.to_string(),
                })
            })
        };
        let ids = match (needs_ids, result.as_str()) {
            (true, Some(text)) => {
                let targets: Result<Vec<_>, Fault> =
                    item.references.iter().map(|t| tokens(t.trim())).collect();
                Some((tokens(text.trim())?, targets?))
            }
            _ => None,
        };
        // Where the task has choices, its target was looked up among them.
        let gold = match (&self.task.config.doc_to_choice, item.references.first()) {
            (Some(_), Some(right)) => FilterValue::from(&**right),
            _ => FilterValue::from_json(&item.target),
        };
        let mut scores = score_generation(
            &GenerationResponse {
                result: &result,
                gold: &gold,
                choices: None,
                multiple_targets: self.task.has_multiple_targets(),
                token_ids: ids.as_ref().map(|(prediction, targets)| TokenIds {
                    prediction,
                    targets,
                }),
            },
            self.requests,
        )?;
        if let (Some(metric), [yes, no]) =
            (self.task.config.judged_metric(), &response.likelihoods[..])
        {
            scores.extend(judged(metric, &scores, yes, no, self.requests));
        } else if let (Some(likelihood), Some(target)) =
            (response.likelihoods.first(), item.references.first())
        {
            let target = target_score(target, likelihood);
            scores.retain(|s| s.0 != "target_logprob_per_token");
            scores.extend(per_token(&target, self.requests));
            sample.target_score = Some(target);
        }
        sample.responses = response
            .generations
            .iter()
            .map(|g| g.text.clone())
            .collect();
        sample.finish_reason = response.generations.get(n_first).map(|g| g.finish);
        sample.filtered = Some(match &result {
            FilterValue::Str(text) => text.as_str().into(),
            other => other.to_json().to_string().into(),
        });
        Ok(scores)
    }
}

/// Calibration of P(True): `metric` says whether the answer was right, the likelihoods of true and
/// false how sure the model is of it.
fn judged(
    metric: &str,
    scores: &ItemScores,
    yes: &Loglikelihood,
    no: &Loglikelihood,
    requests: &[MetricRequest],
) -> ItemScores {
    let score = scores.iter().find(|s| s.0 == metric);
    let Some(right) = score.and_then(|s| s.1.as_number()) else {
        return ItemScores::new();
    };
    let correct = right > 0.5;
    let p = softmax(&[f64::from(yes.logprob), f64::from(no.logprob)]);
    let confidence = p[0];
    let squares = 2.0 * (confidence - f64::from(u8::from(correct))).powi(2);
    let value = |name: &'static str| {
        Some(match name {
            "brier_multiclass" => ItemValue::Number(squares),
            "ece" | "ece_adaptive" => ItemValue::Confidence {
                confidence,
                correct,
            },
            _ => return None,
        })
    };
    let names = requests.iter().map(|r| r.info.name);
    names
        .filter_map(|name| Some((name, value(name)?)))
        .collect()
}

/// `target_logprob_per_token` of a target, where it is wanted.
fn per_token(target: &TargetScore, requests: &[MetricRequest]) -> ItemScores {
    let wanted: Vec<MetricRequest> = requests
        .iter()
        .filter(|r| r.info.name == "target_logprob_per_token")
        .cloned()
        .collect();
    score_loglikelihood(target, &wanted)
}

fn first(likelihoods: &[Loglikelihood]) -> Loglikelihood {
    likelihoods.first().copied().unwrap_or(Loglikelihood {
        logprob: 0.0,
        is_greedy: true,
        n_tokens: 0,
        n_truncated: 0,
    })
}

fn target_score(text: &str, l: &Loglikelihood) -> TargetScore {
    TargetScore {
        logprob: l.logprob,
        is_greedy: l.is_greedy,
        n_tokens: l.n_tokens,
        n_chars: text.chars().count() as u32,
        n_bytes: text.len() as u32,
    }
}

fn choices(item: &Item, n: usize, likelihoods: &[Loglikelihood]) -> Vec<ChoiceScore> {
    let unconditional = likelihoods.get(n..).unwrap_or_default();
    likelihoods
        .iter()
        .take(n)
        .enumerate()
        .map(|(i, l)| {
            let text: Text = item.choices.get(i).cloned().unwrap_or_default();
            ChoiceScore {
                logprob: l.logprob,
                is_greedy: l.is_greedy,
                n_tokens: l.n_tokens,
                n_chars: text.chars().count() as u32,
                n_bytes: text.len() as u32,
                unconditional_logprob: unconditional.get(i).map(|l| l.logprob),
                unconditional_is_greedy: unconditional.get(i).map(|l| l.is_greedy),
                text,
            }
        })
        .collect()
}

/// The right answer in the words of the metrics; -100 is no option.
fn gold(gold: &Gold) -> upturn_metrics::Gold {
    let index = |i: &Option<usize>| i.map_or(-100, |i| i as i64);
    match gold {
        Gold::Absent => upturn_metrics::Gold::Index(-100),
        Gold::One(i) => upturn_metrics::Gold::Index(index(i)),
        Gold::AnyOf(all) => upturn_metrics::Gold::Many(all.iter().map(index).collect()),
    }
}

fn blank(item: &Item, filter: &str) -> Sample {
    Sample {
        doc_id: item.doc_id,
        doc_hash: item.doc_hash.clone(),
        prompt_hash: item.prompt_hash.clone(),
        target_hash: item.target_hash.clone(),
        repeat: 0,
        filter: filter.into(),
        doc: Value::Object((*item.doc).clone()).to_string().into(),
        request: item.prompt.clone(),
        responses: Vec::new(),
        filtered: None,
        finish_reason: None,
        choices: Vec::new(),
        gold: None,
        target: item.target_text.clone(),
        target_score: None,
        metrics: Vec::new(),
    }
}
