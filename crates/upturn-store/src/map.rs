//! Foreign tables, read through a map: a small TOML file that says what each column is.
//!
//! A table is CSV, TSV or any other delimited text in UTF-8, with one line of column
//! names. A **wide** table has one row per model and one column per score; a **long**
//! one has one row per score.
//!
//! ```toml
//! [table]
//! layout = "wide"              # or "long"; wide unless said otherwise
//! delimiter = ","              # found from the first line unless given
//! na = ["", "NA"]              # cells that mean "missing" (default: "", NA, N/A, null, None)
//! drop = ["*,norm"]            # columns to leave out without a word; * is any text
//! fill = false                 # take unknown scale from the model catalogue
//!
//! [columns]                    # field = "column", or a table with its unit
//! model  = "Model"
//! family = "Model Family"
//! params = { column = "Model Size (B)", scale = 1e9 }
//! flops  = { column = "FLOPs (1E21)", scale = 1e21, kind = "derived" }
//!
//! [join]                       # more columns, from a second table with a shared one
//! file = "models.csv"          # beside the table, or beside the map
//! on = "Model"                 # column of the table; key = "…" if the other names it differently
//! [join.columns]
//! tokens = { column = "Data (T)", scale = 1e12 }
//!
//! [constants]                  # what holds for every row and no column says
//! source = "Our runs, May"
//! split = "test"
//!
//! [[score]]                    # wide: a score column by its exact name …
//! column = "gsm8k_5_exact_match,strict-match"
//! task = "gsm8k"
//! method = "direct"
//! shots = 5
//! metric = "exact_match"
//! filter = "strict-match"
//! n = 1319                     # or "lattice": recovered from the scores by the analysis
//!
//! [[score]]                    # … or many columns by a pattern
//! pattern = "bbh_{subset}_{shots}_{metric},{filter}"
//! task = "bbh"
//! method = "direct"
//! parse_failure = ["0.0"]      # cells that mark answers that could not be parsed: kept, flagged
//!
//! [tasks."bbh/snarks"]         # facts of a task, or of "task/subset"
//! chance = 0.5
//! n = 178
//! ```
//!
//! **Fields** of `[columns]`, `[join.columns]` (and, but for numbers of scale, of
//! `[constants]`): `model` (required), `family`, `tuning`, `step`, `params`, `tokens`,
//! `flops`, `loss` (nats per token), `task`, `subset`, `split`, `method`, `shots`,
//! `setting`, `filter`, `metric`, `value` (long), `stderr`, `n`, `chance`, `ceiling`,
//! `seed`, `source`, `note`. A column of numbers may have a `scale` (the factor to our
//! unit), `na` (more cells that mean "missing") and a `kind`
//! (`reported`, `derived`, `recovered` or `assumed`: how the number is known).
//!
//! **`[[score]]`** may set `task`, `subset`, `split`, `method`, `shots`, `setting`,
//! `filter`, `metric`, `tuning`, `source`, `note`, `stderr` (a column), `n`, `chance`,
//! `ceiling`, `higher_is_better`, `scale`, `na`, `parse_failure`, `flags`. Captures of a
//! pattern named like a text field or `shots` set it; a key set in the entry wins, and
//! may use captures (`subset = "{subset}"`). Captures that start with `_` are only
//! passed over. A column belongs to the entry that names it, else to the first pattern
//! that fits.
//!
//! Where several places give a field, the score wins over the column, the column over
//! the join, the join over the constants. Where neither method nor setting is given,
//! the method is `direct` if shots are and `unstated` if not. Without a family, the
//! catalogue's is used; its flags (instruction-tuned, code, mixture of experts) are always
//! set, and a model that it knows as tuned has a `tuning`. **Known as**: numbers in columns are reported; `n` and `chance`
//! written in a map are assumed; a chance that nobody gives comes from the task
//! catalogue (which looks for `task/subset` first), also assumed. The number of items
//! is never taken from the catalogue: whoever made the table may have used a part of
//! the test set.
//!
//! A column that the map neither names nor drops is listed in one note. A cell that
//! cannot be read costs its score, or, where it describes the model, its row, with a
//! message that names line and column. Records longer than 64 MiB end the reading.

#![expect(
    clippy::result_large_err,
    reason = "an error ends a file or a row: rare enough not to box every diagnostic"
)]

mod header;
pub(crate) mod number;
mod pattern;
mod problems;
mod reader;
mod rows;
mod spec;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use upturn_catalog::Catalog;
use upturn_types::Diagnostic;

use crate::capped::RECORD_BYTES_MAX;
use crate::parsed::Parsed;
use crate::texts::Texts;
use problems::Problems;

pub use spec::{ColumnSpec, Field, ItemCount, Layout, MapSpec};

impl MapSpec {
    /// Reads a map from a file. Its folder is where joined tables are looked for when
    /// they do not lie beside the table.
    ///
    /// # Errors
    ///
    /// When the file cannot be read as text, or as [`MapSpec::parse`].
    pub fn load(path: &Path) -> Result<MapSpec, Diagnostic> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|e| Diagnostic::error(format!("cannot be read: {e}")).file(name.clone()))?;
        let mut map = MapSpec::parse(&text, &name)?;
        map.folder = path.parent().map(Path::to_path_buf);
        Ok(map)
    }

    /// The name of the joined table, if the map has one.
    #[must_use]
    pub fn joined_file(&self) -> Option<&str> {
        self.join.as_ref().map(|j| j.file.as_str())
    }

    /// Reads the table at `path`, row by row.
    ///
    /// Everything that could not be used is in the diagnostics. Rows are not yet
    /// validated: a score of 1.7 is kept here.
    #[must_use]
    pub fn read_table(&self, path: &Path, catalog: &Catalog) -> Parsed {
        let name = path.display().to_string();
        let refuse = |diagnostic: Diagnostic| Parsed {
            diagnostics: vec![diagnostic],
            ..Parsed::default()
        };
        let table = match File::open(path) {
            Ok(table) => table,
            Err(e) => {
                return refuse(Diagnostic::error(format!("cannot be read: {e}")).file(name));
            }
        };
        let joined: Option<(PathBuf, File)> = match &self.join {
            None => None,
            Some(join) => match self.open_joined(&join.file, path) {
                Ok(opened) => Some(opened),
                Err(diagnostic) => return refuse(diagnostic),
            },
        };
        let joined = joined.map(|(path, file)| (path.display().to_string(), file));
        let joined = joined.as_ref().map(|(name, file)| (name.as_str(), file));
        read(self, &name, table, joined, RECORD_BYTES_MAX, catalog)
    }

    /// Opens the joined table beside the table, or else beside the map.
    fn open_joined(&self, file: &str, table: &Path) -> Result<(PathBuf, File), Diagnostic> {
        let folders = [table.parent().map(Path::to_path_buf), self.folder.clone()];
        let mut tried: Vec<String> = Vec::new();
        let mut last = None;
        for folder in folders.into_iter().flatten() {
            let path = folder.join(file);
            match File::open(&path) {
                Ok(opened) => return Ok((path, opened)),
                Err(e) => {
                    tried.push(path.display().to_string());
                    last = Some(e);
                }
            }
        }
        let why = last.map_or_else(String::new, |e| format!(": {e}"));
        Err(
            Diagnostic::error(format!("the joined table '{file}' cannot be read{why}"))
                .file(self.file_name.clone())
                .place("[join] file")
                .expected(format!("a file at {}", tried.join(" or "))),
        )
    }
}

/// Reads a table that is in memory, with the joined one where the map asks for it.
///
/// `file` names the table in messages and, where the map gives no source, is the
/// source of its rows.
#[must_use]
pub fn parse(
    table: &[u8],
    map: &MapSpec,
    joined: Option<&[u8]>,
    file: &str,
    catalog: &Catalog,
) -> Parsed {
    let name = map.joined_file().unwrap_or_default();
    let joined = joined.map(|bytes| (name, bytes));
    read(map, file, table, joined, RECORD_BYTES_MAX, catalog)
}

fn read(
    map: &MapSpec,
    file: &str,
    table: impl Read,
    joined: Option<(&str, impl Read)>,
    record_max: u64,
    catalog: &Catalog,
) -> Parsed {
    let texts = Texts::default();
    let mut diagnostics = Vec::new();
    let mut rows = None;
    if let Some(join) = &map.join {
        let name = joined
            .as_ref()
            .map_or(join.file.as_str(), |(name, _)| *name);
        let mut problems = Problems::new(name);
        match joined {
            Some((_, source)) => {
                rows = rows::read_joined(map, source, record_max, &mut problems, &texts);
            }
            None => problems.add(
                "unreadable tables",
                Diagnostic::error("the joined table was not given"),
            ),
        }
        diagnostics = problems.finish();
    }
    let mut parsed = rows::read_table(map, file, table, record_max, rows.as_ref(), catalog, &texts);
    diagnostics.append(&mut parsed.diagnostics);
    parsed.diagnostics = diagnostics;
    parsed
}
