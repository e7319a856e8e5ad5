//! P(True): a proposed answer, and whether it is true (Kadavath et al. 2022, section 3.3).

use sha2::{Digest as _, Sha256};
use upturn_metrics::PyRandom;

/// The choices.
pub(crate) const CHOICES: [&str; 2] = ["(A)", "(B)"];

/// What follows a proposed answer.
pub(crate) const QUESTION: &str =
    "\nIs the proposed answer:\n (A) True\n (B) False\nThe proposed answer is:";

/// A question with one proposed answer, and the index of the right choice: 0 (true) or 1.
///
/// The seed, the task's name and `place` decide alone: with even chances a right option is
/// proposed or a wrong one, so that a guess is right in one of two.
pub(crate) fn ptrue(
    question: &str,
    delimiter: &str,
    choices: &[upturn_types::Text],
    right: &[usize],
    (seed, task, place): (u64, &str, &str),
) -> (String, usize) {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(task.as_bytes());
    hash.update([2]);
    hash.update(place.as_bytes());
    let digest = hash.finalize();
    let mut random = PyRandom::new(u64::from_le_bytes(std::array::from_fn(|i| digest[i])));
    let wrong: Vec<usize> = (0..choices.len()).filter(|i| !right.contains(i)).collect();
    let truth = match (right.is_empty(), wrong.is_empty()) {
        (false, false) => random.randbelow(2) == 0,
        (has_no_right, _) => !has_no_right,
    };
    let among = if truth { right } else { &wrong };
    let proposed = match among.len() {
        0 => 0,
        n => among[random.randbelow(n as u64) as usize],
    };
    let answer = choices.get(proposed).map_or("", |c| c.trim());
    let touches = !question.ends_with(char::is_whitespace);
    let between = if touches { delimiter } else { "" };
    let text = format!("{question}{between}{answer}{QUESTION}");
    (text, usize::from(!truth))
}
