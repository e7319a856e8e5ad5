//! Requests that share prefixes in every way that matters, and the companies they are run in.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use upturn_engine::checkpoint::Checkpoint;
use upturn_engine::forward::Decoder;
use upturn_engine::gemm::Compute;
use upturn_engine::generate::{Answer, Prompt, Text, generate};
use upturn_engine::score::{Limits, Score, score};
use upturn_engine::trie::Sequence;
use upturn_types::{Flow, GenerateOptions, LmError, Work};

/// Pseudo-random numbers from a fixed seed (SplitMix64).
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number in 0..n.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// A number in lo..=hi.
    pub fn within(&mut self, lo: usize, hi: usize) -> usize {
        lo + self.below(hi - lo + 1)
    }

    pub fn shuffled(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            order.swap(i, self.below(i + 1));
        }
        order
    }
}

/// Token lists of 2 to `longest`: fresh ones, branches at any place of older ones (inside
/// blocks of 16 and at their ends), older ones again, and beginnings of older ones.
pub fn token_lists(seed: u64, n: usize, vocab: usize, longest: usize) -> Vec<Vec<u32>> {
    let mut r = Random(seed);
    let mut lists: Vec<Vec<u32>> = Vec::new();
    for i in 0..n {
        let mut tokens = match (lists.is_empty(), i % 10) {
            (true, _) => Vec::new(),
            // A fresh one now and then, some of full length.
            (_, 0) if i % 50 == 0 => Vec::new(),
            (_, 1) => {
                lists.push(lists[r.below(lists.len())].clone());
                continue;
            }
            (_, 2) => {
                let old = &lists[r.below(lists.len())];
                let cut = r.within(2, old.len());
                let beginning = old[..cut].to_vec();
                lists.push(beginning);
                continue;
            }
            (_, 3) => {
                // A branch at a block's edge, where there is one.
                let old = &lists[r.below(lists.len())];
                old[..(old.len() / 16 * 16).max(1)].to_vec()
            }
            _ => {
                let old = &lists[r.below(lists.len())];
                old[..r.within(1, old.len())].to_vec()
            }
        };
        let most = match tokens.len() {
            0 => longest,
            len => (len + 12).min(longest),
        };
        let least = (tokens.len() + 1).max(2).min(most);
        let len = if tokens.is_empty() && i % 100 == 0 {
            longest
        } else {
            r.within(least, most)
        };
        while tokens.len() < len {
            tokens.push(r.below(vocab) as u32);
        }
        lists.push(tokens);
    }
    lists
}

/// Requests over [`token_lists`]; equal lists may be scored from different places.
pub fn requests(seed: u64, n: usize, vocab: usize, longest: usize) -> Vec<Sequence> {
    let mut r = Random(seed ^ 0xABCD);
    token_lists(seed, n, vocab, longest)
        .into_iter()
        .map(|tokens| {
            let first_scored = match r.below(4) {
                0 => 1,
                1 => r.within(1, tokens.len() - 1),
                _ => tokens.len() - r.within(1, 3.min(tokens.len() - 1)),
            };
            Sequence {
                tokens,
                first_scored,
            }
        })
        .collect()
}

/// Distinct prefixes of the requests' inputs, counted one by one.
pub fn count_prefixes(requests: &[Sequence]) -> u64 {
    let prefixes: BTreeSet<&[u32]> = requests
        .iter()
        .flat_map(|s| (1..s.tokens.len()).map(move |n| &s.tokens[..n]))
        .collect();
    prefixes.len() as u64
}

/// Bytes of a model's cache for so many blocks.
pub fn kv_bytes(decoder: &Decoder, blocks: usize) -> u64 {
    (decoder.kv_shape().block_bytes() * blocks) as u64
}

/// What a score is, to the bit.
pub type Bits = (u32, bool);

fn bits(score: Score) -> Bits {
    (score.logprob.to_bits(), score.is_greedy)
}

/// Scores `requests` on the current pool; every request must be answered once.
pub fn run_scores(
    decoder: &Decoder,
    requests: &[Sequence],
    limits: Limits,
) -> Result<(Vec<Bits>, Work), LmError> {
    let mut found = vec![None; requests.len()];
    let work = score(decoder, requests, limits, &mut |i, s| {
        assert!(found[i].is_none(), "request {i} was answered twice");
        found[i] = Some(bits(s));
        Flow::Continue(())
    })?;
    let found = found
        .into_iter()
        .enumerate()
        .map(|(i, f)| f.unwrap_or_else(|| panic!("request {i} was not answered")))
        .collect();
    Ok((found, work))
}

/// What an answer is.
pub type Written = (Vec<u32>, String, &'static str);

/// A letter for every token, so that stop strings can be met.
pub fn letters(tokens: &[u32]) -> String {
    tokens
        .iter()
        .map(|t| char::from(b'a' + (t % 26) as u8))
        .collect()
}

/// Continues `prompts` on the current pool; every prompt must be answered once.
pub fn run_answers(
    decoder: &Decoder,
    prompts: &[Prompt],
    eos: &[u32],
    limits: Limits,
) -> Result<(Vec<Written>, Work), LmError> {
    let mut found: Vec<Option<Written>> = vec![None; prompts.len()];
    let text = Text {
        decode: &letters,
        eos,
    };
    let work = generate(decoder, prompts, &text, limits, &mut |i, a: Answer| {
        assert!(found[i].is_none(), "prompt {i} was answered twice");
        found[i] = Some((a.tokens, a.text, a.finish.name()));
        Flow::Continue(())
    })?;
    let found = found
        .into_iter()
        .enumerate()
        .map(|(i, f)| f.unwrap_or_else(|| panic!("prompt {i} was not answered")))
        .collect();
    Ok((found, work))
}

/// Prompts with every way of choosing, several seeds for the same prompt.
pub fn prompts(seed: u64, n: usize, vocab: usize, longest: usize) -> Vec<Prompt> {
    let sampled = GenerateOptions {
        do_sample: true,
        ..GenerateOptions::default()
    };
    let stop = |s: &[&str]| s.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    let ways: Vec<Arc<GenerateOptions>> = [
        GenerateOptions::default(),
        GenerateOptions {
            repetition_penalty: 1.3,
            until: stop(&["q", "rr"]),
            ..GenerateOptions::default()
        },
        GenerateOptions {
            temperature: 0.7,
            until: stop(&["z"]),
            ..sampled.clone()
        },
        GenerateOptions {
            top_k: 10,
            temperature: 1.3,
            ..sampled.clone()
        },
        GenerateOptions {
            top_p: 0.9,
            ..sampled.clone()
        },
        GenerateOptions {
            min_p: 0.05,
            repetition_penalty: 1.2,
            ..sampled
        },
    ]
    .into_iter()
    .map(Arc::new)
    .collect();
    let mut r = Random(seed ^ 0x5EED);
    let mut prompts = Vec::new();
    for tokens in token_lists(seed, n, vocab, longest) {
        let repeats = r.within(1, 3);
        let options = &ways[r.below(ways.len())];
        let max_tokens = r.within(1, 20);
        for repeat in 0..repeats {
            prompts.push(Prompt {
                tokens: tokens.clone(),
                options: Arc::clone(options),
                max_tokens,
                seed: r.next() ^ repeat as u64,
            });
        }
    }
    prompts
}

/// Loads a model's folder as far as its decoder.
pub fn decoder(dir: &Path) -> Decoder {
    decoder_for(dir, Compute::F32)
}

/// As [`decoder`], with products in `compute`.
pub fn decoder_for(dir: &Path, compute: Compute) -> Decoder {
    let checkpoint = Checkpoint::open(dir).unwrap_or_else(|e| panic!("{e}"));
    let plan = checkpoint.plan().unwrap_or_else(|e| panic!("{e}"));
    Decoder::bind_for(&Arc::new(checkpoint), plan, compute).unwrap_or_else(|e| panic!("{e}"))
}

/// Runs `f` on a pool of its own.
pub fn on_threads<R: Send>(threads: usize, f: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .expect("a pool of threads")
        .install(f)
}

/// The first difference of two lists of results, in words.
pub fn same<T: PartialEq + std::fmt::Debug>(
    found: &[T],
    expected: &[T],
    company: &str,
) -> Result<(), String> {
    let n = found.iter().zip(expected).filter(|(f, e)| f != e).count();
    match found.iter().zip(expected).position(|(f, e)| f != e) {
        Some(i) => Err(format!(
            "{company}: {n} of {} differ, first {i}: {:?}, elsewhere {:?}",
            found.len(),
            found[i],
            expected[i]
        )),
        None => Ok(()),
    }
}

/// Scores in every company; the first company's bits are everyone's.
pub fn scores_keep_their_bits(decoder: &Decoder, n: usize) -> Result<(), String> {
    let plan = decoder.plan();
    let mut requests = requests(17, n, plan.vocab_size, plan.max_positions.min(90));
    let greedy = end_greedily(decoder, &mut requests)?;
    let ample = |max_rows| Limits {
        max_rows,
        kv_bytes: kv_bytes(decoder, 4096),
    };
    let expect = |e: LmError| e.to_string();
    let (expected, work) = run_scores(decoder, &requests, ample(64)).map_err(expect)?;
    if work.tokens_distinct != count_prefixes(&requests) {
        return Err(format!("{} distinct tokens", work.tokens_distinct));
    }
    let once = |work: &Work, company: &str| {
        if work.tokens_computed == work.tokens_distinct {
            return Ok(());
        }
        Err(format!(
            "{company}: {} tokens computed, {} distinct",
            work.tokens_computed, work.tokens_distinct
        ))
    };
    let check = |threads: usize, limits: Limits, order: &[usize]| -> Result<(), String> {
        let company = format!("{threads} threads, {limits:?}, first {}", order[0]);
        let asked: Vec<Sequence> = order.iter().map(|&i| requests[i].clone()).collect();
        let wanted: Vec<Bits> = order.iter().map(|&i| expected[i]).collect();
        let (found, work) = on_threads(threads, || run_scores(decoder, &asked, limits))
            .map_err(|e| format!("{company}: {e}"))?;
        once(&work, &company)?;
        same(&found, &wanted, &company)
    };
    let mut r = Random(3);
    let in_order: Vec<usize> = (0..n).collect();
    // A batch of one row costs a walk through the model each: fewer requests do.
    check(1, ample(1), &in_order[..n / 5])?;
    check(2, ample(1), &r.shuffled(n)[..n / 10])?;
    check(3, ample(1), &r.shuffled(n)[..n / 20])?;
    for threads in 1..=3 {
        for max_rows in [7, 64, 100_000] {
            check(threads, ample(max_rows), &in_order)?;
        }
        check(threads, ample(64), &r.shuffled(n))?;
    }
    for shard in 0..4 {
        let mine: Vec<usize> = (shard..n).step_by(4).collect();
        check(2, ample(100_000), &mine)?;
    }
    for i in 0..n {
        let (found, work) =
            run_scores(decoder, &requests[i..=i], ample(100_000)).map_err(expect)?;
        once(&work, "alone")?;
        same(&found, &expected[i..=i], &format!("request {i} alone"))?;
    }
    // The smallest cache that does, by blocks; less of it is refused in plain words.
    let mut blocks = 1;
    loop {
        let limits = Limits {
            max_rows: 64,
            kv_bytes: kv_bytes(decoder, blocks),
        };
        match run_scores(decoder, &requests, limits) {
            Ok((found, work)) => {
                once(&work, "tight")?;
                same(&found, &expected, &format!("{blocks} blocks"))?;
                break;
            }
            Err(e) if e.to_string().contains("--kv-memory") => blocks += 1,
            Err(e) => return Err(e.to_string()),
        }
    }
    let longest = requests.iter().map(|s| s.tokens.len() - 1).max();
    if Some(blocks) != longest.map(|n| n.div_ceil(16)) {
        return Err(format!("{blocks} blocks are the fewest that do"));
    }
    for more in [1, 3] {
        let kv_bytes = kv_bytes(decoder, blocks + more);
        for max_rows in [7, 100_000] {
            check(2, Limits { max_rows, kv_bytes }, &r.shuffled(n))?;
        }
    }
    // Scores that are all alike would prove nothing.
    let distinct: BTreeSet<&Bits> = expected.iter().collect();
    if distinct.len() < n / 2 || expected.iter().filter(|b| b.1).count() > n / 2 {
        return Err(format!("{} distinct", distinct.len()));
    }
    match greedy.iter().find(|&&i| !expected[i].1) {
        Some(i) => Err(format!("request {i} ends as generation would")),
        None => Ok(()),
    }
}

/// Makes every tenth request score one token, the one that generation chooses.
fn end_greedily(decoder: &Decoder, requests: &mut [Sequence]) -> Result<Vec<usize>, String> {
    let chosen: Vec<usize> = (0..requests.len()).step_by(10).collect();
    let prompts: Vec<Prompt> = chosen
        .iter()
        .map(|&i| Prompt {
            tokens: requests[i].input().to_vec(),
            options: Arc::new(GenerateOptions::default()),
            max_tokens: 1,
            seed: 0,
        })
        .collect();
    let limits = Limits {
        max_rows: 512,
        kv_bytes: kv_bytes(decoder, 4096),
    };
    let (answers, _) = run_answers(decoder, &prompts, &[], limits).map_err(|e| e.to_string())?;
    for (&i, (tokens, ..)) in chosen.iter().zip(answers) {
        let request = &mut requests[i];
        request.first_scored = request.tokens.len() - 1;
        request.tokens[request.first_scored] = tokens[0];
    }
    Ok(chosen)
}

/// Answers in every company; the first company's tokens are everyone's.
pub fn answers_keep_their_tokens(decoder: &Decoder, n: usize) -> Result<(), String> {
    let plan = decoder.plan();
    let prompts = prompts(29, n, plan.vocab_size, plan.max_positions.min(90) - 20);
    let n = prompts.len();
    let ample = |max_rows| Limits {
        max_rows,
        kv_bytes: kv_bytes(decoder, 4096),
    };
    let expect = |e: LmError| e.to_string();
    let alone = |eos: &[u32]| -> Result<Vec<Written>, String> {
        let mut found = Vec::new();
        for prompt in prompts.chunks(1) {
            found.extend(
                run_answers(decoder, prompt, eos, ample(64))
                    .map_err(expect)?
                    .0,
            );
        }
        Ok(found)
    };
    // An end of text that is met at least once: the middle of the longest answer.
    let longest = alone(&[])?.into_iter().max_by_key(|a| a.0.len());
    let longest = longest.map(|a| a.0).unwrap_or_default();
    let eos = [longest[longest.len() / 2], plan.vocab_size as u32];
    let expected = alone(&eos)?;
    let check = |threads: usize, limits: Limits, order: &[usize]| -> Result<(), String> {
        let company = format!("{threads} threads, {limits:?}, first {}", order[0]);
        let asked: Vec<Prompt> = order.iter().map(|&i| prompts[i].clone()).collect();
        let wanted: Vec<Written> = order.iter().map(|&i| expected[i].clone()).collect();
        let (found, work) = on_threads(threads, || run_answers(decoder, &asked, &eos, limits))
            .map_err(|e| format!("{company}: {e}"))?;
        same(&found, &wanted, &company)?;
        if work.tokens_computed != work.tokens_distinct {
            return Err(format!("{company}: {work:?}"));
        }
        Ok(())
    };
    let mut r = Random(5);
    let in_order: Vec<usize> = (0..n).collect();
    check(1, ample(1), &in_order[..n / 4])?;
    check(2, ample(1), &r.shuffled(n)[..n / 8])?;
    for threads in 1..=2 {
        for max_rows in [7, 64, usize::MAX] {
            check(threads, ample(max_rows), &in_order)?;
        }
        check(threads, ample(64), &r.shuffled(n))?;
    }
    for shard in 0..4 {
        let mine: Vec<usize> = (shard..n).step_by(4).collect();
        check(2, ample(64), &mine)?;
    }
    for max_rows in [1, 7, 64, usize::MAX] {
        let part = if max_rows == 1 { n / 8 } else { n };
        let mut blocks = 1;
        loop {
            let kv_bytes = kv_bytes(decoder, blocks);
            match check(1, Limits { max_rows, kv_bytes }, &in_order[..part]) {
                Ok(()) => break,
                Err(e) if e.contains("--kv-memory") => blocks += 1,
                Err(e) => return Err(e),
            }
        }
        let fewest = prompts[..part]
            .iter()
            .map(|p| p.tokens.len().div_ceil(16) + (p.max_tokens - 1).div_ceil(16))
            .max();
        if Some(blocks) != fewest {
            return Err(format!("{blocks} blocks are the fewest that do"));
        }
        for more in [1, 2, 5, 9] {
            let kv_bytes = kv_bytes(decoder, blocks + more);
            check(2, Limits { max_rows, kv_bytes }, &r.shuffled(part))?;
        }
    }
    let ends: BTreeSet<&str> = expected.iter().map(|a| a.2).collect();
    let texts: BTreeSet<&str> = expected.iter().map(|a| a.1.as_str()).collect();
    if ends.len() < 2 || texts.len() < n / 3 {
        return Err(format!("ends {ends:?}, {} texts of {n}", texts.len()));
    }
    Ok(())
}
