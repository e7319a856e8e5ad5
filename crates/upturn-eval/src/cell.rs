//! One model on one task.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use upturn_metrics::{Aggregation, MetricRequest, OutputKind};
use upturn_tasks::ports::Helper;
use upturn_tasks::{
    BuildOptions, Chat, ChatTemplate, DocSelection, FewshotMode, FollowUp, Gold, Item,
    ItemRequests, OutputType, Task,
};
use upturn_types::{
    Flow, GenerateRequest, Generation, LanguageModel, LmError, Loglikelihood, LoglikelihoodRequest,
    RollingRequest, Sample, Text, Work,
};

use crate::error::EvalError;
use crate::response::ItemResponse;
use crate::score::score_items;
use crate::stop::{StopRule, run_until};

/// How tasks are run; part of a cell's key but for `bootstrap_iterations`.
#[derive(Debug, Clone, PartialEq)]
pub struct EvalOptions {
    /// Only the first items.
    pub limit: Option<usize>,
    /// Seed of few-shot draws and sampled answers.
    pub seed: u64,
    /// How few-shot examples are drawn.
    pub mode: FewshotMode,
    /// Text before the task's description.
    pub system_instruction: Option<String>,
    /// Whether prompts go through the model's chat template.
    pub chat: bool,
    /// Whether every example is a turn of its own.
    pub fewshot_as_multiturn: bool,
    /// Whether graded metrics are computed beside the task's own.
    pub graded: bool,
    /// Bootstrap replicates for standard errors that need them; 0 leaves all errors out.
    pub bootstrap_iterations: u32,
    /// When to stop before all items are asked; `None`: never.
    pub stop: Option<StopRule>,
}

impl Default for EvalOptions {
    fn default() -> Self {
        EvalOptions {
            limit: None,
            seed: 1234,
            mode: FewshotMode::default(),
            system_instruction: None,
            chat: false,
            fewshot_as_multiturn: false,
            graded: true,
            bootstrap_iterations: 100_000,
            stop: None,
        }
    }
}

/// A metric to compute, and whether the task itself asked for it.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) request: MetricRequest,
    pub(crate) aggregation: Aggregation,
    pub(crate) higher_is_better: bool,
    pub(crate) in_task: bool,
    /// What computes it, where that is a helper of the task.
    pub(crate) helper: Option<Arc<Helper>>,
    /// What joins it over items, where that is a helper of the task.
    pub(crate) joined_by: Option<Arc<Helper>>,
}

/// A cell's items and its key.
#[derive(Debug)]
pub struct CellPlan {
    /// Items in order.
    pub items: Vec<Item>,
    /// SHA-256, hex, of all that decides the result: model, task, prompts, options.
    pub key: String,
    pub(crate) wanted: Vec<Wanted>,
    /// Requests for the targets of generated answers, where graded metrics want them.
    pub(crate) targets: Vec<Option<LoglikelihoodRequest>>,
}

/// One aggregated score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricScore {
    /// Metric.
    pub metric: String,
    /// Filter.
    pub filter: String,
    /// The score.
    pub value: f64,
    /// Its standard error; absent where there is no rule for one.
    pub stderr: Option<f64>,
    /// Items behind it.
    pub n: u64,
    /// Whether more is better.
    pub higher_is_better: bool,
    /// Whether an answer can be partly right.
    pub graded: bool,
    /// Whether the task file asks for it (else it was added).
    pub in_task: bool,
    /// Score without knowledge.
    pub chance: Option<f64>,
    /// Best score.
    pub ceiling: Option<f64>,
}

/// What a cell gives.
#[derive(Debug)]
pub struct CellResult {
    /// One per item and filter.
    pub samples: Vec<Sample>,
    /// Aggregated scores: by filter, the task's metrics first.
    pub scores: Vec<MetricScore>,
    /// Work of this run (nothing for items that were finished before).
    pub work: Work,
    /// Items that were finished before.
    pub n_resumed: u64,
    /// Requests whose context was cut because the model is too short.
    pub n_truncated: u64,
    /// Items asked: fewer than there are where the run was decided before.
    pub n_items: u64,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Items finished, those of earlier runs included.
    pub done: u64,
    /// All items.
    pub total: u64,
}

fn kind(output: OutputType) -> OutputKind {
    match output {
        OutputType::MultipleChoice => OutputKind::MultipleChoice,
        OutputType::Loglikelihood => OutputKind::Loglikelihood,
        OutputType::LoglikelihoodRolling => OutputKind::Rolling,
        OutputType::GenerateUntil => OutputKind::Generate,
    }
}

/// Graded metrics added to tasks of each kind.
fn graded_metrics(kind: OutputKind) -> &'static [&'static str] {
    match kind {
        OutputKind::MultipleChoice => &[
            "choice_prob",
            "margin",
            "brier_multiclass",
            "target_logprob_per_token",
        ],
        OutputKind::Loglikelihood | OutputKind::Rolling => &["target_logprob_per_token"],
        OutputKind::Generate => &["token_edit_distance", "target_logprob_per_token"],
    }
}

fn wanted(task: &Task, options: &EvalOptions) -> Vec<Wanted> {
    let mut wanted: Vec<Wanted> = task
        .metrics()
        .iter()
        .map(|m| Wanted {
            request: m.request.clone(),
            aggregation: m.aggregation,
            higher_is_better: m.higher_is_better,
            in_task: true,
            helper: m.helper.clone(),
            joined_by: m.joined_by.clone(),
        })
        .collect();
    // Where a helper scores items, what is right is its own affair.
    if options.graded && task.config.process_results.is_none() {
        let kind = kind(task.config.output_type);
        for name in graded_metrics(kind) {
            let Some(info) = upturn_metrics::find(name) else {
                continue;
            };
            if info.applies_to(kind) && wanted.iter().all(|w| w.request.info.name != *name) {
                wanted.push(Wanted {
                    request: MetricRequest::plain(info),
                    aggregation: info.aggregation,
                    higher_is_better: info.higher_is_better,
                    in_task: false,
                    helper: None,
                    joined_by: None,
                });
            }
        }
    }
    wanted
}

/// Builds the items of a task for a model, and the key of the cell.
///
/// # Errors
/// When the task cannot be built, or the model has no chat template and one is asked for.
pub fn plan(
    model: &dyn LanguageModel,
    task: &Task,
    options: &EvalOptions,
) -> Result<CellPlan, EvalError> {
    let template = |messages: &[upturn_types::ChatMessage], open: bool| {
        model
            .apply_chat_template(messages, open)
            .map_err(|e| e.to_string())
    };
    let template: &ChatTemplate<'_> = &template;
    let items = task.build(&BuildOptions {
        mode: options.mode,
        seed: options.seed,
        docs: options.limit.map_or(DocSelection::All, DocSelection::First),
        system_instruction: options.system_instruction.as_deref(),
        assistant_prefill: None,
        chat: options.chat.then_some(Chat {
            template,
            fewshot_as_multiturn: options.fewshot_as_multiturn,
        }),
    })?;
    if options.mode != FewshotMode::Parity
        && task.config.process_results.is_none()
        && let Some(item) = items.iter().find(|i| lacks_right_choice(i))
    {
        return Err(EvalError::Request {
            task: task.config.task.clone(),
            doc_id: item.doc_id,
            part: String::new(),
            reason: format!(
                "the target {} is none of the {} choices; mend the data (--parity lm-eval counts the item as wrong)",
                item.target_text,
                item.choices.len()
            ),
        });
    }
    let wanted = wanted(task, options);
    let score_targets = wanted
        .iter()
        .any(|w| w.request.info.name == "target_logprob_per_token");
    let targets = items
        .iter()
        .map(|item| match (&item.requests, item.references.first()) {
            (ItemRequests::Generate(requests), Some(target))
                // What follows a first answer is no answer yet.
                if score_targets
                    && !target.is_empty()
                    && !requests.is_empty()
                    && item.follow_up.is_none() =>
            {
                let delimiter = &task.config.target_delimiter;
                let touches = target.starts_with(char::is_whitespace);
                let continuation = if touches {
                    Text::clone(target)
                } else {
                    format!("{delimiter}{target}").into()
                };
                Some(LoglikelihoodRequest {
                    context: requests[0].context.clone(),
                    continuation,
                })
            }
            _ => None,
        })
        .collect();
    let key = key(model, task, options, &items, &wanted);
    Ok(CellPlan {
        items,
        key,
        wanted,
        targets,
    })
}

/// Whether a multiple-choice item has no right answer among its choices.
fn lacks_right_choice(item: &Item) -> bool {
    match (&item.requests, &item.gold) {
        (ItemRequests::Choices { .. }, Gold::One(None)) => true,
        (ItemRequests::Choices { .. }, Gold::AnyOf(all)) => all.iter().all(Option::is_none),
        _ => false,
    }
}

/// Hashes everything that a result depends on.
fn key(
    model: &dyn LanguageModel,
    task: &Task,
    options: &EvalOptions,
    items: &[Item],
    wanted: &[Wanted],
) -> String {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    part(b"upturn cell 1");
    for (name, value) in model.fingerprint() {
        part(name.as_bytes());
        part(value.as_bytes());
    }
    part(task.config.task.as_bytes());
    part(task.config.output_type.name().as_bytes());
    part(&options.seed.to_le_bytes());
    part(&options.bootstrap_iterations.to_le_bytes());
    for w in wanted {
        part(format!("{:?} {:?} {}", w.request, w.aggregation, w.higher_is_better).as_bytes());
        if w.helper.is_some() || w.joined_by.is_some() {
            part(format!("{:?} {:?}", w.helper, w.joined_by).as_bytes());
        }
    }
    if let Some(helper) = &task.config.process_results {
        part(format!("{helper:?}").as_bytes());
    }
    part(format!("{:?}", task.config.filter_list).as_bytes());
    if let Some(rule) = &options.stop {
        part(rule.describe().as_bytes());
    }
    for item in items {
        part(&item.doc_id.to_le_bytes());
        part(item.doc_hash.as_bytes());
        part(item.target_text.as_bytes());
        part(format!("{:?}", item.gold).as_bytes());
        match &item.requests {
            ItemRequests::Choices {
                conditional,
                unconditional,
            } => {
                let mut context: Option<&Text> = None;
                for r in conditional.iter().chain(unconditional) {
                    if context.is_none_or(|c| !std::sync::Arc::ptr_eq(c, &r.context)) {
                        part(r.context.as_bytes());
                    }
                    context = Some(&r.context);
                    part(r.continuation.as_bytes());
                }
            }
            ItemRequests::Loglikelihood(r) => {
                part(r.context.as_bytes());
                part(r.continuation.as_bytes());
            }
            ItemRequests::Rolling(r) => part(r.text.as_bytes()),
            ItemRequests::Generate(all) => {
                for r in all {
                    part(r.context.as_bytes());
                    part(&r.seed.to_le_bytes());
                    part(format!("{:?}", r.options).as_bytes());
                }
            }
        }
        if let Some(second) = &item.follow_up {
            part(format!("{second:?}").as_bytes());
        }
    }
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

/// Requests of a plan, by kind: what its items ask, and the targets of generated answers.
type Requests = (
    Vec<LoglikelihoodRequest>,
    Vec<RollingRequest>,
    Vec<GenerateRequest>,
);

impl CellPlan {
    /// The plan of some items, in the order of the whole; its key stays that of the whole.
    pub(crate) fn part(&self, indices: &[usize]) -> CellPlan {
        let mut indices = indices.to_vec();
        indices.sort_unstable();
        CellPlan {
            items: indices.iter().map(|&i| self.items[i].clone()).collect(),
            key: self.key.clone(),
            wanted: self.wanted.clone(),
            targets: indices.iter().map(|&i| self.targets[i].clone()).collect(),
        }
    }

    /// All requests, by kind.
    fn requests(&self) -> Requests {
        let (mut likelihoods, mut rolling, mut generations) = Requests::default();
        for (item, target) in self.items.iter().zip(&self.targets) {
            match &item.requests {
                ItemRequests::Choices {
                    conditional,
                    unconditional,
                } => likelihoods.extend(conditional.iter().chain(unconditional).cloned()),
                ItemRequests::Loglikelihood(r) => likelihoods.push(r.clone()),
                ItemRequests::Rolling(r) => rolling.push(r.clone()),
                ItemRequests::Generate(all) => {
                    generations.extend(all.iter().cloned());
                    let second = item.follow_up.iter();
                    for (f, r) in second.flat_map(|f| all.iter().map(move |r| (f, r))) {
                        generations.extend(f.request(r, ""));
                        likelihoods.extend(f.judgement(r, ""));
                    }
                }
            }
            likelihoods.extend(target.clone());
        }
        (likelihoods, rolling, generations)
    }
}

/// What a cell would take: its number of requests, and the work but for the answers' own tokens,
/// which [`upturn_tasks::Task::cost`] bounds. Second requests count without the first answers.
///
/// # Errors
/// When a request cannot be encoded.
pub fn estimate(model: &dyn LanguageModel, plan: &CellPlan) -> Result<(u64, Work), EvalError> {
    let (likelihoods, rolling, generations) = plan.requests();
    let n_requests = (likelihoods.len() + rolling.len() + generations.len()) as u64;
    let work = model
        .estimate(&likelihoods, &rolling, &generations)
        .map_err(|e| EvalError::Model {
            model: model.name().to_owned(),
            reason: e.to_string(),
        })?;
    Ok((n_requests, work))
}

/// Where a request belongs.
#[derive(Debug, Clone, Copy)]
struct Slot {
    item: usize,
    part: usize,
}

/// An item on its way: responses by place, and how many are missing.
#[derive(Debug, Clone)]
struct Open {
    likelihoods: Vec<Option<Loglikelihood>>,
    generations: Vec<Option<Generation>>,
    missing: usize,
}

impl Open {
    fn response(&self) -> ItemResponse {
        ItemResponse {
            likelihoods: self.likelihoods.iter().copied().flatten().collect(),
            generations: self.generations.iter().flatten().cloned().collect(),
        }
    }
}

/// Everything that finishing an item touches.
struct Keeper<'a> {
    open: Vec<Open>,
    responses: Vec<Option<ItemResponse>>,
    items: &'a [Item],
    n_done: u64,
    record: &'a mut dyn FnMut(u64, &ItemResponse) -> Result<(), String>,
    progress: &'a mut dyn FnMut(Progress) -> Flow,
    failed: Option<String>,
}

impl Keeper<'_> {
    fn settle(&mut self, item: usize) -> Flow {
        self.open[item].missing -= 1;
        if self.open[item].missing > 0 {
            return Flow::Continue(());
        }
        let response = self.open[item].response();
        if let Err(reason) = (self.record)(self.items[item].doc_id, &response) {
            self.failed = Some(reason);
            return Flow::Break(());
        }
        self.responses[item] = Some(response);
        self.n_done += 1;
        (self.progress)(Progress {
            done: self.n_done,
            total: self.items.len() as u64,
        })
    }
}

/// Asks what is not answered yet, and scores everything; with a [`StopRule`], only as many items
/// as it takes to decide.
///
/// `finished` are responses of earlier runs of the same key, by item; `record` is
/// called once for every item that is finished now; `progress` after each, and may
/// stop the run.
///
/// # Errors
/// See [`EvalError`]; what was recorded stands.
pub fn run(
    model: &dyn LanguageModel,
    task: &Task,
    plan: &CellPlan,
    options: &EvalOptions,
    finished: &BTreeMap<u64, ItemResponse>,
    record: &mut dyn FnMut(u64, &ItemResponse) -> Result<(), String>,
    progress: &mut dyn FnMut(Progress) -> Flow,
) -> Result<CellResult, EvalError> {
    match &options.stop {
        Some(rule) => run_until(rule, model, task, plan, options, finished, record, progress),
        None => run_all(model, task, plan, options, finished, record, progress),
    }
}

/// [`run`] on all items of the plan.
pub(crate) fn run_all(
    model: &dyn LanguageModel,
    task: &Task,
    plan: &CellPlan,
    options: &EvalOptions,
    finished: &BTreeMap<u64, ItemResponse>,
    record: &mut dyn FnMut(u64, &ItemResponse) -> Result<(), String>,
    progress: &mut dyn FnMut(Progress) -> Flow,
) -> Result<CellResult, EvalError> {
    let items = &plan.items;
    let mut likelihoods: Vec<(Slot, LoglikelihoodRequest)> = Vec::new();
    let mut rolling: Vec<(Slot, RollingRequest)> = Vec::new();
    let mut generations: Vec<(Slot, GenerateRequest)> = Vec::new();
    let mut open = Vec::with_capacity(items.len());
    let mut responses = Vec::with_capacity(items.len());
    for (index, (item, target)) in items.iter().zip(&plan.targets).enumerate() {
        let before = (likelihoods.len(), rolling.len(), generations.len());
        let old = finished.get(&item.doc_id);
        if old.is_none() {
            match &item.requests {
                ItemRequests::Choices {
                    conditional,
                    unconditional,
                } => {
                    let all = conditional.iter().chain(unconditional).cloned();
                    likelihoods.extend(
                        all.enumerate()
                            .map(|(part, r)| (Slot { item: index, part }, r)),
                    );
                }
                ItemRequests::Loglikelihood(r) => {
                    likelihoods.push((
                        Slot {
                            item: index,
                            part: 0,
                        },
                        r.clone(),
                    ));
                }
                ItemRequests::Rolling(r) => {
                    rolling.push((
                        Slot {
                            item: index,
                            part: 0,
                        },
                        r.clone(),
                    ));
                }
                ItemRequests::Generate(all) => {
                    let all = all.iter().cloned();
                    generations.extend(
                        all.enumerate()
                            .map(|(part, r)| (Slot { item: index, part }, r)),
                    );
                }
            }
            if let Some(target) = target {
                likelihoods.push((
                    Slot {
                        item: index,
                        part: 0,
                    },
                    target.clone(),
                ));
            }
        }
        let n_likelihoods = likelihoods.len() - before.0 + rolling.len() - before.1;
        let n_first = generations.len() - before.2;
        // Second answers stand after all first ones.
        let (n_generations, n_judged) = match item.follow_up {
            Some(FollowUp::Generate { .. }) => (2 * n_first, 0),
            Some(FollowUp::Judge { .. }) => (n_first, 2 * n_first),
            None => (n_first, 0),
        };
        let n_likelihoods = n_likelihoods + n_judged;
        open.push(Open {
            likelihoods: vec![None; n_likelihoods],
            generations: vec![None; n_generations],
            missing: n_likelihoods + n_generations,
        });
        responses.push(old.cloned());
    }
    let n_resumed = responses.iter().flatten().count() as u64;
    let mut keeper = Keeper {
        open,
        responses,
        items,
        n_done: n_resumed,
        record,
        progress,
        failed: None,
    };
    // An item without requests (no choices) has an empty response.
    for index in 0..items.len() {
        if keeper.open[index].missing == 0 && keeper.responses[index].is_none() {
            keeper.responses[index] = Some(ItemResponse::default());
        }
    }

    let place = |slots: &[Slot], what: &str, index: usize| {
        let slot = slots
            .get(index)
            .copied()
            .unwrap_or(Slot { item: 0, part: 0 });
        EvalError::Request {
            task: task.config.task.clone(),
            doc_id: items[slot.item].doc_id,
            part: match items[slot.item].choices.len() {
                0 => String::new(),
                _ => format!(", {what} {}", slot.part),
            },
            reason: String::new(),
        }
    };
    let mut work = Work::default();
    let mut ended = |result: Result<Work, LmError>,
                     slots: &[Slot],
                     what: &str,
                     keeper: &mut Keeper<'_>|
     -> Result<(), EvalError> {
        match (result, keeper.failed.take()) {
            (_, Some(reason)) => Err(EvalError::Record(reason)),
            (Ok(done), None) => {
                work.add(&done);
                Ok(())
            }
            (Err(error), None) => Err(EvalError::of_model(error, model.name(), |i| {
                place(slots, what, i)
            })),
        }
    };
    if !likelihoods.is_empty() {
        let (slots, requests): (Vec<Slot>, Vec<_>) = likelihoods.into_iter().unzip();
        let result = model.loglikelihood(&requests, &mut |i, response| {
            let slot = slots[i];
            keeper.open[slot.item].likelihoods[slot.part] = Some(response);
            keeper.settle(slot.item)
        });
        ended(result, &slots, "choice", &mut keeper)?;
    }
    if !rolling.is_empty() {
        let (slots, requests): (Vec<Slot>, Vec<_>) = rolling.into_iter().unzip();
        let result = model.loglikelihood_rolling(&requests, &mut |i, response| {
            let slot = slots[i];
            keeper.open[slot.item].likelihoods[slot.part] = Some(response);
            keeper.settle(slot.item)
        });
        ended(result, &slots, "text", &mut keeper)?;
    }
    if !generations.is_empty() {
        let (slots, requests): (Vec<Slot>, Vec<_>) = generations.into_iter().unzip();
        let result = model.generate(&requests, &mut |i, response| {
            let slot = slots[i];
            keeper.open[slot.item].generations[slot.part] = Some(response);
            keeper.settle(slot.item)
        });
        ended(result, &slots, "answer", &mut keeper)?;
        let judged = judgements(&slots, &requests, &keeper);
        let (slots, requests) = second_requests(&slots, &requests, &keeper);
        if !judged.is_empty() {
            let (slots, requests): (Vec<Slot>, Vec<_>) = judged.into_iter().unzip();
            let result = model.loglikelihood(&requests, &mut |i, response| {
                let slot = slots[i];
                keeper.open[slot.item].likelihoods[slot.part] = Some(response);
                keeper.settle(slot.item)
            });
            ended(result, &slots, "judgement", &mut keeper)?;
        }
        if !requests.is_empty() {
            let result = model.generate(&requests, &mut |i, response| {
                let slot = slots[i];
                keeper.open[slot.item].generations[slot.part] = Some(response);
                keeper.settle(slot.item)
            });
            ended(result, &slots, "second answer", &mut keeper)?;
        }
    }
    let responses: Vec<ItemResponse> = keeper
        .responses
        .into_iter()
        .map(Option::unwrap_or_default)
        .collect();
    let n_truncated = responses
        .iter()
        .flat_map(|r| {
            let scored = r.likelihoods.iter().map(|l| l.n_truncated);
            scored.chain(r.generations.iter().map(|g| g.n_truncated))
        })
        .filter(|n| *n > 0)
        .count() as u64;
    let (samples, scores) = score_items(model, task, plan, &responses, options)?;
    Ok(CellResult {
        samples,
        scores,
        work,
        n_resumed,
        n_truncated,
        n_items: plan.items.len() as u64,
    })
}

/// The second requests of items that have them, from the first and their answers.
fn second_requests(
    slots: &[Slot],
    requests: &[GenerateRequest],
    keeper: &Keeper<'_>,
) -> (Vec<Slot>, Vec<GenerateRequest>) {
    let second = |(slot, first): (&Slot, &GenerateRequest)| {
        let follow_up = keeper.items[slot.item].follow_up.as_ref()?;
        let all = &keeper.open[slot.item].generations;
        let answer = all[slot.part].as_ref()?;
        let place = Slot {
            item: slot.item,
            part: slot.part + all.len() / 2,
        };
        Some((place, follow_up.request(first, &answer.text)?))
    };
    slots.iter().zip(requests).filter_map(second).unzip()
}

/// The likelihoods that judge first answers, where items have them: of answer `part` those of
/// true and false are at 2·part and after.
fn judgements(
    slots: &[Slot],
    requests: &[GenerateRequest],
    keeper: &Keeper<'_>,
) -> Vec<(Slot, LoglikelihoodRequest)> {
    let mut all = Vec::new();
    for (slot, first) in slots.iter().zip(requests) {
        let answer = keeper.open[slot.item].generations[slot.part].as_ref();
        if let (Some(follow_up), Some(answer)) = (&keeper.items[slot.item].follow_up, answer) {
            let asked = follow_up.judgement(first, &answer.text).into_iter();
            all.extend(asked.enumerate().map(|(i, request)| {
                let part = 2 * slot.part + i;
                (Slot { part, ..*slot }, request)
            }));
        }
    }
    all
}

pub(crate) fn output_kind(task: &Task) -> OutputKind {
    kind(task.config.output_type)
}
