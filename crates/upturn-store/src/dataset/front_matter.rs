//! The list `configs` in the front matter of a data set's README.

use std::path::Path;

use saphyr_parser::{Event, Parser};

use super::DatasetFileError;

/// Deepest nesting followed.
const DEPTH_MAX: usize = 32;

/// A configuration as the README describes it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Config {
    pub(super) name: String,
    /// Taken where none is named.
    pub(super) is_default: bool,
    /// Folder that patterns, or the usual names, are below.
    pub(super) data_dir: Option<String>,
    /// Splits and the patterns of their files; empty where the usual names are meant.
    pub(super) splits: Vec<(String, Vec<String>)>,
}

/// Reads the README of a folder; no README, front matter or list is no configuration.
pub(super) fn read(folder: &Path) -> Result<Vec<Config>, DatasetFileError> {
    let path = folder.join("README.md");
    let text = match std::fs::read(&path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(cause) => return Err(DatasetFileError::Io { path, cause }),
    };
    let Some(yaml) = front_matter(&text) else {
        return Ok(Vec::new());
    };
    parse(yaml)
        .map_err(|message| DatasetFileError::content(&path, "front matter".to_owned(), message))
}

/// The text between `---` at the very start and the next `---`.
fn front_matter(text: &str) -> Option<&str> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let rest = text
        .strip_prefix("---\n")
        .or_else(|| text.strip_prefix("---\r\n"))?;
    let mut at = 0;
    for line in rest.split_inclusive('\n') {
        if line.trim_end() == "---" {
            return rest.get(..at);
        }
        at += line.len();
    }
    None
}

fn parse(yaml: &str) -> Result<Vec<Config>, String> {
    let mut parser = Parser::new_from_str(yaml);
    let mut root = None;
    while let Some(event) = parser.next() {
        match event.map_err(|e| e.to_string())?.0 {
            Event::MappingStart(..) => root = Some(mapping(&mut parser, 0)?),
            Event::SequenceStart(..) | Event::Scalar(..) => return Ok(Vec::new()),
            Event::DocumentEnd | Event::StreamEnd => break,
            _ => {}
        }
    }
    let Some(Node::List(configs)) = root.as_ref().and_then(|r| r.get("configs")) else {
        return Ok(Vec::new());
    };
    Ok(configs
        .iter()
        .filter_map(|node| {
            Some(Config {
                name: node.get("config_name")?.text()?.to_owned(),
                is_default: node.get("default").and_then(Node::text) == Some("true"),
                data_dir: node.get("data_dir").and_then(Node::text).map(str::to_owned),
                splits: node.get("data_files").map(splits).unwrap_or_default(),
            })
        })
        .collect())
}

/// `data_files`: one pattern, patterns, splits with patterns, or a mapping of these.
fn splits(node: &Node) -> Vec<(String, Vec<String>)> {
    // Patterns without a split are the split `train`.
    let train = |patterns| vec![("train".to_owned(), patterns)];
    match node {
        Node::Text(pattern) => train(vec![pattern.clone()]),
        Node::List(items) if items.iter().all(|i| i.text().is_some()) => train(patterns(node)),
        Node::List(items) => items
            .iter()
            .filter_map(|item| {
                let split = item.get("split")?.text()?.to_owned();
                Some((split, patterns(item.get("path")?)))
            })
            .collect(),
        Node::Map(entries) => entries
            .iter()
            .map(|(split, node)| (split.clone(), patterns(node)))
            .collect(),
    }
}

fn patterns(node: &Node) -> Vec<String> {
    match node {
        Node::Text(pattern) => vec![pattern.clone()],
        Node::List(items) => items
            .iter()
            .filter_map(Node::text)
            .map(str::to_owned)
            .collect(),
        Node::Map(_) => Vec::new(),
    }
}

/// A value of YAML, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Node {
    fn text(&self) -> Option<&str> {
        match self {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    fn get(&self, key: &str) -> Option<&Node> {
        match self {
            Node::Map(entries) => entries.iter().find(|(k, _)| k == key).map(|(_, v)| v),
            _ => None,
        }
    }
}

type Events<'y> = Parser<'y, saphyr_parser::StrInput<'y>>;

fn next<'y>(parser: &mut Events<'y>) -> Result<Event<'y>, String> {
    match parser.next() {
        Some(Ok((event, _))) => Ok(event),
        Some(Err(e)) => Err(e.to_string()),
        None => Err("ends in the middle".to_owned()),
    }
}

fn mapping(parser: &mut Events<'_>, depth: usize) -> Result<Node, String> {
    let mut entries = Vec::new();
    loop {
        let key = match next(parser)? {
            Event::MappingEnd => return Ok(Node::Map(entries)),
            event => node(parser, event, depth + 1)?,
        };
        let event = next(parser)?;
        let value = node(parser, event, depth + 1)?;
        if let Node::Text(key) = key {
            entries.push((key, value));
        }
    }
}

fn node(parser: &mut Events<'_>, event: Event<'_>, depth: usize) -> Result<Node, String> {
    if depth > DEPTH_MAX {
        return Err(format!("is nested deeper than {DEPTH_MAX}"));
    }
    match event {
        Event::Scalar(text, ..) => Ok(Node::Text(text.into_owned())),
        Event::MappingStart(..) => mapping(parser, depth),
        Event::SequenceStart(..) => {
            let mut items = Vec::new();
            loop {
                match next(parser)? {
                    Event::SequenceEnd => return Ok(Node::List(items)),
                    event => items.push(node(parser, event, depth + 1)?),
                }
            }
        }
        // References occur in no list of files; their place is kept.
        _ => Ok(Node::Text(String::new())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_of_data_files() {
        let readme = "---\nlicense: mit\nconfigs:\n- config_name: a\n  data_files:\n  - split: test\n    path: a/test-*\n  - split: dev\n    path:\n    - a/dev-1\n    - a/dev-2\n  default: true\n- config_name: b\n  data_dir: sub\n- config_name: c\n  data_files: all.csv\n- config_name: d\n  data_files: {train: t.json, test: [u.json]}\n---\n# Title\n---\n";
        let configs = parse(front_matter(readme).unwrap()).unwrap();
        let splits = |i: usize| -> Vec<String> {
            configs[i]
                .splits
                .iter()
                .map(|(s, p)| format!("{s}={}", p.join("+")))
                .collect()
        };
        assert_eq!(configs.len(), 4);
        assert!(configs[0].is_default && !configs[1].is_default);
        assert_eq!(splits(0), ["test=a/test-*", "dev=a/dev-1+a/dev-2"]);
        assert_eq!(configs[1].data_dir.as_deref(), Some("sub"));
        assert_eq!(splits(2), ["train=all.csv"]);
        assert_eq!(splits(3), ["train=t.json", "test=u.json"]);
    }

    #[test]
    fn other_readmes_describe_nothing() {
        assert_eq!(front_matter("# Title\n---\nx: 1\n---\n"), None);
        assert_eq!(front_matter("---\nnever closed\n"), None);
        assert_eq!(parse("license: mit\n"), Ok(vec![]));
        assert_eq!(parse("- a\n"), Ok(vec![]));
        assert_eq!(parse("configs: none\n"), Ok(vec![]));
        assert!(parse("a: [1, 2\n").is_err());
        assert!(parse(&"[".repeat(2000)).is_err() || parse(&"[".repeat(2000)) == Ok(vec![]));
        let deep = format!("a: {}", "[".repeat(500));
        assert!(parse(&deep).is_err());
    }
}
