//! Sums and products modulo m.

use super::{Has, KindInfo};
use crate::kind::Kind;
use crate::params::{ParamInfo, Params, Range};
use crate::rng::Rng;
use crate::text::push_uint;
use std::fmt::Write;
use std::sync::Arc;

pub(super) const INFO: KindInfo = KindInfo {
    name: "modular",
    about: "Add or multiply two numbers below a modulus and take the remainder.",
    example: "m97:35+80=18",
    params: &[
        ParamInfo {
            name: "modulus",
            about: "the modulus m; the numbers are 0 to m-1",
            range: Range::Int {
                default: 97,
                min: 2,
                max: 9999,
            },
        },
        ParamInfo {
            name: "op",
            about: "the operation",
            range: Range::Word(&["+", "*"]),
        },
    ],
    steps: Has::Always,
    choices: Has::Never,
    chance: "1/modulus: one of the remainders",
    make: |params| {
        Ok(Arc::new(Modular {
            modulus: params.int("modulus"),
            times: params.word("op") == "*",
            params: params.clone(),
        }))
    },
};

struct Modular {
    modulus: u64,
    times: bool,
    params: Params,
}

impl Modular {
    fn op(&self) -> char {
        if self.times { '*' } else { '+' }
    }

    /// Before the remainder is taken.
    fn result(&self, a: u64, b: u64) -> u64 {
        if self.times { a * b } else { a + b }
    }
}

impl Kind for Modular {
    type Input = (u64, u64);

    fn name(&self) -> String {
        let op = if self.times {
            "multiplication"
        } else {
            "addition"
        };
        let head = format!("modular_{op}_{}", self.modulus);
        self.params.name(&head, &["modulus", "op"])
    }

    fn symbols(&self) -> String {
        format!("0123456789m:{}", self.op())
    }

    fn step_symbols(&self) -> &'static str {
        ",-*"
    }

    fn draw(&self, rng: &mut Rng) -> Self::Input {
        (rng.below(self.modulus), rng.below(self.modulus))
    }

    fn n_inputs(&self) -> Option<u64> {
        Some(self.modulus * self.modulus)
    }

    fn nth(&self, index: u64) -> Self::Input {
        (index / self.modulus, index % self.modulus)
    }

    fn prompt(&self, &(a, b): &Self::Input, out: &mut String) {
        out.push('m');
        push_uint(out, self.modulus);
        out.push(':');
        push_uint(out, a);
        out.push(self.op());
        push_uint(out, b);
    }

    fn answer(&self, &(a, b): &Self::Input, out: &mut String) {
        push_uint(out, self.result(a, b) % self.modulus);
    }

    fn question(&self, (a, b): &Self::Input, out: &mut String) {
        let op = if self.times { "times" } else { "plus" };
        let _ = write!(out, "What is {a} {op} {b}, modulo {}?", self.modulus);
    }

    fn has_steps(&self) -> bool {
        true
    }

    fn steps(&self, &(a, b): &Self::Input, out: &mut String) {
        let result = self.result(a, b);
        push_uint(out, a);
        out.push(self.op());
        push_uint(out, b);
        out.push('=');
        push_uint(out, result);
        let times = result / self.modulus;
        if times > 0 {
            out.push(',');
            push_uint(out, result);
            out.push('-');
            push_uint(out, times);
            out.push('*');
            push_uint(out, self.modulus);
            out.push('=');
            push_uint(out, result % self.modulus);
        }
    }

    fn reasoning(&self, &(a, b): &Self::Input, out: &mut String) {
        let (m, result) = (self.modulus, self.result(a, b));
        let _ = write!(out, "{a} {} {b} = {result}.", self.op());
        match result / m {
            0 => {
                let _ = write!(out, " {result} is less than {m}.");
            }
            times => {
                let _ = write!(out, " {result} - {times} * {m} = {}.", result % m);
            }
        }
    }

    fn guess(&self) -> f64 {
        1.0 / self.modulus as f64
    }

    /// Every sum is equally frequent. A product is most often 0: ab = r has, for each a whose
    /// greatest common divisor g with m divides r, g solutions, and every g divides 0.
    fn majority(&self) -> Option<(String, f64)> {
        let m = self.modulus;
        let zeros: u64 = if self.times {
            (0..m).map(|a| gcd(a, m)).sum()
        } else {
            m
        };
        Some(("0".to_owned(), zeros as f64 / (m * m) as f64))
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}
