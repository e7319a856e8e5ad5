//! Training texts from files: plain text, JSON lines, and tables with a column `text`.

use std::borrow::Cow;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use upturn_ladder::{Documents, Texts};
use upturn_store::dataset::{RowOptions, read_files};

use crate::datasets::glob_files;

/// What separates documents within a file of plain text.
const END_OF_TEXT: &str = "<|endoftext|>";
/// The field or column that holds a document.
const FIELD: &str = "text";

/// Reads texts from disk. Plain text and JSON lines are kept as they lie in their files and
/// taken apart when a document is asked for.
#[derive(Debug, Clone, Default)]
pub struct FileTexts {
    /// Folder that relative patterns start from.
    pub base: PathBuf,
}

impl Texts for FileTexts {
    fn open(&self, pattern: &str) -> Result<Box<dyn Documents>, String> {
        let path = &self.base.join(pattern);
        let files = match path.is_file() {
            true => vec![path.clone()],
            false => glob_files(path)?
                .into_iter()
                .filter(|f| f.is_file())
                .collect(),
        };
        if files.is_empty() {
            return Err(format!("no file matches '{pattern}'"));
        }
        let mut parts = Vec::new();
        for file in files {
            parts.push(Part::open(file)?);
        }
        let ends = parts
            .iter()
            .scan(0, |end, part| {
                *end += part.len();
                Some(*end)
            })
            .collect();
        Ok(Box::new(Parts { parts, ends }))
    }
}

/// Files one after another.
struct Parts {
    parts: Vec<Part>,
    /// Documents up to the end of each file.
    ends: Vec<usize>,
}

impl Documents for Parts {
    fn len(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    fn get(&self, index: usize) -> Result<Cow<'_, str>, String> {
        let at = self.ends.partition_point(|end| *end <= index);
        let before = if at == 0 { 0 } else { self.ends[at - 1] };
        self.parts[at].get(index - before)
    }
}

/// One file.
enum Part {
    /// Text, with where its documents are.
    Plain {
        text: String,
        documents: Vec<Range<usize>>,
    },
    /// A JSON object per line, with where the lines are and their numbers.
    Lines {
        file: PathBuf,
        text: String,
        lines: Vec<(usize, Range<usize>)>,
    },
    /// Documents of a table.
    Rows(Vec<String>),
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    text: Cow<'a, str>,
}

impl Part {
    fn open(file: PathBuf) -> Result<Part, String> {
        let ending = file
            .extension()
            .map(|e| e.to_string_lossy().to_ascii_lowercase());
        match ending.as_deref() {
            Some("jsonl" | "ndjson") => {
                let text = read(&file)?;
                let mut start = 0;
                let mut lines = Vec::new();
                for (number, line) in text.split_inclusive('\n').enumerate() {
                    let end = start + line.len();
                    if !line.trim().is_empty() {
                        lines.push((number + 1, start..end));
                    }
                    start = end;
                }
                Ok(Part::Lines { file, text, lines })
            }
            Some("txt" | "text" | "md") => {
                let text = read(&file)?;
                let mut documents = Vec::new();
                let mut start = 0;
                for part in text.split(END_OF_TEXT) {
                    let end = start + part.len();
                    if !part.trim().is_empty() {
                        documents.push(start..end);
                    }
                    start = end + END_OF_TEXT.len();
                }
                Ok(Part::Plain { text, documents })
            }
            _ => rows(&file).map(Part::Rows),
        }
    }

    fn len(&self) -> usize {
        match self {
            Part::Plain { documents, .. } => documents.len(),
            Part::Lines { lines, .. } => lines.len(),
            Part::Rows(rows) => rows.len(),
        }
    }

    fn get(&self, index: usize) -> Result<Cow<'_, str>, String> {
        match self {
            Part::Plain { text, documents } => Ok(text[documents[index].clone()].into()),
            Part::Rows(rows) => Ok(rows[index].as_str().into()),
            Part::Lines { file, text, lines } => {
                let (number, range) = &lines[index];
                serde_json::from_str::<Line<'_>>(&text[range.clone()])
                    .map(|line| line.text)
                    .map_err(|e| {
                        let e = e.to_string();
                        let reason = e.split(" at line ").next().unwrap_or_default();
                        format!(
                            "{}:{number}: expected a JSON object with \"{FIELD}\" ({reason})",
                            file.display()
                        )
                    })
            }
        }
    }
}

fn read(file: &Path) -> Result<String, String> {
    let bytes =
        std::fs::read(file).map_err(|e| format!("{}: cannot be read ({e})", file.display()))?;
    String::from_utf8(bytes).map_err(|e| {
        format!(
            "{}: byte {} is no UTF-8; convert the file",
            file.display(),
            e.utf8_error().valid_up_to()
        )
    })
}

fn rows(file: &Path) -> Result<Vec<String>, String> {
    let options = RowOptions {
        field: None,
        delimiter: None,
    };
    read_files(&[file.to_path_buf()], &options)
        .map_err(|e| e.to_string())?
        .iter()
        .enumerate()
        .map(|(row, fields)| match fields.get(FIELD) {
            Some(serde_json::Value::String(text)) => Ok(text.clone()),
            Some(other) => Err(format!(
                "{}: row {}: '{FIELD}' is {other}; expected a text",
                file.display(),
                row + 1
            )),
            None => {
                let have: Vec<&str> = fields.keys().map(String::as_str).collect();
                Err(format!(
                    "{}: row {}: no '{FIELD}'; there are {}",
                    file.display(),
                    row + 1,
                    have.join(", ")
                ))
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(files: &[(&str, &str)]) -> (tempfile::TempDir, Result<Vec<String>, String>) {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in files {
            std::fs::write(dir.path().join(name), content).unwrap();
        }
        let pattern = dir.path().join("*").display().to_string();
        let all = FileTexts::default().open(&pattern).and_then(|documents| {
            (0..documents.len())
                .map(|i| documents.get(i).map(Cow::into_owned))
                .collect()
        });
        (dir, all)
    }

    #[test]
    fn documents_come_file_by_file() {
        let (_dir, all) = texts(&[
            ("a.txt", "one<|endoftext|>\ntwo\n<|endoftext|>\n"),
            (
                "b.jsonl",
                "{\"text\": \"th\\nree\", \"x\": 1}\n\n{\"text\": \"four\"}\n",
            ),
            ("c.csv", "id,text\n1,five\n"),
        ]);
        assert_eq!(all.unwrap(), ["one", "\ntwo\n", "th\nree", "four", "five"]);
    }

    #[test]
    fn a_wrong_line_is_named() {
        let (_dir, all) = texts(&[("b.jsonl", "{\"text\": \"a\"}\n{\"txt\": 3}\n")]);
        let fault = all.unwrap_err();
        assert!(
            fault.contains("b.jsonl:2: expected a JSON object with \"text\""),
            "{fault}"
        );
        let (_dir, all) = texts(&[("c.csv", "id,txt\n1,five\n")]);
        assert!(
            all.unwrap_err()
                .contains("row 1: no 'text'; there are id, txt")
        );
        let (_dir, all) = texts(&[]);
        assert!(all.unwrap_err().contains("no file matches"));
    }
}
