//! Every generated task in every form: a model that knows the answers scores 1, one that writes
//! them as text models do (with the space before) too, and one that is wrong scores 0.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use upturn_eval::{EvalOptions, plan, run};
use upturn_synth::{Form, Generator, Split};
use upturn_tasks::{DatasetError, DatasetSpec, Datasets, Doc, Library, Task, generated};
use upturn_types::{
    ChatMessage, Done, FinishReason, GenerateRequest, Generation, LanguageModel, LmError,
    Loglikelihood, LoglikelihoodRequest, RollingRequest, Work,
};

const N_ITEMS: usize = 40;

struct Generated;

impl Datasets for Generated {
    fn open(&self, spec: &DatasetSpec, split: &str) -> Result<Vec<Doc>, DatasetError> {
        generated::open(spec, split).expect("generated rows")
    }

    fn splits(&self, _: &DatasetSpec) -> Result<Vec<String>, DatasetError> {
        Ok(vec!["train".into(), "test".into()])
    }
}

/// Knows what follows each prompt, or a wrong thing.
struct Oracle {
    answers: BTreeMap<String, String>,
    right: bool,
}

impl Oracle {
    fn new(generator: &Generator, style: &str, right: bool) -> Oracle {
        let items = generator.items(0, Split::Test, N_ITEMS);
        let answers = items.iter().map(|item| {
            let (prompt, rest) = item.short(Form::Steps);
            let reasoning = item.reasoning.clone().unwrap_or_default();
            match style {
                "short" => (item.prompt.clone(), item.answer.clone()),
                "scratchpad" => (prompt.to_owned(), rest),
                "words" => (item.asked_in_words(), format!(" {}", item.answer)),
                _ => (
                    item.asked_in_words(),
                    format!(" {reasoning} The answer is {}.", item.answer),
                ),
            }
        });
        Oracle {
            answers: answers.collect(),
            right,
        }
    }

    fn answer(&self, context: &str) -> &str {
        let known = self.answers.get(context);
        known.unwrap_or_else(|| panic!("no such prompt: {context:?}"))
    }
}

impl LanguageModel for Oracle {
    fn name(&self) -> &str {
        "oracle"
    }

    fn fingerprint(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    fn max_length(&self) -> usize {
        4096
    }

    fn tokenize(&self, text: &str) -> Result<Vec<u32>, LmError> {
        Ok(text.chars().map(u32::from).collect())
    }

    fn apply_chat_template(&self, _: &[ChatMessage], _: bool) -> Result<String, LmError> {
        Err(LmError::Model("none".into()))
    }

    fn loglikelihood(
        &self,
        requests: &[LoglikelihoodRequest],
        done: Done<'_, Loglikelihood>,
    ) -> Result<Work, LmError> {
        for (i, request) in requests.iter().enumerate() {
            let is_answer = self.answer(&request.context) == request.continuation.as_ref();
            let response = Loglikelihood {
                logprob: if is_answer == self.right { -0.5 } else { -9.0 },
                is_greedy: is_answer == self.right,
                n_tokens: request.continuation.chars().count() as u32,
                n_truncated: 0,
            };
            if done(i, response).is_break() {
                return Err(LmError::Stopped);
            }
        }
        Ok(Work::default())
    }

    fn loglikelihood_rolling(
        &self,
        _: &[RollingRequest],
        _: Done<'_, Loglikelihood>,
    ) -> Result<Work, LmError> {
        Err(LmError::Model("not asked".into()))
    }

    fn generate(
        &self,
        requests: &[GenerateRequest],
        done: Done<'_, Generation>,
    ) -> Result<Work, LmError> {
        for (i, request) in requests.iter().enumerate() {
            let answer = self.answer(&request.context);
            let response = Generation {
                text: match self.right {
                    true => answer.to_owned(),
                    false => format!("{answer}#"),
                },
                tokens: vec![1],
                finish: FinishReason::Stop,
                n_truncated: 0,
            };
            if done(i, response).is_break() {
                return Err(LmError::Stopped);
            }
        }
        Ok(Work::default())
    }
}

fn score(name: &str, model: &Oracle) -> (String, f64) {
    let library = Library::open(&[]).expect("no folders");
    let selection = library.select(&[name]).expect(name);
    let config = selection.tasks()[0].clone();
    let task = Task::load(config, &Generated, None).expect(name);
    let options = EvalOptions::default();
    let cell = plan(model, &task, &options).expect(name);
    let found = run(
        model,
        &task,
        &cell,
        &options,
        &BTreeMap::new(),
        &mut |_, _| Ok(()),
        &mut |_| ControlFlow::Continue(()),
    )
    .expect(name);
    let first = &found.scores[0];
    (first.metric.clone(), first.value)
}

#[test]
fn knowing_the_answers_scores_one_and_not_knowing_them_zero() {
    for kind in upturn_synth::kinds() {
        let generator = Generator::parse(kind.name).expect(kind.name);
        for style in ["short", "words", "scratchpad", "cot"] {
            if matches!(style, "scratchpad" | "cot") && !generator.has_steps() {
                continue;
            }
            let name = format!("{}:items={N_ITEMS}@{style}", kind.name);
            for right in [true, false] {
                // Two answers are wrong by being the other one.
                let (metric, value) = score(&name, &Oracle::new(&generator, style, right));
                let expected = f64::from(u8::from(right));
                assert_eq!(value, expected, "{name}: {metric}");
            }
        }
    }
}
