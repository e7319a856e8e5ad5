//! The sum of several numbers, the steps a running sum.

use super::operands::{OPERANDS, Operands, digits};
use super::{FREE, Has, KindInfo};
use crate::kind::Kind;
use crate::params::{ParamInfo, Params, Range};
use crate::rng::Rng;
use crate::text::push_uint;
use std::fmt::Write;
use std::sync::Arc;

const MOST_TERMS: usize = 12;

pub(super) const INFO: KindInfo = KindInfo {
    name: "running_sum",
    about: "Add up a row of numbers.",
    example: "sum 3 8 5 1=17",
    params: &[
        ParamInfo {
            name: "terms",
            about: "how many numbers",
            range: Range::Int {
                default: 4,
                min: 2,
                max: MOST_TERMS as u64,
            },
        },
        digits("digits", 1, 4),
        OPERANDS,
    ],
    steps: Has::Where("terms is 3 or more"),
    choices: Has::Never,
    chance: FREE,
    make: |params| {
        Ok(Arc::new(RunningSum {
            terms: params.size("terms"),
            operands: Operands::new(params, params.int("digits")),
            params: params.clone(),
        }))
    },
};

struct RunningSum {
    terms: usize,
    operands: Operands,
    params: Params,
}

impl Kind for RunningSum {
    /// The first `terms` of these.
    type Input = [u64; MOST_TERMS];

    fn name(&self) -> String {
        let head = format!(
            "running_sum_{}terms_{}digit",
            self.terms,
            self.params.int("digits")
        );
        self.params.name(&head, &["terms", "digits"])
    }

    fn symbols(&self) -> String {
        "0123456789sum ".to_owned()
    }

    fn step_symbols(&self) -> &'static str {
        "+,"
    }

    fn draw(&self, rng: &mut Rng) -> Self::Input {
        let mut input = [0; MOST_TERMS];
        for term in &mut input[..self.terms] {
            *term = self.operands.draw(rng);
        }
        input
    }

    fn n_inputs(&self) -> Option<u64> {
        self.operands.n.checked_pow(self.terms as u32)
    }

    fn nth(&self, mut index: u64) -> Self::Input {
        let mut input = [0; MOST_TERMS];
        for term in &mut input[..self.terms] {
            *term = self.operands.nth(index % self.operands.n);
            index /= self.operands.n;
        }
        input
    }

    fn prompt(&self, input: &Self::Input, out: &mut String) {
        out.push_str("sum");
        for &term in &input[..self.terms] {
            out.push(' ');
            push_uint(out, term);
        }
    }

    fn answer(&self, input: &Self::Input, out: &mut String) {
        push_uint(out, input.iter().sum());
    }

    fn question(&self, input: &Self::Input, out: &mut String) {
        let terms: Vec<String> = input[..self.terms].iter().map(u64::to_string).collect();
        let _ = write!(out, "What is the sum of {}?", crate::text::listed(&terms));
    }

    fn has_steps(&self) -> bool {
        self.terms > 2
    }

    fn steps(&self, input: &Self::Input, out: &mut String) {
        let mut sum = input[0];
        for (i, &term) in input[1..self.terms].iter().enumerate() {
            if i > 0 {
                out.push(',');
            }
            push_uint(out, sum);
            out.push('+');
            push_uint(out, term);
            sum += term;
            out.push('=');
            push_uint(out, sum);
        }
    }

    fn reasoning(&self, input: &Self::Input, out: &mut String) {
        let mut sum = input[0];
        for (i, &term) in input[1..self.terms].iter().enumerate() {
            let space = if i == 0 { "" } else { " " };
            let _ = write!(out, "{space}{sum} + {term} = {}.", sum + term);
            sum += term;
        }
    }

    /// The sum of independent uniform numbers is most often its middle value; its share by
    /// convolution.
    fn majority(&self) -> Option<(String, f64)> {
        let n = self.operands.n as usize;
        let mut ways = vec![1.0];
        for _ in 0..self.terms {
            let mut next = vec![0.0; ways.len() + n - 1];
            let mut window = 0.0;
            for (i, cell) in next.iter_mut().enumerate() {
                window += ways.get(i).copied().unwrap_or(0.0);
                if i >= n {
                    window -= ways[i - n];
                }
                *cell = window;
            }
            ways = next;
        }
        let middle = (ways.len() - 1) / 2;
        let all: f64 = (0..self.terms).map(|_| n as f64).product();
        let sum = self.operands.low * self.terms as u64 + middle as u64;
        Some((sum.to_string(), ways[middle] / all))
    }
}
