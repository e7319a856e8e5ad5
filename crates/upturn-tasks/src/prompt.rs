//! The text before the answer: description, examples, question, joined as
//! lm-evaluation-harness joins them, plain or as a conversation.

use upturn_types::ChatMessage;

use crate::python::is_space;

/// Formats a conversation with a model's chat template: the messages, and whether
/// the template should open the answer. The error is a lowercase fragment.
pub type ChatTemplate<'a> = dyn Fn(&[ChatMessage], bool) -> Result<String, String> + Sync + 'a;

/// How a conversation is made of examples and question.
#[derive(Clone, Copy)]
pub struct Chat<'a> {
    /// The model's template.
    pub template: &'a ChatTemplate<'a>,
    /// Whether every example is a turn of its own (else all stand in one user message).
    pub fewshot_as_multiturn: bool,
}

impl std::fmt::Debug for Chat<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chat")
            .field("fewshot_as_multiturn", &self.fewshot_as_multiturn)
            .finish_non_exhaustive()
    }
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    System,
    User,
    Assistant,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
        }
    }
}

/// A piece of a prompt. In plain text its delimiter follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) role: Role,
    pub(crate) content: String,
    pub(crate) delimiter: String,
}

impl Message {
    pub(crate) fn new(role: Role, content: impl Into<String>, delimiter: &str) -> Message {
        Message {
            role,
            content: content.into(),
            delimiter: delimiter.to_string(),
        }
    }

    fn chat(&self) -> ChatMessage {
        ChatMessage {
            role: self.role.name().into(),
            content: self.content.clone(),
        }
    }
}

/// Whether two texts would touch without white space between them.
fn touches(left: &str, right: &str) -> bool {
    !left.ends_with(is_space) && !right.starts_with(is_space)
}

/// Two texts, with `delimiter` between them where neither brings white space.
pub(crate) fn join(left: &str, right: &str, delimiter: &str) -> String {
    if left.is_empty() {
        return right.to_string();
    }
    if right.is_empty() {
        return left.to_string();
    }
    let between = if touches(left, right) { delimiter } else { "" };
    format!("{left}{between}{right}")
}

/// One question, with its answer in an example, as one or two messages.
pub(crate) fn turn(
    question: &str,
    answer: Option<&str>,
    gen_prefix: Option<&str>,
    target_delimiter: &str,
    fewshot_delimiter: &str,
) -> Vec<Message> {
    let gen_prefix = gen_prefix.filter(|p| !p.is_empty());
    let answer = answer.filter(|a| !a.is_empty());
    let delimiter = match (gen_prefix, answer) {
        // The prefix follows the question: delimited only where they would touch.
        (Some(prefix), _) if !question.is_empty() && touches(question, prefix) => target_delimiter,
        (Some(_), _) | (None, None) => "",
        (None, Some(_)) => target_delimiter,
    };
    let mut messages = vec![Message::new(Role::User, question, delimiter)];
    match (gen_prefix, answer) {
        (prefix, Some(answer)) => {
            let text = join(prefix.unwrap_or_default(), answer, " ");
            messages.push(Message::new(Role::Assistant, text, fewshot_delimiter));
        }
        (Some(prefix), None) => messages.push(Message::new(Role::Assistant, prefix, "")),
        (None, None) => {}
    }
    messages
}

/// The messages as plain text, appended to `out`.
pub(crate) fn write_plain(out: &mut String, messages: &[Message]) {
    for message in messages {
        out.push_str(&message.content);
        out.push_str(&message.delimiter);
    }
}

/// The messages through a chat template. Of a prompt that ends with the first
/// words of the answer the template is told not to open one.
pub(crate) fn render_chat(
    chat: Chat<'_>,
    messages: &[Message],
    has_gen_prefix: bool,
) -> Result<String, String> {
    let conversation = if chat.fewshot_as_multiturn {
        messages.iter().map(Message::chat).collect()
    } else {
        single_turn(messages)
    };
    (chat.template)(&conversation, !has_gen_prefix)
}

/// Everything between the system message and the first words of the answer as
/// one user message; its last delimiter falls away.
fn single_turn(messages: &[Message]) -> Vec<ChatMessage> {
    let (system, rest) = match messages {
        [first, rest @ ..] if first.role == Role::System => (Some(first.chat()), rest),
        all => (None, all),
    };
    let (user, assistant) = match rest {
        [user @ .., last] if last.role == Role::Assistant => (user, Some(last.chat())),
        all => (all, None),
    };
    let mut content = String::new();
    if let [before @ .., last] = user {
        write_plain(&mut content, before);
        content.push_str(&last.content);
    }
    let user = ChatMessage {
        role: Role::User.name().into(),
        content,
    };
    system.into_iter().chain([user]).chain(assistant).collect()
}
