//! What is evaluated: calls of the evaluation, each one model (or one family on disk) on the
//! tasks of one block with one number of examples.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use upturn_ladder::Member;
use upturn_study::{Eval, Form, Method, Study, Tokens};
use upturn_synth::{Generator, Split};
use upturn_tasks::generated::{is_meant, split_names};

use super::families::{BASE, Families, Planned, PlannedSource};
use crate::exit::{Exit, Failure};

/// Items of generated tasks where a block has no limit.
const N_ITEMS: usize = 2000;
/// Items drawn to know how long a task's are.
const N_MEASURED: usize = 50;

/// Seconds of one thread that an item takes beside its model: prompts, scores, files.
const SECS_AN_ITEM: f64 = 1e-4;
/// Seconds that the curves of a task take, all metrics together.
const SECS_A_CURVE: f64 = 0.5;
/// FLOPs a second, to weigh calls before anything was measured.
const TYPICAL_RATE: f64 = 1e11;

/// All calls, in order.
pub struct Cells {
    /// The calls.
    pub calls: Vec<Call>,
    /// What there is to say of them.
    pub notes: Vec<String>,
}

/// One call.
pub struct Call {
    /// Folder below `eval/`, the same for all models of a block and number of examples.
    pub block: String,
    /// Models, as `upturn eval --model` takes them.
    pub models: Vec<String>,
    /// Name in messages.
    pub name: String,
    /// Parameters of the model, where it is a member of a ladder.
    pub n_params: Option<usize>,
    /// Place among the models of its ladder, for shares.
    pub place: usize,
    /// Tasks, as `upturn eval --tasks` takes them.
    pub tasks: Vec<String>,
    /// Tokens of all prompts and answers, for generated tasks where characters are tokens.
    pub tokens: Option<u64>,
    /// Items of all tasks, where they are generated.
    pub n_items: Option<u64>,
    /// Further arguments of `upturn eval`.
    pub arguments: Vec<String>,
}

impl Call {
    /// Cells of this call.
    pub fn n_cells(&self) -> usize {
        self.models.len() * self.tasks.len()
    }

    /// Work of this call beside others: seconds where they can be told, else its cells.
    pub fn weight(&self) -> f64 {
        self.estimate_secs(Some(TYPICAL_RATE))
            .unwrap_or_else(|| self.n_cells() as f64)
    }

    /// Seconds on all threads at this rate of FLOPs a second; `None` for models from elsewhere
    /// and tasks from files.
    fn estimate_secs(&self, rate: Option<f64>) -> Option<f64> {
        let flops = 2.0 * self.n_params? as f64 * self.tokens? as f64;
        let threads = rayon::current_num_threads() as f64;
        Some(flops / rate? + SECS_AN_ITEM * self.n_items? as f64 / threads)
    }
}

impl Cells {
    /// Seconds that the evaluation should take where training runs at this rate (FLOPs a
    /// second), if that can be told.
    pub fn estimate_secs(&self, rate: Option<f64>) -> Option<f64> {
        self.calls.iter().map(|c| c.estimate_secs(rate)).sum()
    }

    /// Seconds that the analysis should take.
    pub fn estimate_analysis_secs(&self) -> f64 {
        let mut curves: BTreeSet<(&str, &str)> = BTreeSet::new();
        for call in &self.calls {
            curves.extend(call.tasks.iter().map(|t| (call.block.as_str(), t.as_str())));
        }
        1.0 + SECS_A_CURVE * curves.len() as f64
    }

    /// Works out the calls.
    pub fn plan(study: &Study, families: &Families) -> Result<Cells, Failure> {
        let mut cells = Cells {
            calls: Vec::new(),
            notes: Vec::new(),
        };
        check_names(study, families)?;
        for (i, eval) in study.evals.iter().enumerate() {
            for shots in shots_of(eval) {
                let block = match shots {
                    Some(k) => format!("{}-{k}shot", i + 1),
                    None => (i + 1).to_string(),
                };
                for family in families.all() {
                    let wanted = eval.families.as_ref().is_none_or(|names| {
                        family
                            .name
                            .as_ref()
                            .is_some_and(|name| names.contains(name))
                    });
                    if wanted {
                        cells.add(study, eval, &block, shots, family)?;
                    }
                }
            }
        }
        cells.notes.sort();
        cells.notes.dedup();
        Ok(cells)
    }

    fn add(
        &mut self,
        study: &Study,
        eval: &Eval,
        block: &str,
        shots: Option<usize>,
        family: &Planned,
    ) -> Result<(), Failure> {
        let mut arguments = vec![format!("--seed={}", study.seed)];
        if let Some(shots) = shots {
            arguments.push(format!("--num-fewshot={shots}"));
        }
        if let Some(limit) = eval.limit {
            arguments.push(format!("--limit={limit}"));
        }
        for folder in &eval.include_path {
            arguments.push(format!("--include-path={}", folder.display()));
        }
        if eval.apply_chat_template {
            arguments.push("--apply-chat-template".to_owned());
        }
        match &family.source {
            PlannedSource::Results(_) => {}
            PlannedSource::Models { models, tokens } => {
                let form = eval.form.unwrap_or(Form::Words);
                let tasks = self.tasks(study, eval, form)?;
                if let Some(name) = &family.name {
                    arguments.push(format!("--family={name}"));
                }
                match tokens {
                    None => {}
                    Some(Tokens::All(n)) => arguments.push(format!("--train-tokens={n}")),
                    Some(Tokens::Each(all)) => arguments.extend(
                        all.iter()
                            .map(|(model, n)| format!("--train-tokens={model}={n}")),
                    ),
                }
                self.calls.push(Call {
                    block: block.to_owned(),
                    models: models.clone(),
                    name: family.name.clone().unwrap_or_else(|| models.join(", ")),
                    n_params: None,
                    place: 0,
                    tasks: tasks.into_iter().map(|t| t.0).collect(),
                    tokens: None,
                    n_items: None,
                    arguments,
                });
            }
            PlannedSource::Ladder { plan, models } => {
                let form = eval.form.unwrap_or(Form::Short);
                let tasks = self.tasks(study, eval, form)?;
                let tokens: Option<u64> = tasks.iter().map(|t| t.1).sum();
                let a_task = eval.limit.unwrap_or(N_ITEMS) as u64;
                let n_items = tokens.map(|_| a_task * tasks.len() as u64);
                let tasks: Vec<String> = tasks.into_iter().map(|t| t.0).collect();
                let is_wanted = |m: &&Member| {
                    let tuning = m.tuning.as_deref().unwrap_or(BASE);
                    match &eval.tuning {
                        None => tuning == BASE,
                        Some(names) => names.all().iter().any(|n| n == tuning),
                    }
                };
                let bases: Vec<&str> = plan
                    .members
                    .iter()
                    .filter(|m| m.parent.is_none())
                    .map(|m| m.name.as_str())
                    .collect();
                for member in plan.members.iter().filter(is_wanted) {
                    let base = member.parent.as_deref().unwrap_or(&member.name);
                    let place = bases.iter().position(|b| *b == base).unwrap_or(0);
                    for folder in folders(models, member, eval.checkpoints) {
                        self.calls.push(Call {
                            block: block.to_owned(),
                            name: member.name.clone(),
                            models: vec![folder.display().to_string()],
                            n_params: Some(member.n_params),
                            place,
                            tasks: tasks.clone(),
                            tokens,
                            n_items,
                            arguments: arguments.clone(),
                        });
                    }
                }
            }
        }
        Ok(())
    }

    /// The tasks of a block as `upturn eval` takes them, each with the tokens of its items
    /// where characters are tokens.
    fn tasks(
        &mut self,
        study: &Study,
        eval: &Eval,
        form: Form,
    ) -> Result<Vec<(String, Option<u64>)>, Failure> {
        let mut tasks = Vec::new();
        for name in eval.tasks.iter().flat_map(|list| split_names(list)) {
            if !is_meant(&name) || Path::new(&name).exists() {
                tasks.push((name, None));
                continue;
            }
            if name.contains('@') {
                tasks.push((name, None));
                continue;
            }
            let refused = |e: upturn_synth::SynthError| {
                Failure::new(Exit::NoInput, format!("eval: task '{name}': {e}"))
            };
            let (spec, rows) = split_rows(&name);
            let generator = Generator::parse(&spec).map_err(refused)?;
            let mut full = spec.clone();
            let mut add = |key: &str, value: &dyn std::fmt::Display| {
                if !rows.iter().any(|r| r.starts_with(&format!("{key}="))) {
                    full.push(if full.contains(':') { ',' } else { ':' });
                    full.push_str(&format!("{key}={value}"));
                }
            };
            add("items", &eval.limit.unwrap_or(N_ITEMS));
            add("seed", &study.seed);
            for row in &rows {
                full.push(if full.contains(':') { ',' } else { ':' });
                full.push_str(row);
            }
            for method in &eval.methods {
                let style = match (form, method) {
                    (Form::Short, Method::Direct) => "short",
                    (Form::Short, Method::Scratchpad) => "scratchpad",
                    (Form::Words, Method::Direct) => "words",
                    (Form::Words, Method::Scratchpad) => "cot",
                };
                if *method == Method::Scratchpad && !generator.has_steps() {
                    self.notes.push(format!(
                        "{} has no worked steps, so it is asked directly only",
                        generator.name()
                    ));
                    continue;
                }
                let n = eval.limit.unwrap_or(N_ITEMS);
                let tokens = characters(&generator, form, *method, n);
                tasks.push((format!("{full}@{style}"), Some(tokens)));
            }
        }
        Ok(tasks)
    }

    /// How many cells there are.
    pub fn len(&self) -> usize {
        self.calls.iter().map(Call::n_cells).sum()
    }

    /// The plan for a terminal.
    pub fn table(&self) -> String {
        let blocks = self.by_block();
        let mut text = String::new();
        for (block, n_models, tasks, tokens) in blocks {
            let tokens = match tokens {
                Some(n) => format!(", about {n:.2e} tokens a model", n = n as f64),
                None => String::new(),
            };
            text.push_str(&format!(
                "evaluation {block}: {n_models} models × {} tasks{tokens}\n    {}\n",
                tasks.len(),
                tasks.join(" ")
            ));
        }
        text.push_str(&format!("{} cells\n", self.len()));
        text
    }

    /// The plan for machines.
    pub fn json(&self) -> Value {
        let blocks: Vec<Value> = self
            .by_block()
            .into_iter()
            .map(|(block, n_models, tasks, tokens)| {
                json!({"block": block, "models": n_models, "tasks": tasks, "tokens_per_model": tokens})
            })
            .collect();
        json!({"blocks": blocks, "cells": self.len()})
    }

    fn by_block(&self) -> Vec<(&str, usize, &[String], Option<u64>)> {
        let mut blocks: Vec<(&str, usize, &[String], Option<u64>)> = Vec::new();
        for call in &self.calls {
            let same = blocks
                .iter_mut()
                .find(|b| b.0 == call.block && b.2 == call.tasks.as_slice());
            match same {
                Some(block) => block.1 += call.models.len(),
                None => blocks.push((&call.block, call.models.len(), &call.tasks, call.tokens)),
            }
        }
        blocks
    }
}

/// Numbers of examples of a block.
fn shots_of(eval: &Eval) -> Vec<Option<usize>> {
    match &eval.num_fewshot {
        None => vec![None],
        Some(shots) => shots.all().iter().copied().map(Some).collect(),
    }
}

/// The folders of a member: its last, and those along training where they are wanted.
fn folders(models: &Path, member: &Member, checkpoints: bool) -> Vec<PathBuf> {
    let own = models.join(&member.name);
    let mut all = Vec::new();
    if checkpoints {
        let before = member.checkpoints.iter().filter(|s| **s < member.steps);
        all.extend(before.map(|step| own.join(format!("checkpoints/step-{step:08}"))));
    }
    all.push(own);
    all
}

/// A generator's own words, and those that say which of its items are meant.
fn split_rows(name: &str) -> (String, Vec<String>) {
    let (kind, words) = name.split_once(':').unwrap_or((name, ""));
    let (rows, own): (Vec<&str>, Vec<&str>) =
        words.split(',').filter(|w| !w.is_empty()).partition(|w| {
            ["items=", "seed=", "skill="]
                .iter()
                .any(|k| w.starts_with(k))
        });
    let spec = match own.is_empty() {
        true => kind.to_owned(),
        false => format!("{kind}:{}", own.join(",")),
    };
    (spec, rows.into_iter().map(str::to_owned).collect())
}

/// Characters of so many items, twice: they are asked, and their targets scored.
fn characters(generator: &Generator, form: Form, method: Method, n: usize) -> u64 {
    let items = generator.items(0, Split::Test, N_MEASURED);
    let chars = |text: &str| text.chars().count();
    let total: usize = items
        .iter()
        .map(|item| match (form, method) {
            (Form::Words, method) => {
                let reasoning = item.reasoning.as_deref().unwrap_or_default();
                let answer = match method {
                    Method::Direct => chars(&item.answer),
                    Method::Scratchpad => chars(&item.answer) + chars(reasoning),
                };
                chars(&item.asked_in_words()) + answer
            }
            (Form::Short, method) => {
                let form = match method {
                    Method::Scratchpad => upturn_synth::Form::Steps,
                    Method::Direct => upturn_synth::Form::Direct,
                };
                let (prompt, rest) = item.short(form);
                chars(prompt) + chars(&rest)
            }
        })
        .sum();
    (2 * n * total / items.len().max(1)) as u64
}
/// Names of families and finetunes that blocks ask for must exist.
fn check_names(study: &Study, families: &Families) -> Result<(), Failure> {
    let known: Vec<&str> = families
        .all()
        .iter()
        .filter_map(|f| f.name.as_deref())
        .collect();
    let mut tunings = vec![BASE];
    for member in families.ladders().flat_map(|p| &p.members) {
        tunings.extend(member.tuning.as_deref());
    }
    tunings.sort_unstable();
    tunings.dedup();
    for (i, eval) in study.evals.iter().enumerate() {
        let fault = |what: &str, name: &str, known: &[&str]| {
            Failure::new(
                Exit::NoInput,
                format!(
                    "eval {}: no {what} is called '{name}'; there are {}",
                    i + 1,
                    known.join(", ")
                ),
            )
        };
        for name in eval.families.iter().flatten() {
            if !known.contains(&name.as_str()) {
                return Err(fault("family", name, &known));
            }
        }
        for name in eval.tuning.iter().flat_map(|t| t.all()) {
            if !tunings.contains(&name.as_str()) {
                return Err(fault("tuning", name, &tunings));
            }
        }
    }
    Ok(())
}
