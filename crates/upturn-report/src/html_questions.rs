//! The artefact and method questions as sections of the page.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, Value};
use serde::Serialize;
use upturn_types::Analysis;

use crate::numbers::{self, Signs};
use crate::questions::{artefact_headline, artefact_lines, method_headline, method_lines};
use crate::words;

const TEMPLATE: &str = include_str!("../templates/questions.html");

/// Most comparisons on a page.
const MAX_COMPARISONS: usize = 400;

/// The sections, and which there are.
#[derive(Serialize)]
pub struct Sections {
    artefacts: bool,
    methods: bool,
    html: Value,
}

/// What the template shows.
#[derive(Serialize)]
struct Questions {
    artefact: Option<String>,
    onsets: Vec<Onset>,
    method: Option<String>,
    comparisons: Vec<Comparison>,
    more: Option<String>,
}

#[derive(Serialize)]
struct Onset {
    name: String,
    onset: String,
    class: &'static str,
    verdict: &'static str,
    why: String,
    pairs: Vec<(String, String)>,
}

#[derive(Serialize)]
struct Comparison {
    name: String,
    counts: String,
    families: Vec<String>,
}

/// The sections of `analysis`; a question that was not asked has none. Texts from data are
/// escaped by the template.
#[must_use]
pub fn questions(analysis: &Analysis) -> Sections {
    let questions = gathered(analysis);
    let render = || -> Result<String, minijinja::Error> {
        let mut environment = Environment::new();
        environment.set_syntax(
            SyntaxConfig::builder()
                .trim_blocks(true)
                .lstrip_blocks(true)
                .build()?,
        );
        environment.add_template("questions.html", TEMPLATE)?;
        let page = Page {
            questions: &questions,
        };
        environment
            .get_template("questions.html")?
            .render(Serde(&page))
    };
    let html = render()
        .expect("the template and its context are fixed, whatever the data; a test renders them");
    Sections {
        artefacts: questions.artefact.is_some(),
        methods: questions.method.is_some(),
        html: Value::from_safe_string(html),
    }
}

#[derive(Serialize)]
struct Page<'a> {
    questions: &'a Questions,
}

fn gathered(analysis: &Analysis) -> Questions {
    let signs = Signs::UNICODE;
    let mut lines = method_lines(analysis, signs);
    let left = lines.len().saturating_sub(MAX_COMPARISONS);
    lines.truncate(MAX_COMPARISONS);
    Questions {
        artefact: artefact_headline(analysis),
        onsets: artefact_lines(analysis, signs)
            .into_iter()
            .map(|l| Onset {
                name: l.name,
                onset: l.onset,
                class: words::class(l.class),
                verdict: l.verdict,
                why: l.why,
                pairs: l.pairs,
            })
            .collect(),
        method: method_headline(analysis),
        comparisons: lines
            .into_iter()
            .map(|l| Comparison {
                name: l.name,
                counts: l.counts,
                families: l.families,
            })
            .collect(),
        more: (left > 0).then(|| {
            format!(
                "and {} more comparisons; analysis.json has them all.",
                numbers::integer(left as u64)
            )
        }),
    }
}
