//! The rows of an embedded table, as printed.

/// One line of a table of published figures. Empty cells are `None`.
#[derive(Debug, Clone)]
pub(super) struct Row {
    /// Line in the file, the header being line 1.
    pub(super) line: u64,
    pub(super) family: String,
    pub(super) model: String,
    pub(super) params: Option<f64>,
    pub(super) tokens: Option<f64>,
    pub(super) flops: Option<f64>,
    pub(super) task: String,
    pub(super) setting: String,
    pub(super) metric: String,
    /// The score as printed: its unit depends on the metric.
    pub(super) value: String,
    pub(super) n: Option<u64>,
    pub(super) chance: Option<f64>,
    pub(super) source: String,
    pub(super) confidence: String,
    pub(super) note: String,
}

/// Columns of every table, in order.
pub(super) const COLUMNS: [&str; 14] = [
    "family",
    "model",
    "params",
    "tokens",
    "flops",
    "task",
    "setting",
    "metric",
    "value",
    "n",
    "chance",
    "source",
    "confidence",
    "note",
];

/// The rows of a table; the message says which line cannot be read and why.
pub(super) fn rows(table: &str) -> Result<Vec<Row>, String> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(table.as_bytes());
    let mut record = csv::StringRecord::new();
    let mut rows = Vec::new();
    let mut header = true;
    while reader.read_record(&mut record).map_err(|e| e.to_string())? {
        let line = record.position().map_or(0, csv::Position::line);
        if std::mem::take(&mut header) {
            if record.iter().ne(COLUMNS) {
                return Err(format!("line {line}: other columns than expected"));
            }
            continue;
        }
        let cells: [&str; 14] = std::array::from_fn(|i| record.get(i).unwrap_or_default());
        let [
            family,
            model,
            params,
            tokens,
            flops,
            task,
            setting,
            metric,
            value,
            n,
            chance,
            source,
            confidence,
            note,
        ] = cells;
        let number = |cell: &str, name: &str| match cell {
            "" => Ok(None),
            _ => crate::map::number::parse(cell, 1.0)
                .map(Some)
                .ok_or_else(|| format!("line {line}: {name} '{cell}' is no number")),
        };
        rows.push(Row {
            line,
            family: family.to_owned(),
            model: model.to_owned(),
            params: number(params, "params")?,
            tokens: number(tokens, "tokens")?,
            flops: number(flops, "flops")?,
            task: task.to_owned(),
            setting: setting.to_owned(),
            metric: metric.to_owned(),
            value: value.to_owned(),
            n: match n {
                "" => None,
                _ => Some(
                    crate::map::number::parse_count(n)
                        .ok_or_else(|| format!("line {line}: n '{n}' is no count"))?,
                ),
            },
            chance: number(chance, "chance")?,
            source: source.to_owned(),
            confidence: confidence.to_owned(),
            note: note.to_owned(),
        });
    }
    Ok(rows)
}
