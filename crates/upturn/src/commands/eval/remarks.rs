//! What there is to say of tasks and cells beside their results.

use upturn_eval::CellPlan;
use upturn_tasks::{Item, ItemRequests, Task, TaskConfig};

use super::cells::CellFile;
use super::messages::{Gathered, Refusals, listed, warn};
use super::table::thousands;

/// What there is to say of several tasks, each thing once.
#[derive(Default)]
pub struct Remarks {
    /// What has no effect, by the place in the file.
    without_effect: Gathered,
    /// Temperatures that have none, by task.
    temperatures: Gathered,
    /// Data that cannot be had, by task.
    pub lost_data: Gathered,
}

impl Remarks {
    /// Notes what a task's settings give to say.
    pub fn of(&mut self, config: &TaskConfig, is_parity: bool) {
        for line in &config.warnings {
            match line.split_once(": ") {
                Some((place, text)) => self.without_effect.add(place, text),
                None => self.without_effect.add("", line),
            }
        }
        if let Some(temperature) = config.ignored_temperature().filter(|_| !is_parity) {
            self.temperatures
                .add(&config.task, &temperature.to_string());
        }
    }

    /// Says all of it; lost data is refused.
    pub fn say(self, refused: &mut Refusals) {
        for (text, places) in self.without_effect.into_messages() {
            warn(&format!("{}: {text}", listed(&places)));
        }
        for (temperature, tasks) in self.temperatures.into_messages() {
            warn(&format!(
                "{}: temperature {temperature} has no effect, because do_sample is false; set \
                 do_sample=true to draw answers, or leave the temperature out",
                listed(&tasks)
            ));
        }
        for (reason, tasks) in self.lost_data.into_messages() {
            let word = if tasks.len() == 1 { "task" } else { "tasks" };
            refused.add(match tasks.as_slice() {
                [only] => format!("{word} '{only}': {reason}"),
                _ => format!("{} {word} ({}): {reason}", tasks.len(), listed(&tasks)),
            });
        }
    }
}

/// What there is to say of a model's cells, at its end.
#[derive(Default)]
pub struct CellRemarks {
    n_truncated: u64,
    truncated: Vec<String>,
    not_finite: Vec<String>,
}

impl CellRemarks {
    /// Notes what a finished cell gives to say.
    pub fn of(&mut self, file: &CellFile) {
        if file.n_truncated > 0 {
            self.n_truncated += file.n_truncated;
            self.truncated.push(file.task.name.clone());
        }
        for score in &file.not_finite {
            self.not_finite
                .push(format!("{} of {}", score, file.task.name));
        }
    }

    /// Says all of it.
    pub fn say(self, model: &str, max_length: usize) {
        if self.n_truncated > 0 {
            warn(&format!(
                "{model}: the context of {} requests was cut to the model's length of {max_length}, in {}",
                thousands(self.n_truncated),
                listed(&self.truncated)
            ));
        }
        if !self.not_finite.is_empty() {
            warn(&format!(
                "{model}: scores that are no finite number are left out: {}",
                listed(&self.not_finite)
            ));
        }
    }
}

/// A line on items that have one choice only, where there are any.
pub fn one_choice(task: &Task, plan: &CellPlan) -> Option<String> {
    let is_one = |item: &&Item| matches!(&item.requests, ItemRequests::Choices { conditional, .. } if conditional.len() == 1);
    let n = plan.items.iter().filter(is_one).count();
    let name = &task.config.task;
    match n {
        0 => None,
        n if n == plan.items.len() => Some(format!(
            "{name}: all {n} items have a single choice, which is right whatever the model: samples \
             and scores are kept, without chance, so that no verdict comes of them"
        )),
        n => Some(format!(
            "{name}: {n} of {} items have a single choice, which is right whatever the model; they \
             are kept and counted, in chance too",
            plan.items.len()
        )),
    }
}
