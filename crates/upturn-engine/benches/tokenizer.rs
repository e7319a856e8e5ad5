//! Speed of tokenizing: `cargo bench -p upturn-engine --bench tokenizer -- TOKENIZER_FOLDER [TEXT_FILE]`.
//!
//! Without a text it makes one of invented words with the frequencies of natural
//! language (the n-th commonest word 1/n as often). Without a folder it uses the
//! small tokenizer of the tests, whose tokens are too short to stand for a real one.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock and reports on the terminal"
)]

use std::path::{Path, PathBuf};
use std::time::Instant;

use upturn_engine::encode::{EncodeOptions, Encoder};
use upturn_engine::tokenizer::Tokenizer;
use upturn_types::{LoglikelihoodRequest, Text};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    let dir = args.first().map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tokenizer/byte_level"),
        PathBuf::from,
    );
    let start = Instant::now();
    let tokenizer = Tokenizer::open(&dir)?;
    println!(
        "{tokenizer:?}, opened in {:.2} s",
        start.elapsed().as_secs_f64()
    );
    let text = match args.get(1) {
        Some(path) => std::fs::read_to_string(path)?,
        None => words(&mut Lcg(1), 1_500_000),
    };

    for round in ["first time", "again"] {
        let start = Instant::now();
        let n = tokenizer.encode(&text, false)?.len();
        report(&format!("one thread, {round}"), text.len(), n, start);
    }
    let start = Instant::now();
    let part: String = text.chars().take(text.len() / 20).collect();
    let n = tokenizer.encode_plain(&part, false)?.len();
    report("one thread, without cutting", part.len(), n, start);

    // 14,000 questions of four options behind five fixed shots, 57 sets of them.
    let mut rng = Lcg(2);
    let mut requests = Vec::new();
    let mut shots = String::new();
    for doc in 0..14_000 {
        if doc % 246 == 0 {
            shots = (0..5).map(|_| question(&mut rng) + " B\n\n").collect();
        }
        let context: Text = Text::from(format!("{shots}{}", question(&mut rng)));
        for letter in [" A", " B", " C", " D"] {
            requests.push(LoglikelihoodRequest {
                context: Text::clone(&context),
                continuation: Text::from(letter),
            });
        }
    }
    let options = EncodeOptions {
        max_length: 2048,
        ..EncodeOptions::default()
    };
    let encoder = Encoder::new(&tokenizer, options);
    let n_bytes = requests
        .iter()
        .map(|r| r.context.len() + r.continuation.len())
        .sum();
    let start = Instant::now();
    let n = encoder
        .encode_pairs(&requests)?
        .iter()
        .map(|p| p.tokens.len())
        .sum();
    report(
        &format!(
            "{} pairs on {} threads",
            requests.len(),
            rayon::current_num_threads()
        ),
        n_bytes,
        n,
        start,
    );
    Ok(())
}

fn report(what: &str, n_bytes: usize, n_tokens: usize, start: Instant) {
    let secs = start.elapsed().as_secs_f64();
    let mb_per_sec = n_bytes as f64 / 1e6 / secs;
    println!(
        "{what}: {:.1} MB, {n_tokens} tokens in {secs:.3} s, {mb_per_sec:.1} MB/s",
        n_bytes as f64 / 1e6
    );
}

struct Lcg(u64);

impl Lcg {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

fn word(rank: u64) -> String {
    const SYLLABLES: [&str; 24] = [
        "the", "of", "an", "in", "to", "re", "con", "tion", "ment", "er", "al", "is", "it", "ing",
        "ed", "pro", "ter", "ly", "com", "st", "or", "es", "per", "un",
    ];
    let mut n = rank + 1;
    let mut word = String::new();
    while n > 0 {
        word.push_str(SYLLABLES[(n % 24) as usize]);
        n /= 24;
    }
    word
}

fn words(rng: &mut Lcg, n: usize) -> String {
    let mut text = String::new();
    for i in 0..n {
        // Ranks up to 50,000, with the distribution of 1/rank.
        let rank = (50_000_f64.powf(rng.below(1 << 20) as f64 / f64::from(1 << 20)) - 1.0) as u64;
        text.push_str(&word(rank));
        text.push_str(match rng.below(40) {
            0..4 => ", ",
            4..6 => ". ",
            6 => ".\n\n",
            7 => " (12) ",
            _ => " ",
        });
        if i % 13 == 0 {
            text.push_str("It's ");
        }
    }
    text
}

fn question(rng: &mut Lcg) -> String {
    let mut text = words(rng, 45);
    for letter in ["A", "B", "C", "D"] {
        text.push_str(&format!("\n{letter}. {}", words(rng, 6).trim_end()));
    }
    text.push_str("\nAnswer:");
    text
}
