//! Helpers written out by hand, each for one text of its module.

use serde_json::{Map, Value};
use upturn_metrics::FilterValue;

use super::bbh;
use crate::dataset::Doc;

/// How a port's function is called in its module.
#[derive(Debug, Clone, Copy)]
enum Name {
    Exact(&'static str),
    /// The start; what follows is an argument.
    Prefix(&'static str),
}

/// What a port does.
#[derive(Debug, Clone, Copy)]
enum Work {
    /// Rows whose field `Subject` is the rest of the function's name.
    MmmluSubject,
    Bbh(bbh::Kind),
}

/// A port.
#[derive(Debug)]
pub(super) struct Port {
    /// SHA-256 of the module's tokens, hex.
    digest: &'static str,
    name: Name,
    work: Work,
    /// What it is a port of.
    pub(super) note: &'static str,
}

const NOTE: &str = "port of lm-eval 0.4.13";
/// `openai-mmmlu/default/_default_template_yaml`'s helpers.
const MMMLU: &str = "3df28ed7f232bba849b6d01506f23cf8e927045c41bebe69820395291fb8f310";
/// `bbh/zeroshot/utils.py` and `bbh/cot_zeroshot/utils.py`.
const BBH: &str = "6bfa596d1b2f326de52d2705c13ccc86af0b8130fe854ad6671f64cb3cda573c";

static PORTS: [Port; 4] = [
    Port {
        digest: MMMLU,
        name: Name::Prefix("process_"),
        work: Work::MmmluSubject,
        note: NOTE,
    },
    Port {
        digest: BBH,
        name: Name::Exact("MultiChoiceRegexFilter"),
        work: Work::Bbh(bbh::Kind::MultiChoice),
        note: NOTE,
    },
    Port {
        digest: BBH,
        name: Name::Exact("MapRegexFilter"),
        work: Work::Bbh(bbh::Kind::Map),
        note: NOTE,
    },
    Port {
        digest: BBH,
        name: Name::Exact("WordSortFilter"),
        work: Work::Bbh(bbh::Kind::WordSort),
        note: NOTE,
    },
];

/// The port of a function of a module with this digest.
pub(super) fn find(digest: &str, function: &str) -> Option<&'static Port> {
    PORTS.iter().find(|port| {
        port.digest == digest
            && match port.name {
                Name::Exact(name) => name == function,
                Name::Prefix(start) => function.starts_with(start) && function.len() > start.len(),
            }
    })
}

impl Port {
    pub(super) fn process_docs(
        &self,
        function: &str,
        mut docs: Vec<Doc>,
    ) -> Result<Vec<Doc>, String> {
        let Work::MmmluSubject = self.work else {
            return Err(format!("{function} is no process_docs"));
        };
        let subject = function.trim_start_matches("process_");
        let mut missing = None;
        docs.retain(|doc| match doc.get("Subject") {
            Some(Value::String(text)) => plain_subject(text) == subject,
            Some(_) => false,
            None => {
                missing = Some(());
                false
            }
        });
        match missing {
            Some(()) => Err("the data has no field 'Subject'".into()),
            None => Ok(docs),
        }
    }

    pub(super) fn check_filter(&self, settings: &Map<String, Value>) -> Result<(), String> {
        match self.work {
            Work::Bbh(kind) => bbh::check(kind, settings),
            Work::MmmluSubject => Err("it is no filter of answers".into()),
        }
    }

    pub(super) fn filter(
        &self,
        settings: &Map<String, Value>,
        answers: &[String],
        doc: &Doc,
    ) -> Result<Vec<FilterValue>, String> {
        match self.work {
            Work::Bbh(kind) => bbh::apply(kind, settings, answers, doc),
            Work::MmmluSubject => Err("it is no filter of answers".into()),
        }
    }
}

/// A subject without the name of the file that some rows have in it.
fn plain_subject(text: &str) -> &str {
    ["_test.csv", "_test-"]
        .iter()
        .find_map(|mark| text.find(mark))
        .map_or(text, |at| &text[..at])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_port_is_bound_to_its_module() {
        assert!(find(MMMLU, "process_anatomy").is_some());
        assert!(find(MMMLU, "process_").is_none());
        assert!(find(BBH, "process_anatomy").is_none());
        assert!(find(BBH, "MapRegexFilter").is_some());
        assert!(find("0", "MapRegexFilter").is_none());
    }

    #[test]
    fn subjects_lose_the_names_of_files() {
        let docs = [
            "anatomy",
            "virology",
            "anatomy_test.csv_sw-KE.csv",
            "anatomy_test-x",
        ]
        .map(|s| Doc::from_iter([("Subject".to_string(), json!(s))]));
        let port = find(MMMLU, "process_anatomy").expect("a port");
        let kept = port
            .process_docs("process_anatomy", docs.to_vec())
            .expect("filtered");
        assert_eq!(kept, [docs[0].clone(), docs[2].clone(), docs[3].clone()]);
        let error = port
            .process_docs("process_anatomy", vec![Doc::new()])
            .expect_err("no field");
        assert!(error.contains("'Subject'"), "{error}");
    }
}
