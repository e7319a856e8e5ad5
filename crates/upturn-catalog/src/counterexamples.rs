//! Published counterexamples: abilities that a smaller model was reported to have and larger
//! ones of other families not.

/// A published counterexample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishedCounterexample {
    /// The BIG-bench task.
    pub task: &'static str,
}

impl PublishedCounterexample {
    /// Whether `name` is this task, spelt in any of the usual ways (`BIG-bench: emoji_movie`).
    #[must_use]
    pub fn is_task(&self, name: &str) -> bool {
        let letters = |text: &str| -> String {
            text.to_lowercase()
                .chars()
                .filter(char::is_ascii_alphanumeric)
                .collect()
        };
        let name = letters(name);
        let name = name.strip_prefix("bigbench").unwrap_or(&name);
        name == letters(self.task)
    }
}

/// The BIG-bench tasks on which Wei et al. 2022 (arXiv:2206.07682, Appendix F) report PaLM 62B
/// above random while LaMDA 137B and GPT-3 175B are not, as a transcription of that list has
/// them: a secondary source.
#[must_use]
pub fn wei2022_counterexamples() -> Vec<PublishedCounterexample> {
    [
        "anachronisms",
        "ascii_word_recognition",
        "conceptual_combinations",
        "cryptonite",
        "disambiguation_qa",
        "emoji_movie",
        "goal_step_wikihow",
        "gre_reading_comprehension",
        "linguistics_puzzles",
        "logic_grid_puzzle",
        "metaphor_boolean",
        "metaphor_understanding",
        "odd_one_out",
        "parsinlu_qa",
    ]
    .map(|task| PublishedCounterexample { task })
    .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_are_known_by_their_spellings() {
        let list = wei2022_counterexamples();
        let find = |name: &str| list.iter().find(|c| c.is_task(name)).map(|c| c.task);
        assert_eq!(find("BIG-bench: emoji_movie"), Some("emoji_movie"));
        assert_eq!(find("logic grid puzzle"), Some("logic_grid_puzzle"));
        assert_eq!(find("emoji_movie_2"), None);
    }
}
