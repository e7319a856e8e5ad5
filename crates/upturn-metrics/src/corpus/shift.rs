//! Edits of words where a run of words may be moved for the price of one edit.
//!
//! The search is greedy, as Tercom's: the move that shortens the edit distance most is made,
//! until none does. Limits on the moves tried and on the part of the table that is filled are
//! sacreBLEU's, since they show in the result.

/// Longest run that is moved, in words.
const SHIFT_SIZE_MAX: usize = 10;
/// Farthest that a run is moved, in words.
const SHIFT_DISTANCE_MAX: usize = 50;
/// Half the width of the band of the table around its diagonal.
const BEAM_WIDTH: usize = 25;
/// Moves tried per pair of texts.
const CANDIDATES_MAX: usize = 1000;
/// Cost of a cell outside the band.
const UNREACHED: u32 = u32::MAX / 2;

/// Fewest edits found: moves of runs, and insertions, deletions and substitutions of words.
pub(super) fn edits(hypothesis: &[u32], reference: &[u32]) -> usize {
    if reference.is_empty() {
        return hypothesis.len();
    }
    let mut words = hypothesis.to_vec();
    let mut table = Table::new(reference, words.len());
    table.fill(&words, 0);
    let mut n_shifts = 0;
    let mut n_candidates = 0;
    loop {
        let best = best_shift(&words, reference, &table, &mut n_candidates);
        // A search that used up its moves is not acted upon.
        if n_candidates >= CANDIDATES_MAX {
            break;
        }
        let Some(shift) = best.filter(|shift| shift.gain > 0) else {
            break;
        };
        n_shifts += 1;
        words = shift.words;
        table.fill(&words, 0);
    }
    n_shifts + table.distance() as usize
}

/// A move and what it gains.
struct Shift {
    /// Edits saved; may be negative.
    gain: i64,
    length: usize,
    start: usize,
    target: usize,
    words: Vec<u32>,
}

impl Shift {
    /// Order of preference: gain, length, earliest start, earliest target.
    fn rank(
        &self,
    ) -> (
        i64,
        usize,
        std::cmp::Reverse<usize>,
        std::cmp::Reverse<usize>,
    ) {
        use std::cmp::Reverse;
        (
            self.gain,
            self.length,
            Reverse(self.start),
            Reverse(self.target),
        )
    }
}

/// The best move of a run that matches the reference elsewhere. `table` holds the distances
/// of `words`.
fn best_shift(
    words: &[u32],
    reference: &[u32],
    table: &Table<'_>,
    n_candidates: &mut usize,
) -> Option<Shift> {
    let before = i64::from(table.distance());
    let alignment = table.alignment(words.len());
    let mut best: Option<Shift> = None;
    for start in 0..words.len() {
        let first = start.saturating_sub(SHIFT_DISTANCE_MAX);
        let last = (start + SHIFT_DISTANCE_MAX + 1).min(reference.len());
        for at in first..last {
            let longest = words[start..]
                .iter()
                .zip(&reference[at..])
                .take(SHIFT_SIZE_MAX)
                .take_while(|(a, b)| a == b)
                .count();
            for length in 1..=longest {
                if !alignment.worth_moving(start, at, length) {
                    continue;
                }
                let mut previous = None;
                for offset in 0..=length {
                    // Behind the place of the reference word before the run, and of each in it.
                    let target = match (at + offset).checked_sub(1) {
                        None => 0,
                        Some(word) => match alignment.of_reference.get(word) {
                            Some(place) => (place + 1) as usize,
                            None => break,
                        },
                    };
                    if previous.replace(target) == Some(target) {
                        continue;
                    }
                    let moved = perform(words, start, length, target);
                    let same = words.iter().zip(&moved).take_while(|(a, b)| a == b).count();
                    let after = table.distance_of(&moved, same);
                    *n_candidates += 1;
                    let shift = Shift {
                        gain: before - i64::from(after),
                        length,
                        start,
                        target,
                        words: moved,
                    };
                    if best.as_ref().is_none_or(|b| shift.rank() > b.rank()) {
                        best = Some(shift);
                    }
                }
                if *n_candidates >= CANDIDATES_MAX {
                    return best;
                }
            }
        }
    }
    best
}

/// Moves `length` words from `start` to before `target`; a target within the run or just
/// behind it counts from where the run has left.
fn perform(words: &[u32], start: usize, length: usize, target: usize) -> Vec<u32> {
    let run = &words[start..start + length];
    let end = start + length;
    let mut out = Vec::with_capacity(words.len());
    if target < start {
        out.extend_from_slice(&words[..target]);
        out.extend_from_slice(run);
        out.extend_from_slice(&words[target..start]);
        out.extend_from_slice(&words[end..]);
    } else if target > end {
        out.extend_from_slice(&words[..start]);
        out.extend_from_slice(&words[end..target]);
        out.extend_from_slice(run);
        out.extend_from_slice(&words[target..]);
    } else {
        let stop = (target + length).min(words.len());
        out.extend_from_slice(&words[..start]);
        out.extend_from_slice(&words[end..stop]);
        out.extend_from_slice(run);
        out.extend_from_slice(&words[stop..]);
    }
    out
}

/// Where each reference word lies in the hypothesis, and which words are wrong.
struct Alignment {
    /// Last hypothesis word up to each reference word; -1 before the first.
    of_reference: Vec<i64>,
    hypothesis_wrong: Vec<bool>,
    reference_wrong: Vec<bool>,
}

impl Alignment {
    /// Whether moving a run can help: some of its words are wrong, the place it would go to
    /// has a wrong word, and it does not lie there already.
    fn worth_moving(&self, start: usize, at: usize, length: usize) -> bool {
        let wrong = |flags: &[bool], from: usize| flags[from..from + length].iter().any(|w| *w);
        let place = self.of_reference[at];
        let within = place >= start as i64 && place < (start + length) as i64;
        wrong(&self.hypothesis_wrong, start) && wrong(&self.reference_wrong, at) && !within
    }
}

/// What was done last to reach a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Keep,
    Substitute,
    /// A reference word with no counterpart.
    Insert,
    /// A hypothesis word with no counterpart.
    Delete,
    Unreached,
}

/// Cells of one row of the table within the band.
struct Row {
    /// Column of the first cell.
    first: usize,
    cells: Vec<(u32, Step)>,
}

impl Row {
    fn cost(&self, column: usize) -> u32 {
        self.cell(column).0
    }

    fn cell(&self, column: usize) -> (u32, Step) {
        column
            .checked_sub(self.first)
            .and_then(|i| self.cells.get(i))
            .copied()
            .unwrap_or((UNREACHED, Step::Unreached))
    }
}

/// Levenshtein distances of beginnings of the hypothesis (rows) and of the reference
/// (columns), filled around the diagonal.
struct Table<'a> {
    reference: &'a [u32],
    n_words: usize,
    rows: Vec<Row>,
}

impl<'a> Table<'a> {
    fn new(reference: &'a [u32], n_words: usize) -> Self {
        let first_row = Row {
            first: 0,
            cells: (0..=reference.len())
                .map(|j| (j as u32, Step::Insert))
                .collect(),
        };
        Table {
            reference,
            n_words,
            rows: vec![first_row],
        }
    }

    /// Columns of row `i` that are filled.
    fn band(&self, i: usize) -> std::ops::Range<usize> {
        let n_reference = self.reference.len();
        let ratio = n_reference as f64 / self.n_words as f64;
        let half = ratio / 2.0;
        let beam = if (BEAM_WIDTH as f64) < half {
            (half + BEAM_WIDTH as f64).ceil() as usize
        } else {
            BEAM_WIDTH
        };
        let diagonal = (i as f64 * ratio).floor() as usize;
        let last = if i == self.n_words {
            n_reference + 1
        } else {
            (n_reference + 1).min(diagonal + beam)
        };
        diagonal.saturating_sub(beam)..last
    }

    /// Fills the rows after the first `known` words, whose rows are right.
    fn fill(&mut self, words: &[u32], known: usize) {
        self.rows.truncate(known + 1);
        for i in known + 1..=words.len() {
            let row = self.row(i, words[i - 1], &self.rows[i - 1]);
            self.rows.push(row);
        }
    }

    fn row(&self, i: usize, word: u32, above: &Row) -> Row {
        let band = self.band(i);
        let mut row = Row {
            first: band.start,
            cells: Vec::with_capacity(band.len()),
        };
        let mut left = UNREACHED;
        for j in band {
            let cell = if j == 0 {
                (above.cost(0) + 1, Step::Delete)
            } else {
                let (cost, step) = if word == self.reference[j - 1] {
                    (0, Step::Keep)
                } else {
                    (1, Step::Substitute)
                };
                // The first of equal costs is kept.
                let mut cell = (UNREACHED, Step::Unreached);
                for (cost, step) in [
                    (above.cost(j - 1) + cost, step),
                    (above.cost(j) + 1, Step::Delete),
                    (left + 1, Step::Insert),
                ] {
                    if cell.0 > cost {
                        cell = (cost, step);
                    }
                }
                cell
            };
            left = cell.0;
            row.cells.push(cell);
        }
        row
    }

    /// Distance of other words, as many, of which the first `same` are the table's.
    fn distance_of(&self, words: &[u32], same: usize) -> u32 {
        let mut last: Option<Row> = None;
        for i in same + 1..=words.len() {
            let above = last.as_ref().unwrap_or(&self.rows[i - 1]);
            last = Some(self.row(i, words[i - 1], above));
        }
        last.as_ref()
            .map_or_else(|| self.distance(), |row| row.cost(self.reference.len()))
    }

    fn distance(&self) -> u32 {
        self.rows
            .last()
            .map_or(UNREACHED, |row| row.cost(self.reference.len()))
    }

    /// Follows the steps back from the last cell.
    fn alignment(&self, n_words: usize) -> Alignment {
        let (mut i, mut j) = (n_words, self.reference.len());
        let mut result = Alignment {
            of_reference: vec![-1; j],
            hypothesis_wrong: vec![false; i],
            reference_wrong: vec![false; j],
        };
        while i > 0 || j > 0 {
            let step = match self.rows[i].cell(j).1 {
                // Cannot be: the last row is filled to the end. Leave the table by its edge.
                Step::Unreached if i > 0 => Step::Delete,
                Step::Unreached => Step::Insert,
                step => step,
            };
            match step {
                Step::Keep | Step::Substitute => {
                    i -= 1;
                    j -= 1;
                    result.of_reference[j] = i as i64;
                    result.hypothesis_wrong[i] = step == Step::Substitute;
                    result.reference_wrong[j] = step == Step::Substitute;
                }
                Step::Insert => {
                    j -= 1;
                    result.of_reference[j] = i as i64 - 1;
                    result.reference_wrong[j] = true;
                }
                _ => {
                    i -= 1;
                    result.hypothesis_wrong[i] = true;
                }
            }
        }
        result
    }
}
