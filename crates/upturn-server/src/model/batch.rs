//! Requests that come together go through the model together.
//!
//! One thread owns the model's time. It takes the first request that waits, gives others a
//! few milliseconds, and runs all that are there: first what is scored, then what is
//! continued. While it is busy the next batch gathers by itself.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use upturn_types::{Flow, LmError};

use super::error::ApiError;
use super::served::{AnswerJob, ScoreJob, Scored, ServedModel, Written};

/// Most tokens of a batch: what more there is waits for the next.
const TOKENS_MAX: usize = 1 << 20;

/// A job with the place that its result goes to.
struct Ticket<J, R> {
    job: J,
    to: oneshot::Sender<Result<R, LmError>>,
}

enum Work {
    Score(Ticket<ScoreJob, Scored>),
    Write(Ticket<AnswerJob, Written>),
}

impl Work {
    fn n_tokens(&self) -> usize {
        match self {
            Work::Score(t) => t.job.tokens.len(),
            Work::Write(t) => t.job.tokens.len() + t.job.max_tokens,
        }
    }
}

/// Where jobs are handed in.
#[derive(Debug, Clone)]
pub(crate) struct Batcher {
    to: Sender<Work>,
    n_waiting: Arc<AtomicUsize>,
    waiting_max: usize,
}

impl std::fmt::Debug for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Work of {} tokens", self.n_tokens())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long others are waited for; no result depends on it"
)]
fn now() -> Instant {
    Instant::now()
}

impl Batcher {
    /// Starts the thread; it ends with the last sender.
    pub(crate) fn start(model: Arc<dyn ServedModel>, gather: Duration, waiting_max: usize) -> Self {
        let (to, from) = channel();
        let n_waiting = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&n_waiting);
        std::thread::spawn(move || {
            while let Some(batch) = gathered(&from, gather) {
                count.fetch_sub(batch.len(), Ordering::Relaxed);
                run(&*model, batch);
            }
        });
        Batcher {
            to,
            n_waiting,
            waiting_max,
        }
    }

    fn hand_in(&self, work: Work) -> Result<(), ApiError> {
        if self.n_waiting.fetch_add(1, Ordering::Relaxed) >= self.waiting_max {
            self.n_waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(ApiError::busy());
        }
        self.to
            .send(work)
            .map_err(|_| ApiError::model("the model has failed; start the server again"))
    }

    /// Hands in jobs and waits for all of them, in their order.
    pub(crate) async fn score(&self, jobs: Vec<ScoreJob>) -> Result<Vec<Scored>, ApiError> {
        let mut waiting = Vec::with_capacity(jobs.len());
        for job in jobs {
            let (to, from) = oneshot::channel();
            self.hand_in(Work::Score(Ticket { job, to }))?;
            waiting.push(from);
        }
        all(waiting).await
    }

    /// As [`Batcher::score`].
    pub(crate) async fn write(&self, jobs: Vec<AnswerJob>) -> Result<Vec<Written>, ApiError> {
        let mut waiting = Vec::with_capacity(jobs.len());
        for job in jobs {
            let (to, from) = oneshot::channel();
            self.hand_in(Work::Write(Ticket { job, to }))?;
            waiting.push(from);
        }
        all(waiting).await
    }
}

async fn all<R>(waiting: Vec<oneshot::Receiver<Result<R, LmError>>>) -> Result<Vec<R>, ApiError> {
    let mut results = Vec::with_capacity(waiting.len());
    for from in waiting {
        let result = from
            .await
            .map_err(|_| ApiError::model("the model has failed; start the server again"))?;
        results.push(result.map_err(|e| match e {
            LmError::Request { reason, .. } => ApiError::field("prompt", reason),
            e => ApiError::model(e.to_string()),
        })?);
    }
    Ok(results)
}

/// The next batch; `None` when nobody can hand in any more.
fn gathered(from: &Receiver<Work>, gather: Duration) -> Option<Vec<Work>> {
    let first = from.recv().ok()?;
    let until = now() + gather;
    let mut n_tokens = first.n_tokens();
    let mut batch = vec![first];
    while n_tokens < TOKENS_MAX {
        match from.recv_timeout(until.saturating_duration_since(now())) {
            Ok(work) => {
                n_tokens += work.n_tokens();
                batch.push(work);
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
        }
    }
    Some(batch)
}

fn run(model: &dyn ServedModel, batch: Vec<Work>) {
    let (mut scores, mut writes) = (Vec::new(), Vec::new());
    for work in batch {
        // Who has gone away needs no answer.
        match work {
            Work::Score(ticket) if !ticket.to.is_closed() => scores.push(ticket),
            Work::Write(ticket) if !ticket.to.is_closed() => writes.push(ticket),
            Work::Score(_) | Work::Write(_) => {}
        }
    }
    settle(scores, |jobs, done| model.score(jobs, done));
    settle(writes, |jobs, done| model.write(jobs, done));
}

/// Runs jobs; where one makes the batch fail, each that is left runs alone.
fn settle<J: Clone, R>(
    tickets: Vec<Ticket<J, R>>,
    mut run: impl FnMut(&[J], &mut dyn FnMut(usize, R) -> Flow) -> Result<(), LmError>,
) {
    if tickets.is_empty() {
        return;
    }
    let jobs: Vec<J> = tickets.iter().map(|t| t.job.clone()).collect();
    let places: Vec<_> = tickets
        .into_iter()
        .map(|t| Mutex::new(Some(t.to)))
        .collect();
    let take = |at: usize| {
        let mut place = places[at].lock().unwrap_or_else(PoisonError::into_inner);
        place.take()
    };
    let answer = |at: usize, result: Result<R, LmError>| {
        if let Some(to) = take(at) {
            let _gone = to.send(result);
        }
    };
    let together = run(&jobs, &mut |at, result| {
        answer(at, Ok(result));
        Flow::Continue(())
    });
    let Err(error) = together else { return };
    for at in 0..jobs.len() {
        let left = {
            let place = places[at].lock().unwrap_or_else(PoisonError::into_inner);
            place.is_some()
        };
        if !left {
            continue;
        }
        let alone = match jobs.len() {
            1 => Err(error.clone()),
            _ => run(&jobs[at..=at], &mut |_, result| {
                answer(at, Ok(result));
                Flow::Continue(())
            }),
        };
        if let Err(error) = alone {
            answer(at, Err(error));
        }
    }
}
