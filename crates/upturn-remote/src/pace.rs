//! How many requests are under way: additive increase, multiplicative decrease.
//!
//! The window grows by one for every window of answers and halves when the server says
//! that it is too much (Chiu and Jain, 1989). A refusal that was provoked before the last
//! halving does not halve again. Where the server names a time, nobody asks before it.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::clock::now;

/// Requests that go out at once at the beginning.
const WINDOW_AT_FIRST: f64 = 8.0;

/// How a request ended, as far as the pace is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Answered.
    Answered,
    /// Too many, too fast, or the server is down; not to be asked again before this long.
    Overload(Option<Duration>),
    /// Anything that says nothing about the pace.
    Other,
}

/// Leave to ask, once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turn {
    epoch: u64,
}

#[derive(Debug)]
struct State {
    window: f64,
    in_flight: usize,
    epoch: u64,
    not_before: Option<Instant>,
}

/// The pace at which one server is asked.
#[derive(Debug)]
pub(crate) struct Pace {
    max: usize,
    state: Mutex<State>,
    changed: Condvar,
}

impl Pace {
    /// At most `max` requests at once.
    pub(crate) fn new(max: usize) -> Self {
        Pace {
            max: max.max(1),
            state: Mutex::new(State {
                window: WINDOW_AT_FIRST.min(max.max(1) as f64),
                in_flight: 0,
                epoch: 0,
                not_before: None,
            }),
            changed: Condvar::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn; `None` when `stopped` says so.
    pub(crate) fn enter(&self, stopped: &dyn Fn() -> bool) -> Option<Turn> {
        /// Longest sleep between looks at `stopped`.
        const LOOK: Duration = Duration::from_millis(50);
        let mut state = self.state();
        loop {
            if stopped() {
                return None;
            }
            let wait = state
                .not_before
                .and_then(|at| at.checked_duration_since(now()));
            match wait.filter(|w| !w.is_zero()) {
                None if (state.in_flight as f64) < state.window.floor() => {
                    state.in_flight += 1;
                    return Some(Turn { epoch: state.epoch });
                }
                None => state = self.sleep(state, LOOK),
                Some(wait) => state = self.sleep(state, wait.min(LOOK)),
            }
        }
    }

    fn sleep<'s>(&'s self, state: MutexGuard<'s, State>, wait: Duration) -> MutexGuard<'s, State> {
        let woken = self.changed.wait_timeout(state, wait);
        woken.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Ends a turn.
    pub(crate) fn leave(&self, turn: Turn, ended: Ended) {
        let mut state = self.state();
        state.in_flight = state.in_flight.saturating_sub(1);
        match ended {
            Ended::Answered => {
                state.window = (state.window + 1.0 / state.window).min(self.max as f64);
            }
            Ended::Overload(wait) => {
                if turn.epoch == state.epoch {
                    state.window = (state.window / 2.0).max(1.0);
                    state.epoch += 1;
                }
                let until = wait.and_then(|w| now().checked_add(w));
                state.not_before = state.not_before.max(until);
            }
            Ended::Other => {}
        }
        drop(state);
        self.changed.notify_all();
    }

    /// The window as it is.
    #[cfg(test)]
    pub(crate) fn window(&self) -> f64 {
        self.state().window
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_of_one_window_halve_once_and_answers_add_one_for_a_window() {
        let pace = Pace::new(64);
        let go = || pace.enter(&|| false).unwrap();
        let turns: Vec<Turn> = (0..8).map(|_| go()).collect();
        for turn in &turns[..4] {
            pace.leave(*turn, Ended::Overload(None));
        }
        assert_eq!(pace.window(), 4.0);
        for turn in &turns[4..] {
            pace.leave(*turn, Ended::Answered);
        }
        // 4 + 1/4, then a little less for each: about one for a window of answers.
        assert!((4.9..5.0).contains(&pace.window()), "{}", pace.window());
        for _ in 0..6 {
            pace.leave(go(), Ended::Overload(None));
        }
        assert_eq!(pace.window(), 1.0);
        for _ in 0..10_000 {
            pace.leave(go(), Ended::Answered);
        }
        assert_eq!(pace.window(), 64.0);
    }

    #[test]
    fn nobody_asks_before_the_time_that_the_server_named() {
        let pace = Pace::new(4);
        let turn = pace.enter(&|| false).unwrap();
        let start = now();
        pace.leave(turn, Ended::Overload(Some(Duration::from_millis(120))));
        assert!(pace.enter(&|| false).is_some());
        assert!(start.elapsed() >= Duration::from_millis(120));
        // A stop is heard while waiting.
        let turn = Turn { epoch: 9 };
        pace.leave(turn, Ended::Overload(Some(Duration::from_secs(3600))));
        assert!(
            pace.enter(&|| start.elapsed() > Duration::from_millis(200))
                .is_none()
        );
    }
}
