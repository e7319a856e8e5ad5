//! Reading TOML with messages that name file, line and field.

use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use upturn_types::{Diagnostic, Text};

use crate::CatalogError;

/// A TOML text with the name under which messages speak of it.
#[derive(Clone, Copy)]
pub(crate) struct TomlText<'a> {
    pub(crate) text: &'a str,
    pub(crate) file: &'a str,
}

impl TomlText<'_> {
    /// Reads the whole text as `T`; `example` shows how an entry is written.
    pub(crate) fn read<T: DeserializeOwned>(self, example: &str) -> Result<T, CatalogError> {
        toml::from_str(self.text).map_err(|error| {
            let mut diagnostic = Diagnostic::error(error.message().trim().replace('\n', ", "))
                .file(self.file)
                .help(format!("an entry looks like {example}"));
            if let Some(span) = error.span() {
                diagnostic = diagnostic.place(self.line(&span));
            }
            CatalogError::new(diagnostic)
        })
    }

    /// `line 3`: where `span` begins.
    pub(crate) fn line(self, span: &Range<usize>) -> String {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        format!("line {}", before.matches('\n').count() + 1)
    }

    /// Refuses the value at `span`.
    pub(crate) fn refuse(
        self,
        span: &Range<usize>,
        field: &str,
        message: impl std::fmt::Display,
        expected: &str,
        help: &str,
    ) -> CatalogError {
        CatalogError::new(
            Diagnostic::error(message.to_string())
                .file(self.file)
                .place(format!("{}: {field}", self.line(span)))
                .expected(expected)
                .help(help),
        )
    }

    /// A count that must be finite and above zero.
    pub(crate) fn positive(
        self,
        field: &str,
        value: Option<&Spanned<f64>>,
    ) -> Result<Option<f64>, CatalogError> {
        let Some(value) = value else { return Ok(None) };
        let number = *value.get_ref();
        if number.is_finite() && number > 0.0 {
            return Ok(Some(number));
        }
        Err(self.refuse(
            &value.span(),
            field,
            format_args!("{field} is {number}"),
            "a count above 0",
            "write the number out, as 1.4e9, or leave the line out where it is unknown",
        ))
    }

    /// A whole number that must be above zero.
    pub(crate) fn positive_int(
        self,
        field: &str,
        value: Option<&Spanned<i64>>,
    ) -> Result<Option<u64>, CatalogError> {
        let Some(value) = value else { return Ok(None) };
        match u64::try_from(*value.get_ref()) {
            Ok(number) if number > 0 => Ok(Some(number)),
            _ => Err(self.refuse(
                &value.span(),
                field,
                format_args!("{field} is {}", value.get_ref()),
                "a whole number above 0",
                "leave the line out where it is unknown",
            )),
        }
    }

    /// A name that must not be blank.
    pub(crate) fn name(self, field: &str, value: &Spanned<String>) -> Result<Text, CatalogError> {
        let name = value.get_ref().trim();
        if name.chars().any(char::is_alphanumeric) {
            return Ok(name.into());
        }
        Err(self.refuse(
            &value.span(),
            field,
            format_args!("{field} {:?} has no letter or digit", value.get_ref()),
            "a name",
            "write it as it stands in the results",
        ))
    }

    /// Names, each not blank.
    pub(crate) fn names(
        self,
        field: &str,
        values: &[Spanned<String>],
    ) -> Result<Vec<Text>, CatalogError> {
        values.iter().map(|v| self.name(field, v)).collect()
    }
}
