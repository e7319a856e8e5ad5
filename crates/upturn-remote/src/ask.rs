//! Every question is answered once: from the cache, or by the server however often it takes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use serde_json::Value;
use upturn_types::Flow;

use crate::backoff;
use crate::budget::{Budget, Settled};
use crate::cache::{Cache, CacheKey};
use crate::clock::now;
use crate::http::{Http, Reply};
use crate::options::{Patience, Stop};
use crate::pace::{Ended, Pace};
use crate::protocol::{Answer, Kind, Question};

/// Longest sleep between looks at whether to stop.
const LOOK: Duration = Duration::from_millis(50);

/// Times that a server may be too busy for one question.
const BUSY_MAX: u32 = 100;

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The server refuses this question; others may pass.
    Question(usize, String),
    /// The server gives no more answers, or the budget ends.
    Server(String),
    /// The caller asked to stop.
    Stopped,
}

/// Everything that asking needs.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) http: Http,
    pub(crate) pace: Pace,
    pub(crate) budget: Budget,
    pub(crate) cache: Option<Cache>,
    pub(crate) patience: Patience,
    pub(crate) seed: u64,
    pub(crate) concurrency: usize,
    /// The server and the model as messages name them.
    pub(crate) place: String,
    pub(crate) model: String,
    /// What tells this model from every other in keys.
    pub(crate) identity: String,
}

/// One call's questions.
struct Round {
    questions: Vec<(Question, CacheKey)>,
    next: AtomicUsize,
    stopped: AtomicBool,
    user: Option<UserStop>,
}

struct UserStop(Stop);

impl Round {
    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed) || self.user.as_ref().is_some_and(|u| (u.0)())
    }
}

/// Puts questions and hands out each answer once, as it comes; equal questions are put once.
/// Where answers are to be `fresh`, the cache is not looked into (but they are kept in it).
///
/// # Errors
/// At the first question that has no answer; answers handed out stand, and what is under
/// way is still kept in the cache.
pub(crate) fn ask(
    line: &Arc<Line>,
    stop: Option<&Stop>,
    questions: Vec<Question>,
    fresh: bool,
    done: &mut dyn FnMut(usize, Answer) -> Flow,
) -> Result<(), Fault> {
    // Places that wait for each question that is to be put.
    let mut waiting: Vec<Vec<usize>> = Vec::new();
    let mut open: Vec<(Question, CacheKey)> = Vec::new();
    let mut known: BTreeMap<CacheKey, usize> = BTreeMap::new();
    for (place, question) in questions.into_iter().enumerate() {
        let key = question.key(&line.identity);
        if let Some(&at) = known.get(&key) {
            waiting[at].push(place);
            continue;
        }
        if !fresh && let Some(answer) = line.recall(&question, &key)? {
            line.budget.cached(question.most);
            if done(place, answer).is_break() {
                return Err(Fault::Stopped);
            }
            continue;
        }
        known.insert(key, open.len());
        waiting.push(vec![place]);
        open.push((question, key));
    }
    let n_open = open.len();
    if n_open == 0 {
        return Ok(());
    }
    let round = Arc::new(Round {
        questions: open,
        next: AtomicUsize::new(0),
        stopped: AtomicBool::new(false),
        user: stop.cloned().map(UserStop),
    });
    let (sender, answers) = mpsc::channel();
    for _ in 0..line.concurrency.clamp(1, n_open) {
        let (line, round, sender) = (Arc::clone(line), Arc::clone(&round), sender.clone());
        // Not joined: a stop need not wait for answers that are under way.
        std::thread::spawn(move || {
            loop {
                let at = round.next.fetch_add(1, Ordering::Relaxed);
                let Some((question, key)) = round.questions.get(at) else {
                    break;
                };
                let answer = line.answer(question, key, &|| round.is_stopped());
                if sender.send((at, answer)).is_err() {
                    break;
                }
            }
        });
    }
    drop(sender);
    let end = |fault: Fault| {
        round.stopped.store(true, Ordering::Relaxed);
        Err(fault)
    };
    let mut n_answered = 0;
    while n_answered < n_open {
        let (at, answer) = match answers.recv_timeout(LOOK) {
            Ok(next) => next,
            Err(mpsc::RecvTimeoutError::Timeout) if round.is_stopped() => {
                return end(Fault::Stopped);
            }
            Err(mpsc::RecvTimeoutError::Timeout) => continue,
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                return end(Fault::Server(format!(
                    "{}: a thread that asks has died",
                    line.place
                )));
            }
        };
        n_answered += 1;
        match answer {
            Ok(answer) => {
                for &place in &waiting[at] {
                    if done(place, answer.clone()).is_break() {
                        return end(Fault::Stopped);
                    }
                }
            }
            Err(Fault::Question(_, reason)) => {
                return end(Fault::Question(waiting[at][0], reason));
            }
            Err(fault) => return end(fault),
        }
    }
    Ok(())
}

impl Line {
    /// SHA-256, hex, of the model's identity.
    pub(crate) fn identity_hash(&self) -> String {
        use sha2::{Digest as _, Sha256};
        let hash = Sha256::digest(self.identity.as_bytes());
        hash.iter().map(|b| format!("{b:02x}")).collect()
    }

    /// An answer that is kept. One that cannot be read any more is asked for again.
    fn recall(&self, question: &Question, key: &CacheKey) -> Result<Option<Answer>, Fault> {
        let Some(cache) = &self.cache else {
            return Ok(None);
        };
        let text = cache.get(key).map_err(Fault::Server)?;
        Ok(text
            .and_then(|text| serde_json::from_str::<Value>(&text).ok())
            .and_then(|value| question.read(&value).ok()))
    }

    /// Asks until there is an answer.
    pub(crate) fn answer(
        &self,
        question: &Question,
        key: &CacheKey,
        stopped: &dyn Fn() -> bool,
    ) -> Result<Answer, Fault> {
        let number = u64::from_le_bytes(std::array::from_fn(|i| key[i]));
        let body = question.body.to_string();
        // Failures, and times that the server was too busy: those are patience, not faults.
        let (mut n_failed, mut n_busy) = (0, 0);
        let mut last = String::new();
        while n_failed < self.patience.attempts.max(1) && n_busy < BUSY_MAX {
            if n_failed + n_busy > 0 {
                let (base, cap) = (self.patience.base, self.patience.cap);
                let attempt = n_failed + n_busy - 1;
                sleep(
                    backoff::wait(self.seed, number, attempt, base, cap),
                    stopped,
                );
            }
            let turn = self.pace.enter(stopped).ok_or(Fault::Stopped)?;
            if let Err(limit) = self.budget.hold(question.most, stopped) {
                self.pace.leave(turn, Ended::Other);
                return Err(match limit.is_empty() {
                    true => Fault::Stopped,
                    false => Fault::Server(limit),
                });
            }
            let reply = self.http.post(&question.url, &body);
            match &reply {
                Reply::Overload(..) => n_busy += 1,
                _ => n_failed += 1,
            }
            let (settled, ended, result) = self.judge(question, key, reply);
            self.budget.settle(question.most, settled);
            self.pace.leave(turn, ended);
            match result {
                Ok(answer) => return Ok(answer),
                Err(Ok(reason)) => last = reason,
                Err(Err(fault)) => return Err(fault),
            }
        }
        Err(Fault::Server(format!(
            "{}: no answer in {} attempts; the last: {last}",
            self.place,
            n_failed + n_busy
        )))
    }

    /// What a reply means for the budget, the pace and the question: an answer, a reason to
    /// ask again, or the end.
    fn judge(
        &self,
        question: &Question,
        key: &CacheKey,
        reply: Reply,
    ) -> (Settled, Ended, Result<Answer, Result<String, Fault>>) {
        match reply {
            Reply::Answer(text) => {
                let value = match serde_json::from_str::<Value>(&text) {
                    Ok(value) => value,
                    Err(e) => {
                        let reason = format!("an answer that is no JSON ({e})");
                        return (Settled::Lost, Ended::Overload(None), Err(Ok(reason)));
                    }
                };
                let usage = Settled::Answered(question.usage(&value));
                match question.read(&value) {
                    Ok(answer) => {
                        let kept = self.keep(question, key, &text, &value);
                        let answer = kept.map(|()| answer).map_err(|e| Err(Fault::Server(e)));
                        (usage, Ended::Answered, answer)
                    }
                    Err(reason) => {
                        let fault = Fault::Question(0, self.http.scrub(&reason));
                        (usage, Ended::Other, Err(Err(fault)))
                    }
                }
            }
            Reply::Overload(reason, wait) => match wait {
                Some(wait) if wait > self.patience.retry_after => {
                    let fault = Fault::Server(format!(
                        "{}: asks to wait {} s, more than the {} s that are waited ({reason})",
                        self.place,
                        wait.as_secs(),
                        self.patience.retry_after.as_secs()
                    ));
                    (Settled::Refused, Ended::Overload(None), Err(Err(fault)))
                }
                wait => (Settled::Refused, Ended::Overload(wait), Err(Ok(reason))),
            },
            Reply::Failed(reason) => (Settled::Refused, Ended::Overload(None), Err(Ok(reason))),
            Reply::Lost(reason) => (Settled::Lost, Ended::Overload(None), Err(Ok(reason))),
            Reply::Refused(status, reason) => {
                let fault = match status {
                    400 | 413 | 422 => Fault::Question(0, reason),
                    _ => Fault::Server(format!("{}: {reason}", self.place)),
                };
                (Settled::Refused, Ended::Other, Err(Err(fault)))
            }
        }
    }

    fn keep(
        &self,
        question: &Question,
        key: &CacheKey,
        text: &str,
        value: &Value,
    ) -> Result<(), String> {
        let Some(cache) = &self.cache else {
            return Ok(());
        };
        let kind = match question.kind {
            Kind::Tokenize => "tokenize",
            Kind::Echo(_) | Kind::PromptLogprobs | Kind::SglangScores | Kind::Next(_) => "score",
            _ => "text",
        };
        let kept = self.http.scrub(&question.kept(text, value));
        cache.put(key, &question.url, &self.model, kind, &kept)
    }
}

/// Sleeps, unless stopped.
fn sleep(wait: Duration, stopped: &dyn Fn() -> bool) {
    let end = now().checked_add(wait);
    while let Some(left) = end.and_then(|e| e.checked_duration_since(now()))
        && !left.is_zero()
        && !stopped()
    {
        std::thread::sleep(left.min(LOOK));
    }
}
