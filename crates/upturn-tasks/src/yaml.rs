//! YAML as task files use it: values with the line they stand on, `!function`
//! kept as a reference to Python that is never run.

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};
use serde_json::{Map, Value};

use crate::yaml_scalar;

/// Deepest nesting of lists and maps accepted.
const MAX_DEPTH: usize = 64;
/// Most values in a file after its aliases are expanded.
const MAX_NODES: usize = 1_000_000;
/// Most places moved right in a file that YAML 1.2 refuses and PyYAML reads.
const MAX_REPAIRS: usize = 200;
/// Most bytes of text in a file after its aliases are expanded.
const MAX_BYTES: usize = 64 << 20;

/// A YAML value.
#[derive(Debug, Clone, PartialEq)]
pub enum Yaml {
    /// `null`, `~` or nothing.
    Null,
    /// `true`, `yes`, `on` and their opposites.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// Text.
    Str(Arc<str>),
    /// A list.
    Seq(Vec<Yaml>),
    /// A map, in file order.
    Map(Vec<Entry>),
    /// `!function module.name`: a Python function.
    Function(FunctionRef),
}

/// A key, its value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key: nearly always text.
    pub key: Yaml,
    /// The value.
    pub value: Yaml,
    /// Line of the key, from 1.
    pub line: usize,
}

/// A Python function that a task file names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionRef {
    /// `module.name`.
    pub name: Arc<str>,
    /// Line of the reference, from 1.
    pub line: usize,
}

/// Why a text is not YAML that we read: a line and a lowercase reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct YamlError {
    /// Line, from 1.
    pub line: usize,
    /// What is wrong, and how to mend it.
    pub reason: String,
}

impl Yaml {
    /// The text, if it is text.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Yaml::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The entries, if it is a map.
    #[must_use]
    pub fn as_map(&self) -> Option<&[Entry]> {
        match self {
            Yaml::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The value of a text key of a map.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Yaml> {
        let entries = self.as_map()?;
        entries
            .iter()
            .find(|e| e.key.as_str() == Some(key))
            .map(|e| &e.value)
    }

    /// What kind of value it is, for messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Yaml::Null => "nothing",
            Yaml::Bool(_) => "a truth value",
            Yaml::Int(_) => "an integer",
            Yaml::Float(_) => "a number",
            Yaml::Str(_) => "text",
            Yaml::Seq(_) => "a list",
            Yaml::Map(_) => "a map",
            Yaml::Function(_) => "a Python function",
        }
    }

    /// As JSON. Keys become text as in Python's `json`; functions become
    /// `"!function module.name"`; floats that JSON lacks become null.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self {
            Yaml::Null => Value::Null,
            Yaml::Bool(b) => Value::Bool(*b),
            Yaml::Int(i) => Value::from(*i),
            Yaml::Float(f) => Value::from(*f),
            Yaml::Str(s) => Value::from(&**s),
            Yaml::Seq(items) => items.iter().map(Yaml::to_json).collect(),
            Yaml::Map(entries) => {
                let pairs = entries
                    .iter()
                    .map(|e| (e.key.key_text(), e.value.to_json()));
                Value::Object(pairs.collect::<Map<_, _>>())
            }
            Yaml::Function(f) => Value::from(format!("!function {}", f.name)),
        }
    }

    /// A key as text.
    #[must_use]
    pub fn key_text(&self) -> String {
        match self {
            Yaml::Str(s) => s.to_string(),
            Yaml::Null => "null".into(),
            Yaml::Bool(b) => b.to_string(),
            Yaml::Int(i) => i.to_string(),
            other => crate::python::text(&other.to_json()),
        }
    }

    /// Calls `visit` with every function inside, and the path of keys to it
    /// below `prefix`.
    pub fn visit_functions(&self, prefix: &str, visit: &mut dyn FnMut(&str, &FunctionRef)) {
        match self {
            Yaml::Function(function) => visit(prefix, function),
            Yaml::Seq(items) => items.iter().for_each(|i| i.visit_functions(prefix, visit)),
            Yaml::Map(entries) => {
                for entry in entries {
                    let key = entry.key.key_text();
                    entry
                        .value
                        .visit_functions(&format!("{prefix}.{key}"), visit);
                }
            }
            _ => {}
        }
    }
}

/// Reads one document.
///
/// Of a file that ends in mid-document or has a second one, of an unknown tag, of
/// nesting beyond 64 levels, of an alias to itself and of aliases that expand
/// beyond a million values, it says so with the line.
///
/// # Errors
/// See above; also for anything that is not YAML.
pub fn parse(text: &str) -> Result<Yaml, YamlError> {
    let mut text = std::borrow::Cow::Borrowed(text);
    for _ in 0..MAX_REPAIRS {
        let mut misplaced = None;
        let result = parse_strict(&text, &mut misplaced);
        match misplaced.and_then(|misplaced| indent(&text, misplaced)) {
            Some(repaired) => text = repaired.into(),
            None => return result,
        }
    }
    parse_strict(&text, &mut None)
}

/// What stands too far left for YAML 1.2, though PyYAML reads it: a place in characters.
#[derive(Debug, Clone, Copy)]
enum Misplaced {
    /// Lines of the quoted text that starts here.
    Quoted(usize),
    /// A part of a list or map in brackets.
    Flow(usize),
}

/// The text with what is misplaced moved right. White space there means nothing.
fn indent(text: &str, misplaced: Misplaced) -> Option<String> {
    const SPACES: &str = "                                ";
    let (Misplaced::Quoted(place) | Misplaced::Flow(place)) = misplaced;
    let start = text.char_indices().nth(place)?.0;
    if let Misplaced::Flow(_) = misplaced {
        return Some(format!("{}{SPACES}{}", &text[..start], &text[start..]));
    }
    let quote = text[start..]
        .chars()
        .next()
        .filter(|c| matches!(c, '"' | '\''))?;
    let mut out = text[..=start].to_string();
    let mut chars = text[start + 1..].chars().peekable();
    while let Some(c) = chars.next() {
        out.push(c);
        match c {
            '\n' => out.push_str(SPACES),
            '\\' if quote == '"' => match chars.next() {
                Some('\n') => {
                    out.push('\n');
                    out.push_str(SPACES);
                }
                Some(escaped) => out.push(escaped),
                None => {}
            },
            // Two single quotes stand for one.
            '\'' if quote == '\'' && chars.peek() == Some(&'\'') => out.extend(chars.next()),
            c if c == quote => break,
            _ => {}
        }
    }
    out.extend(chars);
    (out != text).then_some(out)
}

fn parse_strict(text: &str, misplaced: &mut Option<Misplaced>) -> Result<Yaml, YamlError> {
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        anchors: HashMap::new(),
        nodes: 0,
        bytes: 0,
        misplaced,
    };
    let mut root = None;
    loop {
        let (event, line) = reader.next()?;
        match event {
            Event::StreamEnd => return Ok(root.unwrap_or(Yaml::Null)),
            Event::StreamStart | Event::Nothing | Event::DocumentEnd => {}
            Event::DocumentStart(_) => {
                if root.is_some() {
                    return Err(error(
                        line,
                        "a second document starts here; a task file holds one",
                    ));
                }
                let (event, line) = reader.next()?;
                root = Some(reader.node(event, line, 0)?);
            }
            _ => return Err(error(line, "unexpected structure")),
        }
    }
}

fn error(line: usize, reason: impl Into<String>) -> YamlError {
    YamlError {
        line,
        reason: reason.into(),
    }
}

/// What an alias repeats, and what that costs.
struct Anchored {
    value: Yaml,
    nodes: usize,
    bytes: usize,
}

struct Reader<'t, 'm> {
    parser: Parser<'t, saphyr_parser::StrInput<'t>>,
    anchors: HashMap<usize, Anchored>,
    nodes: usize,
    bytes: usize,
    misplaced: &'m mut Option<Misplaced>,
}

impl<'t> Reader<'t, '_> {
    fn next(&mut self) -> Result<(Event<'t>, usize), YamlError> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, span.start.line())),
            Some(Err(e)) => {
                *self.misplaced = match e.info() {
                    "invalid indentation in quoted scalar" => {
                        Some(Misplaced::Quoted(e.marker().index()))
                    }
                    "invalid indentation" => Some(Misplaced::Flow(e.marker().index())),
                    _ => None,
                };
                let reason = e.info().replace(['\n', '\r'], " ");
                Err(error(e.marker().line(), format!("not YAML: {reason}")))
            }
            None => Err(error(1, "not YAML: the text ends too early")),
        }
    }

    fn charge(&mut self, line: usize, nodes: usize, bytes: usize) -> Result<(), YamlError> {
        self.nodes = self.nodes.saturating_add(nodes);
        self.bytes = self.bytes.saturating_add(bytes);
        if self.nodes > MAX_NODES || self.bytes > MAX_BYTES {
            return Err(error(
                line,
                "the aliases expand to more than a million values; write them out",
            ));
        }
        Ok(())
    }

    fn node(&mut self, event: Event<'t>, line: usize, depth: usize) -> Result<Yaml, YamlError> {
        if depth > MAX_DEPTH {
            return Err(error(
                line,
                format!("nested deeper than {MAX_DEPTH} levels"),
            ));
        }
        let before = (self.nodes, self.bytes);
        let (value, anchor) = match event {
            Event::Alias(id) => {
                let Some(anchored) = self.anchors.get(&id) else {
                    return Err(error(line, "an alias refers to a value that contains it"));
                };
                let (nodes, bytes) = (anchored.nodes, anchored.bytes);
                // Charged before the copy is made: a bomb never grows.
                self.charge(line, nodes, bytes)?;
                let value = self
                    .anchors
                    .get(&id)
                    .map_or(Yaml::Null, |a| a.value.clone());
                return Ok(value);
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.charge(line, 1, text.len())?;
                (scalar(&text, style, tag.as_deref(), line)?, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                check_collection_tag(tag.as_deref(), "seq", line)?;
                self.charge(line, 1, 0)?;
                (Yaml::Seq(self.sequence(depth)?), anchor)
            }
            Event::MappingStart(anchor, tag) => {
                check_collection_tag(tag.as_deref(), "map", line)?;
                self.charge(line, 1, 0)?;
                (Yaml::Map(self.mapping(depth)?), anchor)
            }
            _ => return Err(error(line, "unexpected structure")),
        };
        if anchor != 0 {
            let (nodes, bytes) = (self.nodes - before.0, self.bytes - before.1);
            self.charge(line, nodes, bytes)?;
            self.anchors.insert(
                anchor,
                Anchored {
                    value: value.clone(),
                    nodes,
                    bytes,
                },
            );
        }
        Ok(value)
    }

    fn sequence(&mut self, depth: usize) -> Result<Vec<Yaml>, YamlError> {
        let mut items = Vec::new();
        loop {
            let (event, line) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                return Ok(items);
            }
            items.push(self.node(event, line, depth + 1)?);
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Vec<Entry>, YamlError> {
        let mut own = Entries::default();
        let mut merged = Entries::default();
        loop {
            let (event, line) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let is_merge =
                matches!(&event, Event::Scalar(t, ScalarStyle::Plain, _, None) if t == "<<");
            let key = self.node(event, line, depth + 1)?;
            let (event, value_line) = self.next()?;
            let value = self.node(event, value_line, depth + 1)?;
            if is_merge {
                merge(&mut merged, value, value_line)?;
            } else {
                if matches!(key, Yaml::Seq(_) | Yaml::Map(_) | Yaml::Function(_)) {
                    return Err(error(line, "a list or map cannot be a key"));
                }
                own.put(Entry { key, value, line });
            }
        }
        // Merged keys come first and give way to the map's own.
        let mut all = merged;
        own.list.into_iter().for_each(|entry| all.put(entry));
        Ok(all.list)
    }
}

/// The entries of a map under construction.
#[derive(Default)]
struct Entries {
    list: Vec<Entry>,
    places: HashMap<(&'static str, String), usize>,
}

impl Entries {
    /// Adds an entry; a repeated key keeps its place and takes the later value, as in a Python dict.
    fn put(&mut self, entry: Entry) {
        match self.places.entry((entry.key.kind(), entry.key.key_text())) {
            std::collections::hash_map::Entry::Occupied(at) => self.list[*at.get()] = entry,
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(self.list.len());
                self.list.push(entry);
            }
        }
    }
}

/// Adds what `<<: value` brings: a map, or a list of maps of which the first wins.
fn merge(merged: &mut Entries, value: Yaml, line: usize) -> Result<(), YamlError> {
    match value {
        Yaml::Map(entries) => entries.into_iter().for_each(|e| merged.put(e)),
        Yaml::Seq(items) => {
            for item in items.into_iter().rev() {
                let Yaml::Map(entries) = item else {
                    return Err(error(line, "'<<' takes a map or a list of maps"));
                };
                entries.into_iter().for_each(|e| merged.put(e));
            }
        }
        _ => return Err(error(line, "'<<' takes a map or a list of maps")),
    }
    Ok(())
}

fn tag_name(tag: &Tag) -> String {
    if tag.is_yaml_core_schema() {
        format!("!!{}", tag.suffix)
    } else {
        format!("{}{}", tag.handle, tag.suffix)
    }
}

fn check_collection_tag(tag: Option<&Tag>, core: &str, line: usize) -> Result<(), YamlError> {
    match tag {
        None => Ok(()),
        Some(tag) if tag.is_yaml_core_schema() && tag.suffix == core => Ok(()),
        Some(tag) => Err(error(
            line,
            format!(
                "the tag {} is not known here; only !function is",
                tag_name(tag)
            ),
        )),
    }
}

fn scalar(
    text: &str,
    style: ScalarStyle,
    tag: Option<&Tag>,
    line: usize,
) -> Result<Yaml, YamlError> {
    let Some(tag) = tag else {
        return match style {
            ScalarStyle::Plain => yaml_scalar::resolve(text).map_err(|reason| error(line, reason)),
            _ => Ok(Yaml::Str(text.into())),
        };
    };
    let wrong = |what: &str| error(line, format!("'{text}' is not {what}"));
    let name = tag_name(tag);
    Ok(match name.as_str() {
        "!function" => Yaml::Function(FunctionRef {
            name: text.trim().into(),
            line,
        }),
        "!" | "!!str" => Yaml::Str(text.into()),
        "!!null" => Yaml::Null,
        "!!int" => match yaml_scalar::int(text) {
            Some(Ok(value)) => Yaml::Int(value),
            _ => return Err(wrong("an integer")),
        },
        "!!float" => match (yaml_scalar::float(text), yaml_scalar::int(text)) {
            (Some(value), _) => Yaml::Float(value),
            #[expect(
                clippy::cast_precision_loss,
                reason = "a float is what the file asks for"
            )]
            (None, Some(Ok(value))) => Yaml::Float(value as f64),
            _ => return Err(wrong("a number")),
        },
        "!!bool" => match yaml_scalar::resolve(text) {
            Ok(Yaml::Bool(value)) => Yaml::Bool(value),
            _ => return Err(wrong("a truth value")),
        },
        _ => {
            return Err(error(
                line,
                format!("the tag {name} is not known here; only !function is"),
            ));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(text: &str) -> Value {
        parse(text).expect("valid").to_json()
    }

    fn refuse(text: &str) -> String {
        parse(text).expect_err("refused").to_string()
    }

    #[test]
    fn merge_keys_give_way_to_own_keys() {
        let text = "base: &b {x: 1, y: 2}\nother: &o {y: 3, z: 4}\nboth: {y: 9, <<: [*b, *o]}\n";
        assert_eq!(read(text)["both"], json!({"y": 9, "z": 4, "x": 1}));
    }

    #[test]
    fn repeated_keys_keep_the_last_value() {
        assert_eq!(read("a: 1\nb: 2\na: 3\n"), json!({"a": 3, "b": 2}));
    }

    #[test]
    fn functions_keep_their_name_and_line() {
        let yaml = parse("a: 1\nprocess_docs: !function utils.process_docs\n").expect("valid");
        let Some(Yaml::Function(f)) = yaml.get("process_docs") else {
            panic!("no function")
        };
        assert_eq!((&*f.name, f.line), ("utils.process_docs", 2));
    }

    #[test]
    fn hostile_texts_are_refused_in_one_line() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for i in 1..9 {
            let list = vec![format!("*a{}", i - 1); 10].join(", ");
            bomb.push_str(&format!("a{i}: &a{i} [{list}]\n"));
        }
        let cases = [
            (bomb.as_str(), "million values"),
            ("a: &a [1, *a]\n", "contains it"),
            ("a: !!python/object:os.system x\n", "not known here"),
            ("a: !include x\n", "not known here"),
            ("a: [1, 2\n", "not YAML"),
            ("a: 1\n---\nb: 2\n", "second document"),
            ("? [1, 2]\n: 3\n", "cannot be a key"),
            ("<<: 3\n", "takes a map"),
        ];
        for (text, want) in cases {
            let got = refuse(text);
            assert!(got.contains(want), "{got}");
            assert!(!got.contains('\n'), "{got}");
        }
        let deep = "[".repeat(5000) + &"]".repeat(5000);
        assert!(!refuse(&deep).contains('\n'));
        let deep_block: String = (0..3000)
            .map(|i| format!("{}a:\n", " ".repeat(i)))
            .collect();
        assert!(refuse(&deep_block).contains("nested deeper"));
    }

    #[test]
    fn text_too_far_left_is_read_as_in_pyyaml() {
        assert_eq!(
            read("a: \"x\n\ny\\\n  z: 'q'\"\nb: 'it''s\nhere'\n"),
            json!({"a": "x\nyz: 'q'", "b": "it's here"})
        );
        assert_eq!(
            read("a:\n  b: [\n  1,\n2\n]\nc: {\nd: 1\n}\n"),
            json!({"a": {"b": [1, 2]}, "c": {"d": 1}})
        );
        assert!(refuse("a: 'x\ny").contains("not YAML"));
    }

    #[test]
    fn styles_are_told_apart() {
        assert_eq!(
            read("a: 'yes'\nb: \"1\"\nc: |\n  x\n  y\nd: >-\n  x\n  y\ne: \"a\\tb\"\n"),
            json!({"a": "yes", "b": "1", "c": "x\ny\n", "d": "x y", "e": "a\tb"})
        );
    }
}
