//! Items are pinned: a change here changes every result made with generated tasks.

mod support;

use std::fmt::Write;
use support::{SPECS, generator};
use upturn_synth::{Form, Split, kinds};

#[test]
fn items() {
    let mut out = String::new();
    for kind in kinds() {
        let generator = generator(kind.name);
        let _ = writeln!(out, "{} {}", generator.name(), generator.spec());
        let _ = writeln!(out, "  {:?}", generator.alphabet());
        let chance = generator.chance();
        let majority = chance
            .majority
            .map(|m| (m.answer, format!("{:.6}", m.share)));
        let shortcut = chance.shortcut.map(|s| (s.how, format!("{:.6}", s.share)));
        let _ = writeln!(
            out,
            "  guess {:.6}, majority {majority:?}, {shortcut:?}",
            chance.guess
        );
        let _ = writeln!(
            out,
            "  inputs {:?}, train {:?}, test {:?}",
            generator.n_inputs(),
            generator.n_distinct(Split::Train),
            generator.n_distinct(Split::Test)
        );
        for split in [Split::Train, Split::Test] {
            for item in generator.items(0, split, 2) {
                let (prompt, rest) = item.short(Form::Steps);
                let _ = writeln!(
                    out,
                    "  {split:?}: {}{}  {prompt}{rest}",
                    item.prompt, item.answer
                );
                let _ = writeln!(out, "    {}", item.question);
                if let Some(reasoning) = &item.reasoning {
                    let _ = writeln!(out, "    {reasoning}");
                }
            }
        }
    }
    insta::assert_snapshot!(out);
}

/// One item far from the beginning, of every task of the tests.
#[test]
fn far_items() {
    let mut out = String::new();
    for spec in SPECS {
        let generator = generator(spec);
        let item = generator.item(u64::MAX, Split::Test, 1 << 40);
        let (prompt, rest) = item.short(Form::Steps);
        let _ = writeln!(
            out,
            "{}  {}{}  {prompt}{rest}",
            generator.name(),
            item.prompt,
            item.answer
        );
    }
    insta::assert_snapshot!(out);
}
