//! What one model is asked, and what it says.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use upturn_engine::{Detail, Model, TokenLogprob};
use upturn_types::{
    ChatMessage, FinishReason, Flow, GenerateOptions, GenerateRequest, LanguageModel, LmError,
    LoglikelihoodRequest, Text,
};

use super::Args;
use super::prompts::unescape;
use super::shown::quoted;
use crate::commands::eval::Stop;
use crate::exit::Failure;

/// Most likely tokens shown in the place of an answer's first.
const N_LIKELY: usize = 5;
/// Prompts that are answered at a time; between them the run can be stopped.
const AT_A_TIME: usize = 32;
/// Columns of a target in a message.
const SHOWN: usize = 40;
/// Where answers end when nothing is said.
const UNTIL: &str = "\n";

/// What every model is asked.
#[derive(Debug)]
pub struct Question {
    /// The prompts, before any chat template.
    pub prompts: Vec<String>,
    /// Continuations to score; each once, in the order given.
    pub targets: Vec<Text>,
    /// Most tokens of an answer; 0 where none is asked for.
    pub max_new_tokens: u32,
    /// Where answers end.
    pub until: Vec<String>,
    /// Answers to draw.
    pub n_samples: u32,
    /// Temperature of drawn answers.
    pub temperature: f32,
    /// Share of the probability that they are drawn from.
    pub top_p: f32,
    /// Their seed.
    pub seed: u64,
    /// Whether prompts go through the chat template.
    pub chat: bool,
    /// System message.
    pub system: Option<String>,
}

/// What a model says to one prompt.
#[derive(Debug, Default)]
pub struct Asked {
    /// The prompt as the chat template made it, where there is one.
    pub context: Option<String>,
    /// Tokens of the prompt, before anything was cut off.
    pub n_prompt_tokens: usize,
    /// The greedy answer.
    pub answer: Option<Answer>,
    /// The most likely tokens in the place of its first.
    pub likely: Vec<TokenLogprob>,
    /// Scores of the targets, in their order.
    pub targets: Vec<Target>,
    /// Drawn answers: equal ones together, the most frequent first.
    pub samples: Vec<Sample>,
    /// Why it did not answer, in one line.
    pub error: Option<String>,
    /// What is to be said beside.
    pub remarks: Vec<&'static str>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Its text, up to the stop string.
    pub text: String,
    /// Why it ended.
    pub finish: FinishReason,
    /// Tokens that were cut off on the left of the prompt.
    pub n_truncated: u32,
    /// Sum of its tokens' log-probabilities, nats.
    pub logprob: f32,
    /// Its tokens, those of the stop string and the end of the text included.
    pub tokens: Vec<TokenLogprob>,
}

/// The score of a target.
#[derive(Debug)]
pub struct Target {
    /// Its text.
    pub text: Text,
    /// Its likelihood, or why it has none, in one line.
    pub scored: Result<Scored, String>,
}

/// The likelihood of a target.
#[derive(Debug)]
pub struct Scored {
    /// Sum of its tokens' log-probabilities, nats.
    pub logprob: f32,
    /// Whether every token was the most likely one.
    pub is_greedy: bool,
    /// Tokens that were cut off on the left of the prompt.
    pub n_truncated: u32,
    /// Its tokens.
    pub tokens: Vec<TokenLogprob>,
}

/// Drawn answers of the same text.
#[derive(Debug)]
pub struct Sample {
    /// The first of them.
    pub answer: Answer,
    /// How many there are.
    pub count: u32,
}

impl Asked {
    /// Lines for what was refused.
    pub fn faults(&self) -> Vec<String> {
        let targets = self.targets.iter().filter_map(|t| {
            let reason = t.scored.as_ref().err()?;
            Some(format!("target {}: {reason}", quoted(&t.text, SHOWN, true)))
        });
        self.error.iter().cloned().chain(targets).collect()
    }

    /// Whether anything was answered.
    pub fn is_answered(&self) -> bool {
        self.answer.is_some() || self.targets.iter().any(|t| t.scored.is_ok())
    }

    /// The most likely of several targets: its place. The first of a tie.
    pub fn best_target(&self) -> Option<usize> {
        let scored = |t: &Target| t.scored.as_ref().ok().map(|s| s.logprob);
        let mut best: Option<(usize, f32)> = None;
        for (index, target) in self.targets.iter().enumerate() {
            match (scored(target), best) {
                (Some(l), Some((_, most))) if l <= most => {}
                (Some(l), _) => best = Some((index, l)),
                (None, _) => {}
            }
        }
        best.filter(|_| self.targets.len() > 1)
            .map(|(index, _)| index)
    }

    /// Whether the answer is this target, white space around both aside.
    pub fn answers(&self, target: &str) -> bool {
        self.answer
            .as_ref()
            .is_some_and(|a| is_same(&a.text, target))
    }
}

/// Whether an answer is a target, white space around both aside; one of nothing but white
/// space must be the same.
pub fn is_same(answer: &str, target: &str) -> bool {
    match target.trim() {
        "" => answer == target,
        target => answer.trim() == target,
    }
}

impl Question {
    /// What the command line asks.
    pub fn new(args: &Args, prompts: Vec<String>) -> Result<Self, Failure> {
        let read = |what: &str, text: &String| match args.escape {
            true => unescape(what, text),
            false => Ok(text.clone()),
        };
        let mut targets: Vec<Text> = Vec::new();
        for target in &args.target {
            let target = read("a target", target)?;
            if target.is_empty() {
                return Err(Failure::usage(
                    "--target is empty: there is nothing to score",
                ));
            }
            if !targets.iter().any(|t| **t == *target) {
                targets.push(target.into());
            }
        }
        if args.max_new_tokens == 0 && targets.is_empty() {
            return Err(Failure::usage(
                "--max-new-tokens 0 asks for no answer, and there is no --target to score",
            ));
        }
        if args.max_new_tokens == 0 && args.samples.is_some() {
            return Err(Failure::usage(
                "--samples draws answers, and --max-new-tokens 0 asks for none",
            ));
        }
        let mut until = match args.until.is_empty() {
            true if args.chat => Vec::new(),
            true => vec![UNTIL.to_owned()],
            false => {
                (args.until.iter().map(|t| read("a stop string", t))).collect::<Result<_, _>>()?
            }
        };
        until.retain(|text| !text.is_empty());
        Ok(Question {
            prompts,
            targets,
            max_new_tokens: args.max_new_tokens,
            until,
            n_samples: args.samples.unwrap_or(0),
            temperature: args.temperature,
            top_p: args.top_p,
            seed: args.seed,
            chat: args.chat,
            system: args
                .system
                .as_ref()
                .map(|s| read("the system text", s))
                .transpose()?,
        })
    }

    /// Asks a model; fewer responses than prompts where the user stopped it.
    pub fn ask(&self, model: &Model, stop: &Stop) -> Vec<Asked> {
        let mut all = Vec::with_capacity(self.prompts.len());
        for prompts in self.prompts.chunks(AT_A_TIME) {
            if stop.is_asked() {
                break;
            }
            all.extend(Asking::new(self, model, prompts).run());
        }
        all
    }

    fn options(&self, max_tokens: u32, do_sample: bool) -> Arc<GenerateOptions> {
        let sampled = GenerateOptions {
            do_sample,
            temperature: self.temperature,
            top_p: self.top_p,
            ..GenerateOptions::default()
        };
        Arc::new(GenerateOptions {
            until: self.until.clone(),
            max_tokens: Some(max_tokens),
            ..match do_sample {
                true => sampled,
                false => GenerateOptions::default(),
            }
        })
    }

    /// Seed of one drawn answer: it depends on nothing but seed, prompt and number.
    fn seed_of(&self, prompt: &str, number: u32) -> u64 {
        let mut hash = Sha256::new();
        hash.update(self.seed.to_le_bytes());
        hash.update(number.to_le_bytes());
        hash.update(prompt.as_bytes());
        let digest = hash.finalize();
        digest
            .iter()
            .take(8)
            .fold(0, |seed, byte| seed << 8 | u64::from(*byte))
    }

    fn context(&self, model: &Model, prompt: &str) -> Result<Option<String>, LmError> {
        if !self.chat {
            return Ok(None);
        }
        let message = |role: &str, content: &str| ChatMessage {
            role: role.to_owned(),
            content: content.to_owned(),
        };
        let system = self.system.as_deref().map(|text| message("system", text));
        let messages: Vec<ChatMessage> = system
            .into_iter()
            .chain([message("user", prompt)])
            .collect();
        let made = model.apply_chat_template(&messages, true);
        made.map(Some).map_err(|e| {
            LmError::Model(format!(
                "the chat template cannot be applied: {}",
                reason(e)
            ))
        })
    }
}

/// Some prompts put to a model.
struct Asking<'a> {
    question: &'a Question,
    model: &'a Model,
    prompts: &'a [String],
    asked: Vec<Asked>,
    contexts: Vec<Text>,
}

/// The reason alone: whose request it is, is said where it is shown.
fn reason(error: LmError) -> String {
    match error {
        LmError::Request { reason, .. } => reason,
        error => error.to_string(),
    }
}

impl<'a> Asking<'a> {
    fn new(question: &'a Question, model: &'a Model, prompts: &'a [String]) -> Self {
        Asking {
            question,
            model,
            prompts,
            asked: Vec::with_capacity(prompts.len()),
            contexts: Vec::with_capacity(prompts.len()),
        }
    }

    fn run(mut self) -> Vec<Asked> {
        for prompt in self.prompts {
            let mut asked = Asked::default();
            let context = self
                .question
                .context(self.model, prompt)
                .and_then(|context| {
                    asked.n_prompt_tokens = self
                        .model
                        .prompt_len(context.as_deref().unwrap_or(prompt))?;
                    asked.context = context;
                    Ok(())
                });
            asked.error = context.err().map(reason);
            self.contexts
                .push(asked.context.as_deref().unwrap_or(prompt).into());
            self.asked.push(asked);
        }
        if let Err(error) = self.generate().and_then(|()| self.score()) {
            // The model itself failed: that holds for all that it was asked.
            let line = reason(error);
            for asked in &mut self.asked {
                *asked = Asked {
                    error: Some(line.clone()),
                    ..Asked::default()
                };
            }
        }
        self.asked
    }

    /// Most tokens of an answer. A prompt is kept whole where it can be: the answer is what
    /// there is room for. Only one that leaves no room is cut.
    fn room(&self, asked: &Asked) -> u32 {
        let length = self.model.max_length();
        let room = match length.saturating_sub(asked.n_prompt_tokens) {
            0 => length.saturating_sub(1).max(1),
            room => room,
        };
        self.question
            .max_new_tokens
            .min(u32::try_from(room).unwrap_or(u32::MAX))
    }

    /// Greedy and drawn answers.
    fn generate(&mut self) -> Result<(), LmError> {
        let question = self.question;
        if question.max_new_tokens == 0 {
            return Ok(());
        }
        let mut requests = Vec::new();
        let mut owners = Vec::new();
        for index in 0..self.asked.len() {
            let asked = &self.asked[index];
            if asked.error.is_some() {
                continue;
            }
            let room = self.room(asked);
            let request = |options: &Arc<GenerateOptions>, seed| GenerateRequest {
                context: Arc::clone(&self.contexts[index]),
                options: Arc::clone(options),
                seed,
            };
            let greedy = request(&question.options(room, false), 0);
            // Whether it can be answered at all.
            if let Err(error) = self.model.estimate(&[], &[], std::slice::from_ref(&greedy)) {
                self.asked[index].error = Some(reason(error));
                continue;
            }
            requests.push(greedy);
            owners.push(index);
            let drawn = question.options(room, true);
            for number in 0..question.n_samples {
                let seed = question.seed_of(&self.prompts[index], number);
                requests.push(request(&drawn, seed));
                owners.push(index);
            }
        }
        let mut answers: Vec<Option<(Answer, Vec<TokenLogprob>)>> = Vec::new();
        answers.resize_with(requests.len(), || None);
        self.model
            .generate_detail(&requests, N_LIKELY, &mut |i, generation, detail: Detail| {
                let answer = Answer {
                    text: generation.text,
                    finish: generation.finish,
                    n_truncated: generation.n_truncated,
                    logprob: detail.logprob,
                    tokens: detail.tokens,
                };
                answers[i] = Some((answer, detail.likely));
                Flow::Continue(())
            })?;
        let mut drawn: BTreeMap<usize, Vec<Answer>> = BTreeMap::new();
        for (index, answer) in owners.into_iter().zip(answers) {
            let Some((answer, likely)) = answer else {
                continue;
            };
            let room = self.room(&self.asked[index]);
            let asked = &mut self.asked[index];
            if asked.answer.is_some() {
                drawn.entry(index).or_default().push(answer);
                continue;
            }
            if answer.n_truncated > 0 {
                asked
                    .remarks
                    .push("as long as the model or longer, so it is cut on the left");
            } else if answer.finish == FinishReason::Length && room < question.max_new_tokens {
                asked
                    .remarks
                    .push("the answer ends where the model's length ends");
            }
            (asked.answer, asked.likely) = (Some(answer), likely);
        }
        for (index, answers) in drawn {
            self.asked[index].samples = gather(answers);
        }
        Ok(())
    }

    /// Log-likelihoods of targets.
    fn score(&mut self) -> Result<(), LmError> {
        let mut requests = Vec::new();
        let mut owners = Vec::new();
        for (index, context) in self.contexts.iter().enumerate() {
            let asked = &mut self.asked[index];
            if asked.error.is_some() {
                continue;
            }
            for text in &self.question.targets {
                let request = LoglikelihoodRequest {
                    context: Arc::clone(context),
                    continuation: Arc::clone(text),
                };
                let scored = match self
                    .model
                    .estimate(std::slice::from_ref(&request), &[], &[])
                {
                    Err(error) => Err(reason(error)),
                    Ok(_) => {
                        owners.push((index, asked.targets.len()));
                        requests.push(request);
                        Err("was not scored".to_owned())
                    }
                };
                asked.targets.push(Target {
                    text: Arc::clone(text),
                    scored,
                });
            }
        }
        let asked = &mut self.asked;
        self.model
            .loglikelihood_detail(&requests, 0, &mut |i, likelihood, detail| {
                let (index, target) = owners[i];
                asked[index].targets[target].scored = Ok(Scored {
                    logprob: likelihood.logprob,
                    is_greedy: likelihood.is_greedy,
                    n_truncated: likelihood.n_truncated,
                    tokens: detail.tokens,
                });
                Flow::Continue(())
            })?;
        Ok(())
    }
}

/// Equal answers together, the most frequent first, those drawn earlier first among equals.
fn gather(answers: Vec<Answer>) -> Vec<Sample> {
    let mut samples: Vec<Sample> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for answer in answers {
        match places.get(&answer.text) {
            Some(&place) => samples[place].count += 1,
            None => {
                places.insert(answer.text.clone(), samples.len());
                samples.push(Sample { answer, count: 1 });
            }
        }
    }
    samples.sort_by_key(|s| std::cmp::Reverse(s.count));
    samples
}
