//! Documents, batches, vocabularies, and evaluation items that stay out.

use std::path::Path;

use upturn_engine::tokenizer::Tokenizer;
use upturn_engine::train::{Batch, IGNORE};
use upturn_ladder::mixture::{Mixture, Sequence, Side};
use upturn_ladder::{Documents, Ladder, NoTexts, Plan, Texts};
use upturn_synth::{Form, Generator, Item, Split};

/// Stories of 1 to 60 words, for any pattern.
struct Stories(usize);

impl Stories {
    fn text(i: usize) -> String {
        let letter = |n: usize| char::from(b'a' + (n % 26) as u8);
        let word = |j: usize| -> String { (0..4).map(|k| letter(i * j * (k + 3) / 5)).collect() };
        let words: Vec<String> = (0..i * 7 % 60 + 1).map(word).collect();
        format!("Story {i}: {}.\n", words.join(" "))
    }
}

impl Texts for Stories {
    fn open(&self, _: &str) -> Result<Box<dyn Documents>, String> {
        Ok(Box::new((0..self.0).map(Stories::text).collect::<Vec<_>>()))
    }
}

fn plan_with(data: &str, texts: &dyn Texts) -> Plan {
    let text = format!("family = \"a\"\nsizes.widths = [4]\n[tokens]\ntotal = 1e6\n{data}");
    let ladder = Ladder::parse(&text, Path::new("l.toml")).expect("sound");
    ladder.plan(texts).expect("possible")
}

fn plan(data: &str) -> Plan {
    plan_with(data, &NoTexts)
}

/// Every kind in its most usual form; those with steps in both.
const MANY: &[&str] = &[
    "addition:digits=2",
    "addition:digits=3",
    "subtraction:digits=2",
    "multiplication",
    "modular:modulus=97",
    "three_term",
    "running_sum",
    "unscramble",
    "last_letters",
    "coin_flip",
    "sorting",
    "reversal",
    "copying",
    "date",
    "linear",
    "word_in_context",
    "rewriting",
    "transliteration",
    "parity",
];

fn many(more: &str) -> String {
    let mut data = format!("[data]\ncontext = 512\n{more}\n");
    for spec in MANY {
        let steps = Generator::parse(spec).expect(spec).has_steps();
        let form = if steps { "both" } else { "direct" };
        data += &format!("[[data.task]]\ngenerator = \"{spec}\"\nform = \"{form}\"\n");
    }
    data
}

fn document(mixture: &Mixture, seed: u64, index: u64) -> Sequence {
    let mut out = Sequence::default();
    mixture.document(seed, index, Side::Train, &mut out);
    out
}

#[test]
fn a_document_depends_on_seed_and_index_alone() {
    let plan = plan(&many(""));
    let mixture = &plan.mixtures[0];
    let mut used = Sequence::default();
    for index in (0..200).rev() {
        mixture.document(1, index, Side::Train, &mut used);
        let fresh = document(mixture, 1, index);
        assert_eq!(
            (&used.tokens, &used.counted),
            (&fresh.tokens, &fresh.counted)
        );
    }
    let differ =
        (0..200).filter(|i| document(mixture, 1, *i).tokens != document(mixture, 2, *i).tokens);
    assert!(differ.count() > 195);
}

#[test]
fn batches_are_full_and_predict_the_next_token() {
    for loss in ["answers", "all"] {
        let plan = plan(&many(&format!("loss = \"{loss}\"")));
        let mixture = &plan.mixtures[0];
        let (mut space, mut batch) = (Sequence::default(), Batch::default());
        let mut next = 0;
        for _ in 0..20 {
            let first = next;
            next = mixture.batch(5, first, 700, Side::Train, &mut space, &mut batch);
            assert_eq!(batch.tokens.len(), 700);
            assert_eq!(batch.targets.len(), 700);
            assert_eq!(batch.lengths.iter().sum::<usize>(), 700);
            assert_eq!(batch.lengths.len() as u64, next - first);
            assert!(batch.lengths.iter().all(|n| (1..=512).contains(n)));
            let mut at = 0;
            for (i, n) in batch.lengths.iter().enumerate() {
                let d = document(mixture, 5, first + i as u64);
                // All but the batch's last are whole.
                assert!(*n == d.tokens.len() - 1 || i + 1 == batch.lengths.len());
                assert_eq!(batch.tokens[at..at + n], d.tokens[..*n]);
                for j in 0..*n {
                    let target = batch.targets[at + j];
                    match d.counted[j + 1] {
                        true => assert_eq!(target, d.tokens[j + 1]),
                        false => assert_eq!(target, IGNORE),
                    }
                }
                at += n;
            }
            let counted = batch.n_targets();
            assert!(
                if loss == "all" {
                    counted == 700
                } else {
                    counted < 500
                },
                "{counted}"
            );
        }
    }
}

#[test]
fn answers_alone_are_predicted() {
    let plan = plan(
        "[data]\nruns = 2\n[[data.task]]\ngenerator = \"addition:digits=2\"\nform = \"steps\"\n",
    );
    let mixture = &plan.mixtures[0];
    let tokenizer = plan.tokenizer.tokenizer();
    for index in 0..50 {
        let d = document(mixture, 0, index);
        let text = tokenizer.decode(&d.tokens, false);
        let shown: String = text
            .chars()
            .zip(&d.counted)
            .map(|(c, counted)| if *counted { c } else { '·' })
            .collect();
        for line in text.lines().zip(shown.lines()) {
            let (prompt, rest) = line.0.split_once('?').expect("asks for steps");
            assert_eq!(line.1, format!("{}·{rest}", "·".repeat(prompt.len())));
        }
        assert_eq!(text.lines().count(), 2);
    }
}

#[test]
fn the_tokens_of_a_prompt_begin_its_document() {
    for tokenizer in ["characters", "bpe:400"] {
        let plan = plan(&many(&format!("runs = 1\ntokenizer = \"{tokenizer}\"")));
        let mixture = &plan.mixtures[0];
        // As an evaluation opens it from a member's folder.
        let dir = tempfile::tempdir().expect("folder");
        for (name, text) in plan.tokenizer.files() {
            std::fs::write(dir.path().join(name), text).expect("written");
        }
        std::fs::write(dir.path().join("config.json"), r#"{"model_type": "llama"}"#)
            .expect("written");
        let opened = Tokenizer::open(dir.path()).expect("a tokenizer");
        assert_eq!(opened.vocab_size(), plan.tokenizer.vocab_size);
        assert_eq!(opened.eos_id(), Some(plan.tokenizer.eos_id));
        assert_eq!(opened.pad_id(), opened.eos_id());
        assert_eq!(opened.bos_id(), None);
        for index in 0..2_000 {
            let d = document(mixture, 3, index);
            let n = d.counted.iter().position(|c| *c).expect("an answer");
            let text = opened.decode(&d.tokens, false);
            assert_eq!(
                opened.encode(&text, true).expect("encoded"),
                d.tokens,
                "{text}"
            );
            let prompt = opened.decode(&d.tokens[..n], false);
            assert!(prompt.ends_with(['=', '?']), "{prompt}");
            assert_eq!(
                opened.encode(&prompt, true).expect("encoded"),
                d.tokens[..n]
            );
        }
    }
}

#[test]
fn characters_come_back_from_tokens() {
    let plan = plan_with(
        "[[data.text]]\npath = \"s\"\n[[data.task]]\ngenerator = \"addition\"\n",
        &Stories(50),
    );
    let tokenizer = plan.tokenizer.tokenizer();
    for text in [
        "",
        " ",
        "  ab  ba .\n\n",
        "1+1=2\n",
        "Story 7: w0 w7.\n",
        " S .",
    ] {
        let ids = tokenizer.encode(text, true).expect("encoded");
        assert_eq!(ids.len(), text.chars().count());
        assert_eq!(tokenizer.decode(&ids, true), text);
        let mut direct = Vec::new();
        plan.tokenizer.encode(text, &mut direct).expect("encoded");
        assert_eq!(direct, ids);
    }
    // What the data does not have is unknown, and a special token in a text is one token.
    for text in ["é+Q", "a<|endoftext|>a", "<unk>", "a<b"] {
        let mut direct = Vec::new();
        plan.tokenizer.encode(text, &mut direct).expect("encoded");
        assert_eq!(direct, tokenizer.encode(text, true).expect("encoded"));
    }
}

#[test]
fn a_trained_vocabulary_is_the_same_every_time() {
    let data = "[data]\ntokenizer = \"bpe:300\"\n[[data.text]]\npath = \"s\"\n[[data.task]]\ngenerator = \"date\"\n";
    let one = plan_with(data, &Stories(300));
    let two = plan_with(data, &Stories(300));
    assert_eq!(one.tokenizer.vocab_size, 300);
    assert!(one.tokenizer.files().eq(two.tokenizer.files()));
    // And from a file it is the same vocabulary.
    let dir = tempfile::tempdir().expect("folder");
    for (name, text) in one.tokenizer.files() {
        std::fs::write(dir.path().join(name), text).expect("written");
    }
    let text = format!(
        "family = \"a\"\nsizes.widths = [4]\n[tokens]\ntotal = 1e6\n{}",
        data.replace("bpe:300", "./tokenizer.json")
    );
    let ladder = Ladder::parse(&text, &dir.path().join("l.toml")).expect("sound");
    let three = ladder.plan(&Stories(300)).expect("possible");
    assert!(one.tokenizer.files().eq(three.tokenizer.files()));
    assert_eq!(one.members[0].hash, three.members[0].hash);
}

#[test]
fn texts_are_read_whole_before_they_come_again() {
    let plan = plan_with(
        "[data]\ncontext = 40\nheld_out = 0.2\n[[data.text]]\npath = \"s\"\n",
        &Stories(100),
    );
    let mixture = &plan.mixtures[0];
    let tokenizer = plan.tokenizer.tokenizer();
    let eos = plan.tokenizer.eos_id;
    let texts = |side: Side, from: u64, n: u64| -> Vec<String> {
        let mut out = Sequence::default();
        (from..from + n)
            .map(|i| {
                mixture.document(9, i, side, &mut out);
                assert!(out.tokens.len() <= 41 && out.tokens.len() >= 2);
                assert!(out.counted.iter().all(|c| *c));
                assert!(
                    out.tokens[1..out.tokens.len() - 1]
                        .iter()
                        .all(|t| *t != eos)
                );
                tokenizer.decode(&out.tokens, true)
            })
            .collect()
    };
    // The length of a round is that after which the first document comes again.
    let all = texts(Side::Train, 0, 3_000);
    let number = |t: &str| {
        t.strip_prefix("Story ")
            .map(|t| t.split(':').next().map(str::to_owned))
    };
    let begins: Vec<_> = all.iter().filter_map(|t| number(t)).collect();
    let mut distinct = begins.clone();
    distinct.sort();
    distinct.dedup();
    assert!((65..95).contains(&distinct.len()), "{}", distinct.len());
    // Within the first round every story that is trained on begins once.
    let first = &begins[..distinct.len()];
    let mut sorted = first.to_vec();
    sorted.sort();
    assert_eq!(sorted, distinct);
    assert_ne!(
        first,
        &begins[distinct.len()..2 * distinct.len()],
        "another order"
    );

    let held: Vec<_> = texts(Side::HeldOut, 0, 1_000)
        .iter()
        .filter_map(|t| number(t))
        .collect();
    assert!(held.iter().all(|t| !distinct.contains(t)));
    let mut held = held;
    held.sort();
    held.dedup();
    assert_eq!(held.len() + distinct.len(), 100);
}

#[test]
fn weights_are_shares_of_tokens() {
    let plan = plan_with(
        "[data]\ncontext = 64\nruns = [1, 3]\n[[data.text]]\npath = \"s\"\nweight = 3\n\
         [[data.task]]\ngenerator = \"addition:digits=1\"\nweight = 1\n",
        &Stories(500),
    );
    let mixture = &plan.mixtures[0];
    let mut fed = [0usize; 2];
    for i in 0..20_000 {
        let d = document(mixture, 4, i);
        fed[d.source] += d.tokens.len() - 1;
    }
    // The task is source 0. Its documents are short, so it is drawn more often than in one of
    // four draws.
    let share = fed[0] as f64 / (fed[0] + fed[1]) as f64;
    assert!((share - 0.25).abs() < 0.02, "{share}");
    let source = &mixture.sources()[0];
    assert!(
        source.document_share > 0.4 && source.token_share == 0.25,
        "{source:?}"
    );
}

#[test]
fn what_does_not_fit_the_context_is_left_out_whole() {
    let plan =
        plan("[data]\ncontext = 20\nruns = 4\n[[data.task]]\ngenerator = \"addition:digits=2\"\n");
    for i in 0..500 {
        let d = document(&plan.mixtures[0], 2, i);
        let text = plan.tokenizer.tokenizer().decode(&d.tokens, false);
        assert!(d.tokens.len() <= 21);
        assert!(text.ends_with('\n') && text.lines().count() == 2, "{text}");
    }
}

#[test]
fn evaluation_items_stay_out_of_training() {
    let plan = plan(&many(""));
    let mixture = &plan.mixtures[0];
    let mut prompts = Vec::new();
    for spec in MANY {
        let generator = Generator::parse(spec).expect(spec);
        for item in generator.items(11, Split::Test, 300) {
            prompts.push(item.short(Form::Direct).0.to_owned());
            prompts.push(item.short(Form::Steps).0.to_owned());
        }
    }
    assert!(prompts.len() > 5_000, "{}", prompts.len());
    let seed = plan.members[0].data_seed;
    let found = mixture.overlap(prompts.iter().map(String::as_str), seed, 20_000);
    assert_eq!(found.n_found, 0, "{:?}", found.example);
    assert!(found.n_places > 40_000, "{}", found.n_places);

    // The same look-up finds items of the training split.
    let known = Generator::parse("modular:modulus=97").expect("a task");
    let known = known.items(0, Split::Train, 3_000);
    let known = known.iter().map(|i| i.prompt.as_str());
    assert!(mixture.overlap(known, seed, 20_000).n_found > 500);
}

#[test]
fn instructions_are_trained_as_they_are_asked() {
    let plan = plan(
        "[data]\n[[data.task]]\ngenerator = \"instruction:pairs=seen\"\nform = \"words\"\n\
         [[data.task]]\ngenerator = \"addition:digits=2\"\nform = \"words\"\n",
    );
    let mixture = &plan.mixtures[0];
    let mut counted = 0;
    for i in 0..200 {
        let d = document(mixture, 2, i);
        let tokenizer = plan.tokenizer.tokenizer();
        let text = tokenizer.decode(&d.tokens, false);
        assert!(!text.contains("<unk>"), "{text}");
        assert!(text.starts_with("Q: ") && text.ends_with('\n'), "{text}");
        let predicted: Vec<u32> = d
            .tokens
            .iter()
            .zip(&d.counted)
            .filter_map(|(t, counted)| counted.then_some(*t))
            .collect();
        let answers: String = text
            .split("\n\n")
            .map(|item| item.split_once("\nA:").expect(&text).1.trim_end())
            .map(|answer| format!("{answer}\n"))
            .collect();
        assert_eq!(tokenizer.decode(&predicted, false), answers);
        counted += predicted.len();
    }
    assert!(counted > 1_000);

    // Neither test items nor unseen pairs come up, and items of the training split do.
    let asked = |spec: &str, split| -> Vec<String> {
        let generator = Generator::parse(spec).expect(spec);
        let items = generator.items(3, split, 5_000);
        items.iter().map(Item::asked_in_words).collect()
    };
    let look = |prompts: Vec<String>| {
        let found = mixture.overlap(prompts.iter().map(String::as_str), 2, 20_000);
        found.n_found
    };
    assert_eq!(look(asked("addition:digits=2", Split::Test)), 0);
    assert_eq!(look(asked("instruction:pairs=seen", Split::Test)), 0);
    assert_eq!(look(asked("instruction:pairs=unseen", Split::Train)), 0);
    assert!(look(asked("addition:digits=2", Split::Train)) > 1_000);
}

#[test]
fn evaluation_items_are_found_in_texts() {
    struct Leak;
    impl Texts for Leak {
        fn open(&self, _: &str) -> Result<Box<dyn Documents>, String> {
            let text = "They say 47+85=132, and 147+85=232.\n".to_owned();
            Ok(Box::new(vec![text]))
        }
    }
    let plan = plan_with("[data]\nheld_out = 0\n[[data.text]]\npath = \"s\"\n", &Leak);
    let look = |prompt: &str| plan.mixtures[0].overlap([prompt], 0, 3).n_found;
    assert_eq!(look("47+85="), 3);
    assert_eq!(look("147+85="), 3);
    assert_eq!(look("7+85="), 0);
    assert_eq!(look("47+8="), 0);
}
