//! Subtraction of two numbers, the steps from the lowest digits with their borrowed tens.
//!
//! As in the arithmetic tasks of Brown et al. 2020 (GPT-3): the difference may be negative.

use super::operands::{OPERANDS, Operands, digits, width};
use super::{FREE, Has, KindInfo};
use crate::kind::Kind;
use crate::params::Params;
use crate::rng::Rng;
use crate::text::{push_int, push_uint};
use std::fmt::Write;
use std::sync::Arc;

pub(super) const INFO: KindInfo = KindInfo {
    name: "subtraction",
    about: "Subtract one number from another; the difference may be negative.",
    example: "47-85=-38",
    params: &[digits("digits", 2, 9), OPERANDS],
    steps: Has::Where("digits is 2 or more"),
    choices: Has::Never,
    chance: FREE,
    make: |params| {
        Ok(Arc::new(Subtraction {
            operands: Operands::new(params, params.int("digits")),
            params: params.clone(),
        }))
    },
};

struct Subtraction {
    operands: Operands,
    params: Params,
}

impl Kind for Subtraction {
    type Input = (u64, u64);

    fn name(&self) -> String {
        let head = format!("subtraction_{}digit", self.params.int("digits"));
        self.params.name(&head, &["digits"])
    }

    fn symbols(&self) -> String {
        "0123456789-".to_owned()
    }

    fn step_symbols(&self) -> &'static str {
        ",<"
    }

    fn draw(&self, rng: &mut Rng) -> Self::Input {
        (self.operands.draw(rng), self.operands.draw(rng))
    }

    fn n_inputs(&self) -> Option<u64> {
        self.operands.n.checked_mul(self.operands.n)
    }

    fn nth(&self, index: u64) -> Self::Input {
        let Operands { n, .. } = self.operands;
        (self.operands.nth(index / n), self.operands.nth(index % n))
    }

    fn prompt(&self, &(a, b): &Self::Input, out: &mut String) {
        push_uint(out, a);
        out.push('-');
        push_uint(out, b);
    }

    fn answer(&self, &(a, b): &Self::Input, out: &mut String) {
        push_int(out, a as i64 - b as i64);
    }

    fn question(&self, (a, b): &Self::Input, out: &mut String) {
        let _ = write!(out, "What is {a} minus {b}?");
    }

    fn has_steps(&self) -> bool {
        self.params.int("digits") > 1
    }

    /// `47<85` says that the difference is that of 85 and 47, below zero.
    fn steps(&self, &(a, b): &Self::Input, out: &mut String) {
        if a < b {
            push_uint(out, a);
            out.push('<');
            push_uint(out, b);
        }
        for column in columns(a.max(b), a.min(b)) {
            if !out.is_empty() {
                out.push(',');
            }
            push_uint(out, column.top());
            out.push('-');
            push_uint(out, column.b);
            if column.borrowed {
                out.push_str("-1");
            }
            out.push('=');
            push_uint(out, column.difference());
        }
    }

    fn reasoning(&self, &(a, b): &Self::Input, out: &mut String) {
        if a < b {
            let _ = write!(
                out,
                "{a} is less than {b}, so subtract {a} from {b} and put a minus before it. "
            );
        }
        out.push_str("Subtract the digits from the right.");
        for column in columns(a.max(b), a.min(b)) {
            let _ = write!(out, " {} - {}", column.top(), column.b);
            if column.borrowed {
                out.push_str(" - 1 borrowed");
            }
            let _ = write!(out, " = {}", column.difference());
            out.push_str(if column.borrows {
                ", with ten borrowed from the next."
            } else {
                "."
            });
        }
    }

    /// The difference of two uniform numbers is most often 0.
    fn majority(&self) -> Option<(String, f64)> {
        Some(("0".to_owned(), 1.0 / self.operands.n as f64))
    }
}

/// One column of the written subtraction of the smaller number from the larger.
struct Column {
    a: u64,
    b: u64,
    /// The column before took ten from this one.
    borrowed: bool,
    /// This column takes ten from the next.
    borrows: bool,
}

impl Column {
    /// The upper digit, with the ten that it borrows.
    fn top(&self) -> u64 {
        self.a + 10 * u64::from(self.borrows)
    }

    fn difference(&self) -> u64 {
        self.top() - self.b - u64::from(self.borrowed)
    }
}

fn columns(a: u64, b: u64) -> impl Iterator<Item = Column> {
    let (mut rest_a, mut rest_b, mut borrowed) = (a, b, false);
    (0..width(a)).map(move |_| {
        let (a, b) = (rest_a % 10, rest_b % 10);
        let borrows = a < b + u64::from(borrowed);
        let column = Column {
            a,
            b,
            borrowed,
            borrows,
        };
        borrowed = borrows;
        (rest_a, rest_b) = (rest_a / 10, rest_b / 10);
        column
    })
}
