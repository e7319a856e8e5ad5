//! The Python functions that a task names.

use crate::error::Refusal;
use crate::raw::RawConfig;

/// Every Python function or class that a task names, with its key, file and line.
#[must_use]
pub fn python_of(raw: &RawConfig) -> Vec<Refusal> {
    let mut found = Vec::new();
    for field in &raw.fields {
        let file = field.file.display().to_string();
        let class = (&*field.key == "class")
            .then(|| field.value.as_str())
            .flatten();
        if let Some(name) = class {
            found.push(Refusal::NeedsPython {
                key: "class".into(),
                function: name.into(),
                file: file.clone(),
                line: field.line,
            });
        }
        field
            .value
            .visit_functions(&field.key, &mut |key, function| {
                found.push(Refusal::NeedsPython {
                    key: key.into(),
                    function: function.name.to_string(),
                    file: file.clone(),
                    line: function.line,
                });
            });
    }
    found
}
