//! A ladder worked out: every member with its numbers, before any is trained.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use upturn_engine::train::{AdamW, Batch, Shape, Trainer};
use upturn_synth::{Form, Generator, Split};

use crate::config::{
    Finetune, FinetuneTokens, Forms, Ladder, Rung, Rungs, Sources, TextSource, Tokens, Vocabulary,
};
use crate::describe;
use crate::error::LadderError;
use crate::flops::Lengths;
use crate::hash::{self, Digest};
use crate::member::Member;
use crate::mixture::{Kind, Mixture, Sequence, Side, Source, Texts as Halves};
use crate::schedule::checkpoints;
use crate::sizes::{self, Common};
use crate::texts::{Documents, Texts};
use crate::tokenizer::TokenizerFiles;
use crate::transfer::transfer;

/// What a ladder trains.
#[derive(Debug)]
pub struct Plan {
    /// Name of the family.
    pub family: String,
    /// In order of compute, each rung's seeds together, then the finetunes of all.
    pub members: Vec<Member>,
    /// What a user should know, in lines.
    pub notes: Vec<String>,
    /// The vocabulary.
    pub tokenizer: Arc<TokenizerFiles>,
    /// What members see: the ladder's, then each finetune's.
    pub mixtures: Vec<Mixture>,
    pub(crate) descriptions: BTreeMap<String, serde_json::Value>,
    pub(crate) held_out_seed: u64,
}

/// Streams of the ladder's seed.
const INIT: u64 = 1;
const ORDER: u64 = 2;
const HELD_OUT: u64 = 3;
const TUNING: u64 = 4;

/// Documents that a source's mean length is taken over.
const SAMPLE: u64 = 512;
/// Batches that the lengths of sequences are taken over.
const SAMPLE_BATCHES: u64 = 8;
/// Bytes of text that a BPE is trained on.
const BPE_BYTES: f64 = 4e6;
/// A shape's compute by the rule for tokens is at most this far from the one asked for, on a
/// natural log scale: a factor of 2.
const OFF_MOST: f64 = std::f64::consts::LN_2;
/// Test items per task that are looked up in so many documents.
const LOOKED_UP: usize = 2_000;
const LOOKED_THROUGH: u64 = 5_000;
/// Fewer updates than this are noted.
const FEW_STEPS: u64 = 100;

impl Ladder {
    /// Works out every member, opening texts and making the vocabulary.
    ///
    /// # Errors
    /// One line: texts or a tokenizer that cannot be read, sizes that fit no model, fewer
    /// tokens than a batch, two members of one name, a context too short for an item.
    pub fn plan(&self, texts: &dyn Texts) -> Result<Plan, LadderError> {
        let mut opened = BTreeMap::new();
        for source in self.all_sources().flat_map(|s| &s.texts) {
            if !opened.contains_key(&source.path) {
                let documents = self.open(source, texts)?;
                opened.insert(source.path.clone(), documents);
            }
        }
        let tokenizer = Arc::new(self.vocabulary(&opened)?);
        let mut notes = Vec::new();
        let halves = self.cut(&opened, &tokenizer, &mut notes)?;
        drop(opened);

        let mut mixtures = Vec::new();
        let own = std::iter::once(&self.data.sources);
        for sources in own.chain(self.finetunes.iter().map(|f| &f.sources)) {
            mixtures.push(self.mixture(sources, &halves, &tokenizer)?);
        }
        let mut plan = Plan {
            family: self.family.clone(),
            members: Vec::new(),
            notes,
            tokenizer,
            mixtures,
            descriptions: BTreeMap::new(),
            held_out_seed: hash::words(&[self.seed, HELD_OUT]),
        };
        self.add_members(&mut plan)?;
        for finetune in 0..self.finetunes.len() {
            self.add_finetunes(&mut plan, finetune)?;
        }
        self.check_names(&plan)?;
        self.describe(&mut plan);
        self.add_notes(&mut plan);
        Ok(plan)
    }

    fn all_sources(&self) -> impl Iterator<Item = &Sources> {
        std::iter::once(&self.data.sources).chain(self.finetunes.iter().map(|f| &f.sources))
    }

    fn open(
        &self,
        source: &TextSource,
        texts: &dyn Texts,
    ) -> Result<Box<dyn Documents>, LadderError> {
        let key = format!("{}.path", source.key);
        let fail = |message: String| self.places.error(&key, message);
        let documents = texts.open(&source.path).map_err(fail)?;
        if documents.is_empty() {
            return Err(fail(format!("'{}' has no texts", source.path)));
        }
        Ok(documents)
    }

    fn vocabulary(
        &self,
        opened: &BTreeMap<String, Box<dyn Documents>>,
    ) -> Result<TokenizerFiles, LadderError> {
        let context = self.data.context;
        let fail = |message: String| self.places.error("data.tokenizer", message);
        match &self.data.tokenizer {
            Vocabulary::Characters => {
                let mut chars: BTreeSet<char> = BTreeSet::new();
                for task in self.all_sources().flat_map(|s| &s.tasks) {
                    // Steps are asked for by a question mark.
                    let asked = if task.generator.has_steps() { "?" } else { "" };
                    chars.extend(task.generator.alphabet().chars().chain(asked.chars()));
                    if task.form == Forms::Words {
                        chars.extend(Generator::alphabet_of_words().chars());
                    }
                    chars.insert('\n');
                }
                for source in self.all_sources().flat_map(|s| &s.texts) {
                    self.each(source, opened, |text| chars.extend(text.chars()))?;
                }
                TokenizerFiles::characters(&chars, context).map_err(|e| fail(e.to_string()))
            }
            Vocabulary::Bpe(size) => {
                let texts = self.sample_texts(opened)?;
                let made =
                    TokenizerFiles::bpe(*size, &texts, context).map_err(|e| fail(e.to_string()))?;
                if made.vocab_size < *size {
                    return Err(fail(format!(
                        "bpe:{size} asks for more tokens than the data gives; expected at most bpe:{}",
                        made.vocab_size
                    )));
                }
                Ok(made)
            }
            Vocabulary::File(path) => TokenizerFiles::open(&self.base.join(path), context)
                .map_err(|e| fail(e.to_string())),
        }
    }

    /// Calls `each` with every text of a source.
    fn each(
        &self,
        source: &TextSource,
        opened: &BTreeMap<String, Box<dyn Documents>>,
        mut each: impl FnMut(&str),
    ) -> Result<(), LadderError> {
        let Some(documents) = opened.get(&source.path) else {
            return Ok(());
        };
        for i in 0..documents.len() {
            let text = documents
                .get(i)
                .map_err(|e| self.places.error(&format!("{}.path", source.key), e))?;
            each(&text);
        }
        Ok(())
    }

    /// Texts to learn a BPE from: bytes by weight.
    fn sample_texts(
        &self,
        opened: &BTreeMap<String, Box<dyn Documents>>,
    ) -> Result<Vec<String>, LadderError> {
        let mut sample = Vec::new();
        for sources in self.all_sources() {
            let total: f64 = sources.tasks.iter().map(|t| t.weight).sum::<f64>()
                + sources.texts.iter().map(|t| t.weight).sum::<f64>();
            for task in &sources.tasks {
                let (mut left, mut index) = (BPE_BYTES * task.weight / total, 0);
                while left > 0.0 {
                    let form = task.form.of(index % 2 == 1);
                    let stream = hash::words(&[self.seed, HELD_OUT, form as u64]);
                    let document = task.generator.document(stream, index, 4, form);
                    left -= document.text.len() as f64;
                    index += 1;
                    sample.push(document.text);
                }
            }
            for text in &sources.texts {
                let mut left = BPE_BYTES * text.weight / total;
                self.each(text, opened, |text| {
                    if left > 0.0 {
                        left -= text.len() as f64;
                        sample.push(text.to_owned());
                    }
                })?;
            }
        }
        Ok(sample)
    }

    /// Texts as tokens, in two halves by a hash of each.
    fn cut(
        &self,
        opened: &BTreeMap<String, Box<dyn Documents>>,
        tokenizer: &TokenizerFiles,
        notes: &mut Vec<String>,
    ) -> Result<BTreeMap<String, Arc<Halves>>, LadderError> {
        let mut all = BTreeMap::new();
        for source in self.all_sources().flat_map(|s| &s.texts) {
            if all.contains_key(&source.path) {
                continue;
            }
            let key = format!("{}.path", source.key);
            let mut halves = Halves::default();
            let mut digest = Digest::default();
            let mut tokens = Vec::new();
            let mut failed = None;
            let mut n_cut = 0u64;
            self.each(source, opened, |text| {
                tokens.clear();
                if let Err(e) = tokenizer.encode(text, &mut tokens) {
                    failed.get_or_insert(e);
                }
                tokens.push(tokenizer.eos_id);
                n_cut += u64::from(tokens.len() > self.data.context + 1);
                digest.part(text.as_bytes());
                let held_out = hash::unit(hash::text(text)) < self.data.held_out;
                let half = match held_out {
                    true => &mut halves.held_out,
                    false => &mut halves.train,
                };
                half.add(&tokens, tokenizer.vocab_size, self.data.context);
            })?;
            if let Some(e) = failed {
                return Err(self.places.error(&key, e.to_string()));
            }
            if halves.train.is_empty() {
                let message = format!("'{}' has no text to train on", source.path);
                return Err(self.places.error(&key, message));
            }
            if halves.held_out.is_empty() {
                notes.push(format!(
                    "{}: no text is held out, so the loss is measured on texts that are trained on",
                    source.path
                ));
            }
            if n_cut > 0 {
                notes.push(format!(
                    "{}: {n_cut} texts are longer than data.context = {} and are cut into pieces",
                    source.path, self.data.context
                ));
            }
            halves.digest = digest.hex();
            all.insert(source.path.clone(), Arc::new(halves));
        }
        Ok(all)
    }

    fn mixture(
        &self,
        sources: &Sources,
        halves: &BTreeMap<String, Arc<Halves>>,
        tokenizer: &Arc<TokenizerFiles>,
    ) -> Result<Mixture, LadderError> {
        let source = |name: String, weight: f64, kind: Kind| Source {
            name,
            token_share: weight,
            document_share: 0.0,
            mean_tokens: 0.0,
            kind,
        };
        let mut mixed = Vec::new();
        for task in &sources.tasks {
            let (generator, form) = (task.generator.clone(), task.form);
            let name = generator.name().to_owned();
            mixed.push(source(name, task.weight, Kind::Task { generator, form }));
        }
        for text in &sources.texts {
            let texts = Arc::clone(&halves[&text.path]);
            mixed.push(source(text.path.clone(), text.weight, Kind::Text { texts }));
        }
        let mut mixture = Mixture {
            sources: mixed,
            runs: self.data.runs,
            loss: self.data.loss,
            context: self.data.context,
            tokenizer: Arc::clone(tokenizer),
        };
        for (task, i) in sources.tasks.iter().zip(0..) {
            self.check_fits(&mixture, i, &task.key)?;
        }
        let mut space = Sequence::default();
        for i in 0..mixture.sources.len() {
            let mean = match &mixture.sources[i].kind {
                Kind::Text { texts } => texts.train.mean(),
                Kind::Task { .. } => {
                    let mut sum = 0;
                    for index in 0..SAMPLE {
                        mixture.document_of(i, self.seed, index, Side::Train, &mut space);
                        sum += space.tokens.len() - 1;
                    }
                    sum as f64 / SAMPLE as f64
                }
            };
            mixture.sources[i].mean_tokens = mean;
        }
        let weights: f64 = mixture.sources.iter().map(|s| s.token_share).sum();
        let per_token = |s: &Source| s.token_share / s.mean_tokens;
        let documents: f64 = mixture.sources.iter().map(per_token).sum();
        for s in &mut mixture.sources {
            s.document_share = per_token(s) / documents;
            s.token_share /= weights;
        }
        Ok(mixture)
    }

    /// Items of a task fit the context, and the vocabulary can write them.
    fn check_fits(&self, mixture: &Mixture, i: usize, key: &str) -> Result<(), LadderError> {
        let Kind::Task { generator, form } = &mixture.sources[i].kind else {
            return Ok(());
        };
        let tokenizer = &mixture.tokenizer;
        let mut longest = 0;
        let mut tokens = Vec::new();
        for index in 0..SAMPLE {
            let form = form.of(index % 2 == 1);
            let document = generator.document(self.seed, index, 1, form);
            tokens.clear();
            let encoded = tokenizer.encode(&document.text, &mut tokens);
            if encoded.is_err() || tokenizer.tokenizer().decode(&tokens, false) != document.text {
                let message = format!(
                    "the tokenizer cannot write {:?}; expected one that knows every character of the task",
                    document.text.trim_end()
                );
                return Err(self.places.error(&format!("{key}.generator"), message));
            }
            longest = longest.max(tokens.len());
        }
        if longest > self.data.context + 1 {
            let message = format!(
                "{} tokens are too short: an item of {} takes {}; expected a longer context",
                self.data.context,
                generator.name(),
                longest - 1
            );
            return Err(self.places.error("data.context", message));
        }
        Ok(())
    }

    /// Lengths of sequences as training has them.
    fn lengths(&self, mixture: &Mixture) -> Lengths {
        let mut lengths = Lengths::default();
        let (mut space, mut batch) = (Sequence::default(), Batch::default());
        let seed = hash::words(&[self.seed, ORDER]);
        let mut next = 0;
        for _ in 0..SAMPLE_BATCHES {
            let n = self.train.batch_tokens;
            next = mixture.batch(seed, next, n, Side::Train, &mut space, &mut batch);
            lengths.add(&batch);
        }
        lengths
    }

    /// Where a rung stands in the configuration.
    fn rung_key(&self, i: usize) -> String {
        match self.sizes.rungs {
            Rungs::Widths(_) => format!("sizes.widths[{i}]"),
            Rungs::Each(_) => format!("sizes.rungs[{i}]"),
            Rungs::Flops { .. } => "sizes.flops".to_owned(),
        }
    }

    fn tokens_of(&self, shape: &Shape, lengths: &Lengths) -> f64 {
        match self.tokens {
            Tokens::PerParam(ratio) => ratio * shape.n_params() as f64,
            Tokens::Total(total) => total,
            Tokens::Flops(flops) => flops / lengths.flops_per_token(shape),
        }
    }

    /// Shapes and tokens of the rungs as they stand in the configuration.
    fn rungs(
        &self,
        vocab_size: usize,
        lengths: &Lengths,
    ) -> Result<Vec<(Rung, Shape, f64)>, LadderError> {
        let common = Common {
            block: self.block,
            tied: self.tied,
            vocab_size,
            context: self.data.context,
            layers: self.sizes.layers,
            head_dim: self.sizes.head_dim,
        };
        let of = |width: usize| Rung {
            width,
            ..Rung::default()
        };
        let each: Vec<Rung> = match &self.sizes.rungs {
            Rungs::Widths(widths) => widths.iter().map(|w| of(*w)).collect(),
            Rungs::Each(rungs) => rungs.clone(),
            Rungs::Flops { from, to, n } => {
                return self.by_compute(&common, lengths, *from, *to, *n);
            }
        };
        let mut rungs = Vec::new();
        for (i, rung) in each.into_iter().enumerate() {
            let shape = common
                .shape(&rung)
                .map_err(|e| self.places.error(&self.rung_key(i), e))?;
            let tokens = rung
                .tokens
                .unwrap_or_else(|| self.tokens_of(&shape, lengths));
            rungs.push((rung, shape, tokens));
        }
        Ok(rungs)
    }

    /// For each compute the width whose own compute, by the rule for tokens, is nearest on a log
    /// scale, with tokens that make it exact.
    fn by_compute(
        &self,
        common: &Common,
        lengths: &Lengths,
        from: f64,
        to: f64,
        n: usize,
    ) -> Result<Vec<(Rung, Shape, f64)>, LadderError> {
        let mut shapes: Vec<(Shape, f64, f64)> = Vec::new();
        for width in sizes::candidates(self.sizes.head_dim) {
            let shape = common
                .of_width(width)
                .map_err(|e| self.places.error("sizes.flops", e))?;
            let per_token = lengths.flops_per_token(&shape);
            shapes.push((
                shape,
                per_token,
                per_token * self.tokens_of(&shape, lengths),
            ));
        }
        let mut rungs: Vec<(Rung, Shape, f64)> = Vec::new();
        for i in 0..n {
            let share = i as f64 / (n - 1).max(1) as f64;
            let flops = from * (to / from).powf(share);
            let off = |c: f64| (c / flops).ln().abs();
            let best = shapes.iter().min_by(|a, b| off(a.2).total_cmp(&off(b.2)));
            let Some((shape, per_token, own)) = best else {
                break;
            };
            if off(*own) > OFF_MOST {
                let (least, most) = (shapes[0].2, shapes[shapes.len() - 1].2);
                let message = format!(
                    "no shape trains for {flops:.2e} FLOPs by the rule for tokens; expected between {least:.1e} and {most:.1e}"
                );
                return Err(self.places.error("sizes.flops", message));
            }
            if rungs.last().is_some_and(|(_, last, _)| last == shape) {
                let message = format!(
                    "{n} rungs from {from:e} to {to:e} are so close that two have width {}; expected fewer rungs or a wider range",
                    shape.hidden
                );
                return Err(self.places.error("sizes.flops.rungs", message));
            }
            let rung = Rung {
                width: shape.hidden,
                ..Rung::default()
            };
            rungs.push((rung, *shape, flops / per_token));
        }
        Ok(rungs)
    }

    /// Updates for so many tokens.
    fn steps(&self, tokens: f64, key: &str, name: &str) -> Result<u64, LadderError> {
        let batch = self.train.batch_tokens as f64;
        if tokens < batch {
            let message = format!(
                "{name} would see {tokens:.0} tokens, fewer than one batch of {batch}; expected more tokens or a smaller train.batch_tokens"
            );
            return Err(self.places.error(key, message));
        }
        Ok((tokens / batch).round() as u64)
    }

    fn add_members(&self, plan: &mut Plan) -> Result<(), LadderError> {
        let lengths = self.lengths(&plan.mixtures[0]);
        let mut rungs = self.rungs(plan.tokenizer.vocab_size, &lengths)?;
        let compute =
            |(_, shape, tokens): &(Rung, Shape, f64)| tokens * lengths.flops_per_token(shape);
        rungs.sort_by(|a, b| compute(a).total_cmp(&compute(b)));
        for (i, (rung, shape, tokens)) in rungs.into_iter().enumerate() {
            let base = rung.name.clone().unwrap_or_else(|| {
                format!("{}-w{}-l{}", self.family, shape.hidden, shape.n_layers)
            });
            let key = if rung.tokens.is_some() {
                "sizes.rungs"
            } else {
                "tokens"
            };
            let steps = self.steps(tokens, key, &base)?;
            let n_params = shape.n_params();
            let seeds = rung.seeds.unwrap_or_else(|| self.sizes.seeds.of(n_params));
            for seed in 0..seeds as u64 {
                let name = match seeds {
                    1 => base.clone(),
                    _ => format!("{base}-seed{seed}"),
                };
                let init_seed = hash::words(&[self.seed, INIT, seed]);
                let (init, rates) = transfer(
                    self.train.transfer,
                    self.train.base_width,
                    &shape,
                    init_seed,
                );
                let tokens = steps * self.train.batch_tokens as u64;
                let flops = tokens as f64 * lengths.flops_per_token(&shape);
                plan.members.push(Member {
                    name,
                    rung: i,
                    seed,
                    parent: None,
                    tuning: None,
                    shape,
                    n_params,
                    n_params_without_embedding: shape.n_params_without_embedding(),
                    tokens,
                    tokens_total: tokens,
                    steps,
                    batch_tokens: self.train.batch_tokens,
                    mean_length: lengths.mean(),
                    target_share: lengths.target_share(),
                    flops,
                    flops_total: flops,
                    flops_6nd: 6.0 * n_params as f64 * tokens as f64,
                    memory_bytes: shape.memory_bytes(self.train.batch_tokens, lengths.longest(), 1),
                    checkpoints: checkpoints(steps, self.train.checkpoints),
                    init,
                    rates,
                    optimizer: self.optimizer(1.0),
                    schedule: self.train.schedule,
                    data_seed: hash::words(&[self.seed, ORDER, seed]),
                    mixture: 0,
                    hash: String::new(),
                });
            }
        }
        if plan.members.iter().all(|m| m.rung == 0) {
            plan.notes.push(
                "the ladder has one rung: nothing can be said about scale from it".to_owned(),
            );
        }
        Ok(())
    }

    fn optimizer(&self, lr_factor: f64) -> AdamW {
        AdamW {
            lr: (self.train.lr * lr_factor) as f32,
            beta1: self.train.betas.0 as f32,
            beta2: self.train.betas.1 as f32,
            eps: 1e-8,
            weight_decay: self.train.weight_decay as f32,
            clip_norm: self.train.clip_norm as f32,
        }
    }

    fn add_finetunes(&self, plan: &mut Plan, i: usize) -> Result<(), LadderError> {
        let finetune: &Finetune = &self.finetunes[i];
        let mixture = i + 1;
        let lengths = self.lengths(&plan.mixtures[mixture]);
        let parents: Vec<Member> = plan
            .members
            .iter()
            .filter(|m| m.parent.is_none())
            .cloned()
            .collect();
        for parent in parents {
            let name = format!("{}-{}", parent.name, finetune.name);
            let (key, tokens) = match finetune.tokens {
                FinetuneTokens::Share(s) => ("tokens_share", s * parent.tokens as f64),
                FinetuneTokens::Total(total) => ("tokens", total),
            };
            let steps = self.steps(tokens, &format!("{}.{key}", finetune.key), &name)?;
            let tokens = steps * self.train.batch_tokens as u64;
            let flops = tokens as f64 * lengths.flops_per_token(&parent.shape);
            plan.members.push(Member {
                name,
                parent: Some(parent.name.clone()),
                tuning: Some(finetune.name.clone()),
                tokens,
                tokens_total: parent.tokens + tokens,
                steps,
                mean_length: lengths.mean(),
                target_share: lengths.target_share(),
                flops,
                flops_total: parent.flops + flops,
                flops_6nd: 6.0 * parent.n_params as f64 * tokens as f64,
                memory_bytes: parent.shape.memory_bytes(
                    self.train.batch_tokens,
                    lengths.longest(),
                    1,
                ),
                checkpoints: vec![steps],
                optimizer: self.optimizer(finetune.lr_factor),
                data_seed: hash::words(&[
                    self.seed,
                    TUNING,
                    hash::text(&finetune.name),
                    parent.seed,
                ]),
                mixture,
                ..parent
            });
        }
        Ok(())
    }

    fn check_names(&self, plan: &Plan) -> Result<(), LadderError> {
        let mut seen: BTreeSet<String> = BTreeSet::new();
        for member in &plan.members {
            // Some file systems do not tell case apart.
            if !seen.insert(member.name.to_lowercase()) {
                let message = format!(
                    "two members would be named '{}'; expected other sizes, or a name for each rung",
                    member.name
                );
                return Err(self.places.error("sizes", message));
            }
        }
        Ok(())
    }

    fn describe(&self, plan: &mut Plan) {
        let mut hashes: BTreeMap<String, String> = BTreeMap::new();
        for member in &mut plan.members {
            let parent = member.parent.as_ref().and_then(|p| hashes.get(p));
            let description = describe::describe(
                &plan.family,
                member,
                &plan.mixtures[member.mixture],
                (plan.held_out_seed, self.data.held_out),
                parent.map(String::as_str),
            );
            member.hash = describe::hash(&description);
            hashes.insert(member.name.clone(), member.hash.clone());
            plan.descriptions.insert(member.name.clone(), description);
        }
    }

    /// Looks up test items of all tasks of a mixture in its first documents.
    fn overlap_note(&self, mixture: &Mixture, sources: &Sources) -> Option<String> {
        let mut prompts: BTreeMap<String, &str> = BTreeMap::new();
        for task in &sources.tasks {
            for item in task.generator.items(self.seed, Split::Test, LOOKED_UP) {
                let prompt = match task.form {
                    Forms::Words => item.asked_in_words(),
                    _ => item.short(Form::Direct).0.to_owned(),
                };
                prompts.insert(prompt, task.generator.name());
            }
        }
        let seed = hash::words(&[self.seed, ORDER, 0]);
        let found = mixture.overlap(prompts.keys().map(String::as_str), seed, LOOKED_THROUGH);
        let example = found.example?;
        let short = format!("{example}=");
        let known = [&short, &example];
        let (asked, task) = match known.iter().find_map(|p| prompts.get_key_value(*p)) {
            Some((prompt, task)) => (prompt.as_str(), Some(*task)),
            None => (example.as_str(), None),
        };
        let asked = asked.lines().next().unwrap_or_default();
        Some(format!(
            "{} of the first {LOOKED_THROUGH} training documents hold test items of {} ('{asked}'): \
             tasks or texts overlap, and its scores will flatter",
            found.n_found,
            task.unwrap_or("a task")
        ))
    }

    fn add_notes(&self, plan: &mut Plan) {
        let mut notes = Vec::new();
        let few: Vec<&Member> = plan
            .members
            .iter()
            .filter(|m| m.steps < FEW_STEPS)
            .collect();
        if let Some(least) = few.iter().min_by_key(|m| m.steps) {
            notes.push(format!(
                "{} of {} trainings have fewer than {FEW_STEPS} updates ({} has {}); consider a smaller train.batch_tokens",
                few.len(),
                plan.members.len(),
                least.name,
                least.steps
            ));
        }
        for (mixture, sources) in plan.mixtures.iter().zip(self.all_sources()) {
            notes.extend(self.overlap_note(mixture, sources));
        }
        plan.notes.extend(notes);
    }
}

impl Plan {
    /// FLOPs of all trainings.
    #[must_use]
    pub fn flops(&self) -> f64 {
        self.members.iter().map(|m| m.flops).sum()
    }

    /// Seconds of all trainings at a rate in FLOPs per second of the whole machine.
    #[must_use]
    pub fn estimate_secs(&self, flops_per_sec: f64) -> f64 {
        self.flops() / flops_per_sec
    }

    /// The member of a name.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|m| m.name == name)
    }

    /// Takes a few updates of a member without keeping them, and returns their FLOPs: divided
    /// by the time that the call took, it is a rate for [`Plan::estimate_secs`].
    ///
    /// # Errors
    /// Where a step cannot be taken.
    pub fn rehearse(&self, member: &Member, steps: u64) -> Result<f64, LadderError> {
        let mixture = &self.mixtures[member.mixture];
        let mut trainer = Trainer::new(member.shape, &member.init, member.rates)?;
        let (mut space, mut batch) = (Sequence::default(), Batch::default());
        let (mut next, mut flops) = (0, 0);
        for _ in 0..steps {
            let n = member.batch_tokens;
            let seed = member.data_seed;
            next = mixture.batch(seed, next, n, Side::Train, &mut space, &mut batch);
            trainer.accumulate(&batch)?;
            trainer.apply(&AdamW {
                lr: 1e-6,
                ..member.optimizer
            })?;
            flops += crate::flops::of_batch(&member.shape, &batch.lengths);
        }
        Ok(flops as f64)
    }
}
