//! Short items and documents per second on one thread, for every kind with its defaults.
//!
//! `cargo bench -p upturn-synth --bench items`; `UPTURN_BENCH_ITEMS=1000000` sets how many of
//! each are drawn.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench prints what it timed"
)]

use std::hint::black_box;
use std::time::Instant;
use upturn_synth::{Document, Form, Generator, ShortItem, Split, kinds};

fn main() {
    let n: u64 = std::env::var("UPTURN_BENCH_ITEMS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(200_000);
    println!(
        "{:28}{:>12}{:>12}{:>12}{:>12}{:>12}   items/s",
        "", "train", "test", "full", "document", "steps"
    );
    let more = ["addition:digits=3", "addition:digits=9", "modular:op=*"];
    for spec in kinds().iter().map(|k| k.name).chain(more) {
        let generator = Generator::parse(spec).expect("defaults are sound");
        let mut item = ShortItem::default();
        let mut document = Document::default();
        let mut short = |split| {
            per_second(n, |i| {
                generator.short_item(0, split, i, Form::Direct, &mut item);
                black_box(&item);
            })
        };
        let (train, test) = (short(Split::Train), short(Split::Test));
        let full = per_second(n / 4, |i| {
            black_box(generator.item(0, Split::Train, i));
        });
        let mut documents = |form| {
            10.0 * per_second(n / 10, |i| {
                generator.document_into(0, i, 10, form, &mut document);
                black_box(&document);
            })
        };
        let (direct, steps) = (documents(Form::Direct), documents(Form::Steps));
        println!("{spec:28}{train:12.3e}{test:12.3e}{full:12.3e}{direct:12.3e}{steps:12.3e}");
    }
}

fn per_second(n: u64, mut work: impl FnMut(u64)) -> f64 {
    let start = Instant::now();
    for i in 0..n {
        work(i);
    }
    n as f64 / start.elapsed().as_secs_f64()
}
