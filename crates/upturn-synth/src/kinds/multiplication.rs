//! Multiplication of two numbers, the steps by partial products.

use super::operands::{OPERANDS, Operands, digits, lowest_first};
use super::{FREE, Has, KindInfo};
use crate::kind::{ENUMERABLE, Kind};
use crate::params::Params;
use crate::rng::Rng;
use crate::text::push_uint;
use std::fmt::Write;
use std::sync::Arc;

pub(super) const INFO: KindInfo = KindInfo {
    name: "multiplication",
    about: "Multiply two numbers.",
    example: "47*85=3995",
    params: &[digits("a", 2, 9), digits("b", 2, 9), OPERANDS],
    steps: Has::Where("a or b has two digits or more"),
    choices: Has::Never,
    chance: FREE,
    make: |params| {
        Ok(Arc::new(Multiplication {
            a: Operands::new(params, params.int("a")),
            b: Operands::new(params, params.int("b")),
            params: params.clone(),
        }))
    },
};

struct Multiplication {
    a: Operands,
    b: Operands,
    params: Params,
}

impl Multiplication {
    /// The factor kept whole, and the parts of the other one: `47` and `[5, 80]`.
    fn parts(&self, a: u64, b: u64) -> (u64, Vec<u64>) {
        let (whole, split) = if self.params.int("b") > 1 {
            (a, b)
        } else {
            (b, a)
        };
        let parts = lowest_first(split, 1)
            .into_iter()
            .enumerate()
            .map(|(place, digit)| digit * 10_u64.pow(place as u32));
        (whole, parts.collect())
    }
}

impl Kind for Multiplication {
    type Input = (u64, u64);

    fn name(&self) -> String {
        let (a, b) = (self.params.int("a"), self.params.int("b"));
        let head = if a == b {
            format!("multiplication_{a}digit")
        } else {
            format!("multiplication_{a}x{b}digit")
        };
        self.params.name(&head, &["a", "b"])
    }

    fn symbols(&self) -> String {
        "0123456789*".to_owned()
    }

    fn step_symbols(&self) -> &'static str {
        ",+"
    }

    fn draw(&self, rng: &mut Rng) -> Self::Input {
        (self.a.draw(rng), self.b.draw(rng))
    }

    fn n_inputs(&self) -> Option<u64> {
        self.a.n.checked_mul(self.b.n)
    }

    fn nth(&self, index: u64) -> Self::Input {
        (self.a.nth(index / self.b.n), self.b.nth(index % self.b.n))
    }

    fn prompt(&self, &(a, b): &Self::Input, out: &mut String) {
        push_uint(out, a);
        out.push('*');
        push_uint(out, b);
    }

    fn answer(&self, &(a, b): &Self::Input, out: &mut String) {
        push_uint(out, a * b);
    }

    fn question(&self, (a, b): &Self::Input, out: &mut String) {
        let _ = write!(out, "What is {a} times {b}?");
    }

    fn has_steps(&self) -> bool {
        self.params.int("a").max(self.params.int("b")) > 1
    }

    fn steps(&self, &(a, b): &Self::Input, out: &mut String) {
        let (whole, parts) = self.parts(a, b);
        for (i, part) in parts.iter().enumerate() {
            if i > 0 {
                out.push(',');
            }
            push_uint(out, whole);
            out.push('*');
            push_uint(out, *part);
            out.push('=');
            push_uint(out, whole * part);
        }
        let mut sum = whole * parts[0];
        for part in &parts[1..] {
            out.push(',');
            push_uint(out, sum);
            out.push('+');
            push_uint(out, whole * part);
            sum += whole * part;
            out.push('=');
            push_uint(out, sum);
        }
    }

    fn reasoning(&self, &(a, b): &Self::Input, out: &mut String) {
        let (whole, parts) = self.parts(a, b);
        let products: Vec<String> = parts
            .iter()
            .map(|part| format!("{whole} * {part} = {}", whole * part))
            .collect();
        let _ = write!(out, "{}.", products.join(", "));
        let mut sum = whole * parts[0];
        for part in &parts[1..] {
            let product = whole * part;
            let _ = write!(out, " {sum} + {product} = {}.", sum + product);
            sum += product;
        }
    }

    /// Where 0 is among the numbers it is the most frequent product. Else it is counted, if
    /// there are few enough.
    fn majority(&self) -> Option<(String, f64)> {
        let n = self.a.n as f64 * self.b.n as f64;
        match (self.a.low, self.b.low) {
            (0, 0) => {
                let zeros = self.a.n + self.b.n - 1;
                Some(("0".to_owned(), zeros as f64 / n))
            }
            (0, _) => Some(("0".to_owned(), 1.0 / self.a.n as f64)),
            (_, 0) => Some(("0".to_owned(), 1.0 / self.b.n as f64)),
            _ if n > ENUMERABLE as f64 => None,
            _ => {
                let mut counts = vec![0_u32; (self.a.high() * self.b.high() + 1) as usize];
                for a in self.a.low..=self.a.high() {
                    for b in self.b.low..=self.b.high() {
                        counts[(a * b) as usize] += 1;
                    }
                }
                let most = (0..counts.len()).max_by_key(|&i| counts[i])?;
                Some((most.to_string(), f64::from(counts[most]) / n))
            }
        }
    }
}
