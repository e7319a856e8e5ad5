//! Conversations to text, with the chat template that a model comes with.
//!
//! Templates are Jinja as `transformers` runs it: blocks swallow the line they
//! stand on, values print as Python prints them, `tojson` writes JSON as Python
//! does. They come with models and are not trusted: they reach nothing but their
//! arguments, and run on a limited amount of fuel.

mod python;

use std::collections::BTreeMap;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Value;
use minijinja::{Environment, Error, ErrorKind};
use upturn_types::ChatMessage;

use crate::error::ModelError;

/// Steps a template may take.
const FUEL: u64 = 20_000_000;
/// Put at the end of a message that is to be continued, to find that end again.
const CONTINUE_TAG: &str = "CONTINUE_FINAL_MESSAGE_TAG ";

/// A day, for templates that state the date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Date {
    /// Year, 1 to 9999.
    pub year: u16,
    /// Month, 1 to 12.
    pub month: u8,
    /// Day of the month, 1 to 31.
    pub day: u8,
}

/// How a conversation is formatted.
#[derive(Debug, Clone, Default)]
pub struct ChatOptions {
    /// End with the beginning of the assistant's answer.
    pub add_generation_prompt: bool,
    /// End within the last message, without what closes it, so that it can be continued.
    pub continue_final_message: bool,
    /// Name of the template, where the model has several; `None` is `default`.
    pub template: Option<String>,
    /// What `strftime_now` takes for today. Without a date the function is not
    /// defined, and templates that can do without it do: no clock is read.
    pub date: Option<Date>,
    /// Other variables (`tools`, `enable_thinking`…), as JSON.
    pub variables: serde_json::Map<String, serde_json::Value>,
}

/// The chat templates of a model.
pub struct ChatTemplates {
    env: Environment<'static>,
    names: Vec<String>,
    sources: BTreeMap<String, String>,
    special_tokens: BTreeMap<String, String>,
}

impl ChatTemplates {
    /// Compiles templates by name; `special_tokens` are variables (`bos_token`…).
    ///
    /// # Errors
    /// When a template is not valid Jinja.
    pub fn new(
        templates: &BTreeMap<String, String>,
        special_tokens: BTreeMap<String, String>,
    ) -> Result<Self, ModelError> {
        let mut env = Environment::new();
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()
            .map_err(|e| chat_error(&e))?;
        env.set_syntax(syntax);
        env.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        env.set_formatter(python::format);
        env.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        env.set_fuel(Some(FUEL));
        env.add_filter("tojson", python::tojson);
        env.add_function(
            "raise_exception",
            |message: String| -> Result<Value, Error> {
                Err(Error::new(ErrorKind::InvalidOperation, message))
            },
        );
        for (name, source) in templates {
            env.add_template_owned(name.clone(), plain_generation_blocks(source))
                .map_err(|e| chat_error(&e))?;
        }
        Ok(ChatTemplates {
            env,
            names: templates.keys().cloned().collect(),
            sources: templates.clone(),
            special_tokens,
        })
    }

    /// Names of the templates.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Source of a template, as the model's folder has it.
    #[must_use]
    pub fn source(&self, name: &str) -> Option<&str> {
        self.sources.get(name).map(String::as_str)
    }

    /// Formats a conversation: `tokenizer.apply_chat_template(messages, tokenize=False, …)`.
    ///
    /// # Errors
    /// When there is no such template, it refuses the messages, or the message to
    /// continue does not show in the text.
    pub fn render(
        &self,
        messages: &[ChatMessage],
        options: &ChatOptions,
    ) -> Result<String, ModelError> {
        let name = self.choose(options)?;
        let template = self.env.get_template(name).map_err(|e| chat_error(&e))?;
        if options.continue_final_message && messages.is_empty() {
            let reason = "there is no message to continue".to_owned();
            return Err(ModelError::ChatTemplate(reason));
        }
        let shown: Vec<Value> = messages
            .iter()
            .enumerate()
            .map(|(i, message)| {
                let mut content = message.content.clone();
                if options.continue_final_message && i + 1 == messages.len() {
                    content.push_str(CONTINUE_TAG);
                }
                Value::from_pairs([("role", message.role.clone()), ("content", content)])
            })
            .collect();
        let mut context: BTreeMap<&str, Value> = BTreeMap::new();
        context.insert("tools", Value::from(()));
        context.insert("documents", Value::from(()));
        for (role, token) in &self.special_tokens {
            context.insert(role, Value::from(token.as_str()));
        }
        for (name, value) in &options.variables {
            context.insert(name, python::from_json(value));
        }
        if let Some(date) = options.date {
            context.insert(
                "strftime_now",
                Value::from_function(move |format: String| -> Result<String, Error> {
                    python::strftime(date, &format)
                }),
            );
        }
        context.insert("messages", Value::from(shown));
        context.insert(
            "add_generation_prompt",
            Value::from(options.add_generation_prompt),
        );
        let text = template.render(context).map_err(|e| chat_error(&e))?;
        if !options.continue_final_message {
            return Ok(text);
        }
        let last = messages.last().map_or("", |m| m.content.trim());
        cut_to_continue(&text, last)
    }

    /// As [`ChatTemplates::render`]; where the template refuses, once more without the
    /// system messages, as lm-evaluation-harness does.
    ///
    /// # Errors
    /// As [`ChatTemplates::render`], of the second try.
    pub fn render_without_refused_system(
        &self,
        messages: &[ChatMessage],
        options: &ChatOptions,
    ) -> Result<String, ModelError> {
        let first = self.render(messages, options);
        if first.is_ok() || !messages.iter().any(|m| m.role == "system") {
            return first;
        }
        let rest: Vec<ChatMessage> = messages
            .iter()
            .filter(|m| m.role != "system")
            .cloned()
            .collect();
        self.render(&rest, options)
    }

    fn choose(&self, options: &ChatOptions) -> Result<&str, ModelError> {
        let tools = options.variables.get("tools").is_some_and(|t| !t.is_null());
        let wanted = match &options.template {
            Some(name) => name,
            None if tools && self.sources.contains_key("tool_use") => "tool_use",
            None => "default",
        };
        if let Some(name) = self.names.iter().find(|n| *n == wanted) {
            return Ok(name);
        }
        Err(ModelError::ChatTemplate(if self.names.is_empty() {
            "the tokenizer has none: use a chat model, or leave the chat template out".to_owned()
        } else {
            format!(
                "no template {wanted:?}; there are: {}",
                self.names.join(", ")
            )
        }))
    }
}

impl std::fmt::Debug for ChatTemplates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChatTemplates")
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

/// The text up to the end of the message to continue.
fn cut_to_continue(text: &str, last: &str) -> Result<String, ModelError> {
    let tag = CONTINUE_TAG.trim_end();
    let Some(at) = text.rfind(tag).filter(|_| text.contains(last)) else {
        return Err(ModelError::ChatTemplate(
            "the last message does not show in the text, so it cannot be continued".to_owned(),
        ));
    };
    // Where the template trims messages, it would have trimmed this one too.
    Ok(if text[at..].starts_with(CONTINUE_TAG) {
        text[..at].to_owned()
    } else {
        text[..at].trim_end().to_owned()
    })
}

/// `{% generation %}` marks the assistant's words for training; here it is a plain block.
fn plain_generation_blocks(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find("{%") {
        let (before, tag) = rest.split_at(at);
        out.push_str(before);
        let Some(end) = tag.find("%}") else {
            rest = tag;
            break;
        };
        let (tag, after) = tag.split_at(end + 2);
        let word = tag[2..tag.len() - 2].trim_matches(['-', '+']).trim();
        match word {
            "generation" => out.push_str(&tag.replace("generation", "if true")),
            "endgeneration" => out.push_str(&tag.replace("endgeneration", "endif")),
            _ => out.push_str(tag),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// What a template failed with, as one line.
fn chat_error(error: &Error) -> ModelError {
    let mut text = error
        .detail()
        .map_or_else(|| error.kind().to_string(), str::to_owned);
    if error.kind() != ErrorKind::InvalidOperation && error.detail().is_some() {
        text = format!("{}: {text}", error.kind());
    }
    if let Some(line) = error.line() {
        text = format!(
            "{text} (line {line} of template {:?})",
            error.name().unwrap_or("?")
        );
    }
    ModelError::ChatTemplate(text.split_whitespace().collect::<Vec<_>>().join(" "))
}
