//! Addition of two numbers, the steps from the lowest digits with their carries.
//!
//! As in the arithmetic tasks of Brown et al. 2020 (GPT-3), whose operands are uniform below
//! 10^n (`operands=upto`); the steps follow the scratchpad of Nye et al. 2021, shortened.

use super::operands::{OPERANDS, Operands, digits, width};
use super::{FREE, Has, KindInfo};
use crate::kind::Kind;
use crate::params::Params;
use crate::rng::Rng;
use crate::text::push_uint;
use std::fmt::Write;
use std::sync::Arc;

pub(super) const INFO: KindInfo = KindInfo {
    name: "addition",
    about: "Add two numbers.",
    example: "47+85=132",
    params: &[digits("digits", 2, 9), OPERANDS],
    steps: Has::Where("digits is 2 or more"),
    choices: Has::Never,
    chance: FREE,
    make: |params| {
        Ok(Arc::new(Addition {
            operands: Operands::new(params, params.int("digits")),
            params: params.clone(),
        }))
    },
};

struct Addition {
    operands: Operands,
    params: Params,
}

impl Kind for Addition {
    type Input = (u64, u64);

    fn name(&self) -> String {
        let head = format!("addition_{}digit", self.params.int("digits"));
        self.params.name(&head, &["digits"])
    }

    fn symbols(&self) -> String {
        "0123456789+".to_owned()
    }

    fn step_symbols(&self) -> &'static str {
        ","
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
        out.push('+');
        push_uint(out, b);
    }

    fn answer(&self, &(a, b): &Self::Input, out: &mut String) {
        push_uint(out, a + b);
    }

    fn question(&self, (a, b): &Self::Input, out: &mut String) {
        let _ = write!(out, "What is {a} plus {b}?");
    }

    fn has_steps(&self) -> bool {
        self.params.int("digits") > 1
    }

    fn steps(&self, &(a, b): &Self::Input, out: &mut String) {
        for (i, column) in columns(a, b).enumerate() {
            if i > 0 {
                out.push(',');
            }
            push_uint(out, column.a);
            out.push('+');
            push_uint(out, column.b);
            if column.carry {
                out.push_str("+1");
            }
            out.push('=');
            push_uint(out, column.sum());
        }
    }

    fn reasoning(&self, &(a, b): &Self::Input, out: &mut String) {
        out.push_str("Add the digits from the right.");
        for column in columns(a, b) {
            let _ = write!(out, " {} + {}", column.a, column.b);
            if column.carry {
                out.push_str(" + 1 carried");
            }
            let sum = column.sum();
            let _ = write!(out, " = {sum}");
            match (column.last, sum / 10) {
                (true, _) => out.push_str(", which stands in front."),
                (false, 0) => out.push('.'),
                (false, carry) => {
                    let _ = write!(out, ": write {}, carry {carry}.", sum % 10);
                }
            }
        }
    }

    /// The sum of two uniform numbers is most often its middle value.
    fn majority(&self) -> Option<(String, f64)> {
        let sum = self.operands.low + self.operands.high();
        Some((sum.to_string(), 1.0 / self.operands.n as f64))
    }
}

/// One column of the written addition.
struct Column {
    a: u64,
    b: u64,
    carry: bool,
    last: bool,
}

impl Column {
    fn sum(&self) -> u64 {
        self.a + self.b + u64::from(self.carry)
    }
}

fn columns(a: u64, b: u64) -> impl Iterator<Item = Column> {
    let n = width(a.max(b));
    let (mut a, mut b, mut carry) = (a, b, false);
    (0..n).map(move |place| {
        let column = Column {
            a: a % 10,
            b: b % 10,
            carry,
            last: place + 1 == n,
        };
        carry = column.sum() >= 10;
        (a, b) = (a / 10, b / 10);
        column
    })
}
