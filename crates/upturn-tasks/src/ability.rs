//! What a task file may say of itself under `metadata: {upturn: {...}}`, beside the harness's keys.

use serde_json::Value;

use crate::config::TaskConfig;

impl TaskConfig {
    fn stated(&self, key: &str) -> Option<&Value> {
        self.metadata.get("upturn")?.get(key)
    }

    /// The ability that the task measures: `metadata.upturn.ability`, or the task's own name.
    /// Tasks that ask for one ability in different ways are one task in measurements.
    #[must_use]
    pub fn ability(&self) -> &str {
        let stated = self.stated("ability").and_then(Value::as_str);
        stated.filter(|s| !s.is_empty()).unwrap_or(&self.task)
    }

    /// How the answer is elicited: `metadata.upturn.method`, or `direct`.
    #[must_use]
    pub fn method(&self) -> &str {
        let stated = self.stated("method").and_then(Value::as_str);
        stated.filter(|s| !s.is_empty()).unwrap_or("direct")
    }

    /// Score of a guess on exact metrics: `metadata.upturn.chance`, from 0 to below 1.
    #[must_use]
    pub fn stated_chance(&self) -> Option<f64> {
        let stated = self.stated("chance").and_then(Value::as_f64);
        stated.filter(|c| (0.0..1.0).contains(c))
    }

    /// Whether the stated chance is that of the best guess, more than a blind one scores:
    /// `metadata.upturn.blind_chance` is below it.
    #[must_use]
    pub fn is_chance_of_best_guess(&self) -> bool {
        let blind = self.stated("blind_chance").and_then(Value::as_f64);
        blind.zip(self.stated_chance()).is_some_and(|(b, c)| b < c)
    }
}
