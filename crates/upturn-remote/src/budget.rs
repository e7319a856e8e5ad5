//! What is spent, and where it must end.
//!
//! Before a request goes out the most that it can take is set aside (a token is at least
//! one byte of its text; an answer is at most as long as asked); when its answer is there,
//! that becomes what the server says it took. A request whose answer was lost may have been
//! billed, so what was set aside for it counts as spent. Thus neither limit is ever passed,
//! as long as the prices are right and the server counts what it bills.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::RemoteError;

/// Prices, US dollars for a million tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prices {
    /// Of tokens sent.
    pub input: f64,
    /// Of tokens that come back.
    pub output: f64,
}

impl Prices {
    fn of(&self, tokens: Tokens) -> f64 {
        (tokens.input as f64 * self.input + tokens.output as f64 * self.output) / 1e6
    }
}

/// Where spending ends.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Limits {
    /// US dollars; needs prices.
    pub max_cost: Option<f64>,
    /// Tokens sent and received together.
    pub max_tokens: Option<u64>,
    /// Prices given by the user.
    pub prices: Option<Prices>,
}

impl Limits {
    /// # Errors
    /// When a cost is limited without prices, or a number is none.
    pub(crate) fn check(&self) -> Result<(), RemoteError> {
        let fine = |x: f64| x.is_finite() && x >= 0.0;
        let prices = self.prices.is_none_or(|p| fine(p.input) && fine(p.output));
        if !prices || !self.max_cost.is_none_or(fine) {
            return Err(RemoteError::Limits(
                "a price or a limit is no number from 0".to_owned(),
            ));
        }
        if self.max_cost.is_some() && self.prices.is_none() {
            return Err(RemoteError::Limits(
                "a limit in dollars needs prices: give US dollars for a million tokens sent and \
                 received (--price-in, --price-out)"
                    .to_owned(),
            ));
        }
        Ok(())
    }
}

/// Tokens in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tokens {
    pub(crate) input: u64,
    pub(crate) output: u64,
}

impl Tokens {
    fn add(&mut self, other: Tokens) {
        self.input = self.input.saturating_add(other.input);
        self.output = self.output.saturating_add(other.output);
    }

    fn remove(&mut self, other: Tokens) {
        self.input = self.input.saturating_sub(other.input);
        self.output = self.output.saturating_sub(other.output);
    }
}

/// What a model has taken so far.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Spent {
    /// Requests that were answered by the server.
    pub n_answered: u64,
    /// Requests that were answered from the cache.
    pub n_cached: u64,
    /// Attempts that failed and were made again.
    pub n_retried: u64,
    /// Tokens sent, as the server counts them; the most possible for answers that were lost.
    pub input_tokens: u64,
    /// Tokens received, likewise.
    pub output_tokens: u64,
    /// US dollars for them, where prices are known.
    pub cost: Option<f64>,
}

#[derive(Debug, Default)]
struct State {
    used: Tokens,
    held: Tokens,
    n_held: usize,
    n_answered: u64,
    n_cached: u64,
    n_retried: u64,
}

/// The purse of one model.
#[derive(Debug)]
pub(crate) struct Budget {
    limits: Limits,
    state: Mutex<State>,
    changed: Condvar,
}

/// What became of what was set aside.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Settled {
    /// Answered; what it took, where the server says so.
    Answered(Option<Tokens>),
    /// Refused: nothing was billed.
    Refused,
    /// Perhaps billed, but the answer is lost.
    Lost,
}

impl Budget {
    pub(crate) fn new(limits: Limits) -> Self {
        Budget {
            limits,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn over(&self, tokens: Tokens) -> Option<String> {
        let cost = self.limits.prices.map(|p| p.of(tokens));
        if let (Some(cost), Some(max)) = (cost, self.limits.max_cost)
            && cost > max
        {
            return Some(format!("the limit of ${max} (--max-cost)"));
        }
        let n = tokens.input.saturating_add(tokens.output);
        match self.limits.max_tokens {
            Some(max) if n > max => Some(format!("the limit of {max} tokens (--token-limit)")),
            _ => None,
        }
    }

    /// Sets aside the most that a request can take; waits for others where that may help.
    ///
    /// # Errors
    /// A fragment that says which limit ends it here; empty when `stopped` says so.
    pub(crate) fn hold(&self, most: Tokens, stopped: &dyn Fn() -> bool) -> Result<(), String> {
        let mut state = self.state();
        loop {
            if stopped() {
                return Err(String::new());
            }
            let mut with = state.used;
            with.add(state.held);
            with.add(most);
            let Some(limit) = self.over(with) else {
                state.held.add(most);
                state.n_held += 1;
                return Ok(());
            };
            if state.n_held == 0 {
                let used = state.used;
                let cost = self.limits.prices.map(|p| format!(", ${:.4}", p.of(used)));
                return Err(format!(
                    "{limit} ends the run: {} tokens sent and {} received{} so far, and the next \
                     request may take {} and {}; answers are kept, so a higher limit goes on from here",
                    used.input,
                    used.output,
                    cost.unwrap_or_default(),
                    most.input,
                    most.output
                ));
            }
            let woken = self.changed.wait_timeout(state, Duration::from_millis(50));
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Settles what was set aside.
    pub(crate) fn settle(&self, most: Tokens, how: Settled) {
        let mut state = self.state();
        state.held.remove(most);
        state.n_held = state.n_held.saturating_sub(1);
        match how {
            Settled::Answered(usage) => {
                // To encode a text is free, and no answer of the model.
                state.n_answered += u64::from(most != Tokens::default());
                state.used.add(usage.unwrap_or(most));
            }
            Settled::Refused => state.n_retried += 1,
            Settled::Lost => {
                state.n_retried += 1;
                state.used.add(most);
            }
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Counts an answer from the cache, to a request that could have taken this.
    pub(crate) fn cached(&self, most: Tokens) {
        self.state().n_cached += u64::from(most != Tokens::default());
    }

    /// What is spent.
    pub(crate) fn spent(&self) -> Spent {
        let state = self.state();
        Spent {
            n_answered: state.n_answered,
            n_cached: state.n_cached,
            n_retried: state.n_retried,
            input_tokens: state.used.input,
            output_tokens: state.used.output,
            cost: self.limits.prices.map(|p| p.of(state.used)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(input: u64, output: u64) -> Tokens {
        Tokens { input, output }
    }

    #[test]
    fn a_limit_is_never_passed_and_lost_answers_count() {
        let budget = Budget::new(Limits {
            max_cost: Some(0.001),
            max_tokens: None,
            prices: Some(Prices {
                input: 1.0,
                output: 10.0,
            }),
        });
        let never = || false;
        // 500 + 10 · 20 = 700 millionths of a dollar; twice that is too much.
        budget.hold(tokens(500, 20), &never).unwrap();
        budget.settle(tokens(500, 20), Settled::Answered(Some(tokens(100, 20))));
        budget.hold(tokens(500, 20), &never).unwrap();
        budget.settle(tokens(500, 20), Settled::Lost);
        let line = budget.hold(tokens(1, 0), &never).unwrap_err();
        assert!(
            line.contains("$0.001") && line.contains("600 tokens sent"),
            "{line}"
        );
        let spent = budget.spent();
        assert_eq!(
            (spent.input_tokens, spent.n_answered, spent.n_retried),
            (600, 1, 1)
        );
        assert!((spent.cost.unwrap() - 0.001).abs() < 1e-12);
    }

    #[test]
    fn a_request_waits_while_others_may_give_back() {
        let budget = Budget::new(Limits {
            max_tokens: Some(100),
            ..Limits::default()
        });
        budget.hold(tokens(80, 0), &|| false).unwrap();
        std::thread::scope(|s| {
            let waiting = s.spawn(|| budget.hold(tokens(50, 0), &|| false));
            budget.settle(tokens(80, 0), Settled::Answered(Some(tokens(20, 0))));
            assert_eq!(waiting.join().unwrap(), Ok(()));
        });
        assert!(budget.hold(tokens(60, 0), &|| true).is_err());
    }

    #[test]
    fn dollars_need_prices() {
        let limits = Limits {
            max_cost: Some(1.0),
            ..Limits::default()
        };
        assert!(
            limits
                .check()
                .unwrap_err()
                .to_string()
                .contains("--price-in")
        );
    }
}
