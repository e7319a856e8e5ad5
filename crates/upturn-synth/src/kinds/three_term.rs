//! Two operations on three numbers, with brackets or by precedence.
//!
//! With one digit and brackets this is the task `1dc` of Brown et al. 2020 (GPT-3): brackets
//! around the last two numbers, operations uniform from `+`, `-`, `*`.

use super::operands::{OPERANDS, Operands, digits};
use super::{FREE, Has, KindInfo};
use crate::kind::Kind;
use crate::params::{ParamInfo, Params, Range};
use crate::rng::Rng;
use crate::text::{push_int, push_uint};
use std::fmt::Write;
use std::sync::Arc;

pub(super) const INFO: KindInfo = KindInfo {
    name: "three_term",
    about: "Compute two operations on three numbers.",
    example: "6+(4*8)=38",
    params: &[
        digits("digits", 1, 4),
        ParamInfo {
            name: "order",
            about: "brackets around the last two numbers, or none and multiplication first",
            range: Range::Word(&["brackets", "precedence"]),
        },
        OPERANDS,
    ],
    steps: Has::Always,
    choices: Has::Never,
    chance: FREE,
    make: |params| {
        Ok(Arc::new(ThreeTerm {
            operands: Operands::new(params, params.int("digits")),
            brackets: params.word("order") == "brackets",
            params: params.clone(),
        }))
    },
};

struct ThreeTerm {
    operands: Operands,
    brackets: bool,
    params: Params,
}

const OPS: [char; 3] = ['+', '-', '*'];

#[derive(Debug, Clone, Copy)]
struct Terms {
    a: u64,
    b: u64,
    c: u64,
    /// Places in `OPS`.
    first: usize,
    second: usize,
}

/// `x op y = result`
#[derive(Debug, Clone, Copy)]
struct Step {
    x: i64,
    op: char,
    y: i64,
}

impl Step {
    fn result(self) -> i64 {
        match self.op {
            '+' => self.x + self.y,
            '-' => self.x - self.y,
            _ => self.x * self.y,
        }
    }
}

impl ThreeTerm {
    fn two_steps(&self, t: &Terms) -> [Step; 2] {
        let (a, b, c) = (t.a as i64, t.b as i64, t.c as i64);
        let (first, second) = (OPS[t.first], OPS[t.second]);
        let last_two_first = self.brackets || (second == '*' && first != '*');
        if last_two_first {
            let inner = Step {
                x: b,
                op: second,
                y: c,
            };
            let outer = Step {
                x: a,
                op: first,
                y: inner.result(),
            };
            [inner, outer]
        } else {
            let inner = Step {
                x: a,
                op: first,
                y: b,
            };
            let outer = Step {
                x: inner.result(),
                op: second,
                y: c,
            };
            [inner, outer]
        }
    }
}

impl Kind for ThreeTerm {
    type Input = Terms;

    fn name(&self) -> String {
        let head = format!("three_term_{}digit", self.params.int("digits"));
        self.params.name(&head, &["digits"])
    }

    fn symbols(&self) -> String {
        let brackets = if self.brackets { "()" } else { "" };
        format!("0123456789+-*{brackets}")
    }

    fn step_symbols(&self) -> &'static str {
        ","
    }

    fn draw(&self, rng: &mut Rng) -> Self::Input {
        Terms {
            a: self.operands.draw(rng),
            b: self.operands.draw(rng),
            c: self.operands.draw(rng),
            first: rng.index(3),
            second: rng.index(3),
        }
    }

    fn n_inputs(&self) -> Option<u64> {
        Some(9 * self.operands.n.pow(3))
    }

    fn nth(&self, index: u64) -> Self::Input {
        let Operands { n, .. } = self.operands;
        let (ops, rest) = ((index % 9) as usize, index / 9);
        Terms {
            a: self.operands.nth(rest / (n * n)),
            b: self.operands.nth(rest / n % n),
            c: self.operands.nth(rest % n),
            first: ops / 3,
            second: ops % 3,
        }
    }

    fn prompt(&self, t: &Self::Input, out: &mut String) {
        push_uint(out, t.a);
        out.push(OPS[t.first]);
        if self.brackets {
            out.push('(');
        }
        push_uint(out, t.b);
        out.push(OPS[t.second]);
        push_uint(out, t.c);
        if self.brackets {
            out.push(')');
        }
    }

    fn answer(&self, t: &Self::Input, out: &mut String) {
        push_int(out, self.two_steps(t)[1].result());
    }

    fn question(&self, t: &Self::Input, out: &mut String) {
        out.push_str("What is ");
        self.prompt(t, out);
        out.push('?');
    }

    fn has_steps(&self) -> bool {
        true
    }

    /// The inner operation, then the outer one; a negative number is not bracketed: `6--4=10`.
    fn steps(&self, t: &Self::Input, out: &mut String) {
        for (i, step) in self.two_steps(t).into_iter().enumerate() {
            if i > 0 {
                out.push(',');
            }
            push_int(out, step.x);
            out.push(step.op);
            push_int(out, step.y);
            out.push('=');
            push_int(out, step.result());
        }
    }

    fn reasoning(&self, t: &Self::Input, out: &mut String) {
        let [inner, outer] = self.two_steps(t);
        let show = |n: i64| {
            if n < 0 {
                format!("({n})")
            } else {
                n.to_string()
            }
        };
        for (word, step) in [("First", inner), ("Then", outer)] {
            let space = if word == "First" { "" } else { " " };
            let _ = write!(
                out,
                "{space}{word} {} {} {} = {}.",
                show(step.x),
                step.op,
                show(step.y),
                step.result()
            );
        }
    }
}
