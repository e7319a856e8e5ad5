//! Tasks to test, and an independent solver: it reads what an item says and finds the answer
//! another way than the generator does.

#![allow(dead_code, reason = "each test file uses a part")]

pub mod expression;
pub mod solve;
pub mod steps;

use upturn_synth::Generator;

/// Every kind, in every mode that it has, small and large.
pub const SPECS: &[&str] = &[
    "addition",
    "addition:digits=1",
    "addition:digits=3",
    "addition:digits=3,operands=upto",
    "addition:digits=9",
    "subtraction",
    "subtraction:digits=1",
    "subtraction:digits=5,operands=upto",
    "subtraction:digits=9",
    "multiplication",
    "multiplication:a=1,b=1",
    "multiplication:a=3,b=1",
    "multiplication:a=1,b=3",
    "multiplication:a=3,b=2,operands=upto",
    "multiplication:a=9,b=9",
    "modular",
    "modular:op=*",
    "modular:modulus=12,op=*",
    "modular:modulus=9999,op=*",
    "three_term",
    "three_term:order=precedence",
    "three_term:digits=4",
    "three_term:digits=2,order=precedence,operands=upto",
    "running_sum",
    "running_sum:terms=2",
    "running_sum:terms=3,digits=2",
    "running_sum:terms=12,digits=4,operands=upto",
    "unscramble",
    "unscramble:how=cycle",
    "unscramble:how=reverse",
    "unscramble:how=anagram,shortest=4,longest=5,words=200",
    "unscramble:how=cycle,shortest=3",
    "last_letters",
    "last_letters:k=8",
    "last_letters:of=letters,length=2",
    "coin_flip",
    "coin_flip:k=2",
    "coin_flip:k=12",
    "sorting",
    "sorting:length=12",
    "sorting:of=digits",
    "sorting:of=digits,length=12",
    "sorting:length=2",
    "rewriting:length=2,symbols=6",
    "parity:k=1",
    "instruction",
    "instruction:ops=1",
    "instruction:ops=1,length=3",
    "instruction:pairs=seen,length=5",
    "instruction:pairs=unseen",
    "reversal",
    "reversal:of=digits,length=4",
    "reversal:length=20",
    "copying",
    "copying:of=digits,length=3",
    "date",
    "date:days=400,from=1895,to=1905",
    "date:how=subtract,days=90",
    "date:how=subtract,days=5,from=2023,to=2024",
    "date:how=format",
    "date:how=weekday",
    "linear",
    "linear:points=4",
    "linear:points=9",
    "linear:points=16,dims=1",
    "linear:dims=1",
    "word_in_context",
    "word_in_context:words=4,classes=2,contexts=5,lexicon=9",
    "word_in_context:words=64,classes=8,contexts=8",
    "rewriting",
    "rewriting:symbols=2,length=9,rules=2",
    "rewriting:symbols=6,length=12,rules=36,system=5",
    "transliteration",
    "transliteration:syllables=5",
    "parity",
    "parity:skills=3,bits=6,k=2,alpha=0",
    "parity:skills=500,bits=24,k=4",
    "parity:skills=2,bits=64,k=16,subsets=3",
    "substitution",
    "substitution:symbols=3,length=5,tables=2",
    "substitution:symbols=26,length=12,tables=10000",
];

pub fn generator(spec: &str) -> Generator {
    Generator::parse(spec).unwrap_or_else(|e| panic!("{spec}: {e}"))
}

pub fn generators() -> impl Iterator<Item = Generator> {
    SPECS.iter().map(|spec| generator(spec))
}
