//! Multitask sparse parity: many skills, each the parity of its own few bits, used with
//! frequencies that follow a power law.
//!
//! The task of Michaud et al. 2023 ("The Quantization Model of Neural Scaling"): skill i, from
//! 1, is drawn with probability proportional to i^-(alpha+1). There a skill is named by one
//! bit among control bits, here by letters.

use super::{Has, KindInfo};
use crate::kind::Kind;
use crate::params::{ParamInfo, Params, Range};
use crate::rng::Rng;
use crate::text::{listed, push_ascii};
use std::fmt::Write;
use std::sync::Arc;

pub(super) const INFO: KindInfo = KindInfo {
    name: "parity",
    about: "Say whether a skill's own few bits have an odd number of ones; skills are many, and used by a power law.",
    example: "qe:1111101100=1",
    params: &[
        ParamInfo {
            name: "skills",
            about: "how many skills",
            range: Range::Int {
                default: 26,
                min: 1,
                max: 10_000,
            },
        },
        ParamInfo {
            name: "bits",
            about: "bits of a prompt",
            range: Range::Int {
                default: 10,
                min: 6,
                max: 64,
            },
        },
        ParamInfo {
            name: "k",
            about: "bits that matter to a skill",
            range: Range::Int {
                default: 3,
                min: 1,
                max: 16,
            },
        },
        ParamInfo {
            name: "alpha",
            about: "exponent of the power law: skill i is used in proportion to i^-(alpha+1)",
            range: Range::Float {
                default: 0.4,
                min: 0.0,
                max: 4.0,
            },
        },
        ParamInfo {
            name: "subsets",
            about: "seed of which bits matter to each skill",
            range: Range::Int {
                default: 0,
                min: 0,
                max: u32::MAX as u64,
            },
        },
    ],
    steps: Has::Always,
    choices: Has::Always,
    chance: "1/2: 0 or 1",
    make: |params| Parity::new(params).map(|p| Arc::new(p) as _),
};

struct Parity {
    bits: u32,
    /// Of each skill, the places that matter, from 0 at the left and in order.
    subsets: Vec<Vec<u32>>,
    /// Sums of the skills' weights up to each, itself included.
    cumulative: Vec<u64>,
    /// Letters that name a skill.
    id_width: u32,
    params: Params,
}

/// A skill and the bits, the leftmost highest.
type Bits = (u32, u64);

impl Parity {
    fn new(params: &Params) -> Result<Self, crate::SynthError> {
        let (bits, k) = (params.int("bits") as u32, params.size("k"));
        if k > bits as usize {
            return Err(params.conflict(format!("k={k} is more than bits={bits}")));
        }
        let n = params.int("skills");
        let mut rng = Rng::of(&[0x0070_6172, params.int("subsets")]);
        let subsets = (0..n).map(|_| subset(bits, k, &mut rng)).collect();
        // Whole weights, and powers from a library whose bits do not depend on the machine.
        let exponent = -(params.float("alpha") + 1.0);
        let mut sum = 0;
        let cumulative = (1..=n)
            .map(|i| {
                let weight = libm::round(libm::exp2(40.0) * libm::pow(i as f64, exponent)) as u64;
                sum += weight.max(1);
                sum
            })
            .collect();
        let mut id_width = 1;
        while 26_u64.pow(id_width) < n {
            id_width += 1;
        }
        Ok(Self {
            bits,
            subsets,
            cumulative,
            id_width,
            params: params.clone(),
        })
    }

    fn n_skills(&self) -> u64 {
        self.subsets.len() as u64
    }

    fn id(&self, skill: u32) -> String {
        let mut out = String::new();
        self.push_id(skill, &mut out);
        out
    }

    fn push_id(&self, skill: u32, out: &mut String) {
        for place in (0..self.id_width).rev() {
            let letter = skill / 26_u32.pow(place) % 26;
            out.push(char::from(b'a' + letter as u8));
        }
    }

    fn bit(&self, bits: u64, place: u32) -> bool {
        bits >> (self.bits - 1 - place) & 1 == 1
    }

    fn relevant(&self, &(skill, bits): &Bits) -> impl Iterator<Item = (u32, bool)> + '_ {
        let places = self.subsets[skill as usize].iter();
        places.map(move |&place| (place, self.bit(bits, place)))
    }

    fn push_bits(&self, bits: u64, out: &mut String) {
        let mut text = [0; 64];
        let text = &mut text[..self.bits as usize];
        for (place, digit) in (0..).zip(text.iter_mut()) {
            *digit = b'0' + u8::from(self.bit(bits, place));
        }
        push_ascii(out, text);
    }
}

/// `k` different places below `n`, in order.
fn subset(n: u32, k: usize, rng: &mut Rng) -> Vec<u32> {
    let mut places: Vec<u32> = (0..n).collect();
    rng.shuffle(&mut places);
    places.truncate(k);
    places.sort_unstable();
    places
}

impl Kind for Parity {
    type Input = Bits;

    fn name(&self) -> String {
        let head = format!(
            "parity_{}skills_{}of{}bits",
            self.n_skills(),
            self.params.int("k"),
            self.bits
        );
        self.params.name(&head, &["skills", "bits", "k"])
    }

    fn symbols(&self) -> String {
        let letters = self.n_skills().min(26) as u8;
        let ids: String = (b'a'..b'a' + letters).map(char::from).collect();
        format!("q:01{ids}")
    }

    fn step_symbols(&self) -> &'static str {
        if self.params.int("k") > 1 { "," } else { "" }
    }

    fn draw(&self, rng: &mut Rng) -> Self::Input {
        let all = self.cumulative.last().copied().unwrap_or(1);
        let drawn = rng.below(all);
        let skill = self.cumulative.partition_point(|&c| c <= drawn);
        self.draw_skill(skill as u32, rng)
    }

    fn draw_skill(&self, skill: u32, rng: &mut Rng) -> Self::Input {
        (skill, rng.next() >> (64 - self.bits))
    }

    fn n_inputs(&self) -> Option<u64> {
        1_u64.checked_shl(self.bits)?.checked_mul(self.n_skills())
    }

    fn numbers(&self, skill: Option<u32>) -> Option<std::ops::Range<u64>> {
        let each = 1_u64.checked_shl(self.bits)?;
        match skill {
            None => Some(0..self.n_inputs()?),
            Some(skill) => {
                let start = each.checked_mul(u64::from(skill))?;
                Some(start..start.checked_add(each)?)
            }
        }
    }

    fn nth(&self, index: u64) -> Self::Input {
        ((index >> self.bits) as u32, index & ((1 << self.bits) - 1))
    }

    fn probability(&self, &(skill, _): &Self::Input) -> f64 {
        self.skill_probability(skill) / libm::exp2(f64::from(self.bits))
    }

    fn prompt(&self, &(skill, bits): &Self::Input, out: &mut String) {
        out.push('q');
        self.push_id(skill, out);
        out.push(':');
        self.push_bits(bits, out);
    }

    fn answer(&self, input: &Self::Input, out: &mut String) {
        let odd = self.relevant(input).fold(false, |odd, (_, bit)| odd ^ bit);
        out.push(if odd { '1' } else { '0' });
    }

    fn question(&self, &(skill, bits): &Self::Input, out: &mut String) {
        let places: Vec<String> = self.subsets[skill as usize]
            .iter()
            .map(|place| (place + 1).to_string())
            .collect();
        let bit = if places.len() == 1 { "bit" } else { "bits" };
        let _ = write!(
            out,
            "Rule {} looks at {bit} {} of ",
            self.id(skill),
            listed(&places)
        );
        self.push_bits(bits, out);
        out.push_str(
            ", counted from 1 at the left. Is the number of ones there odd (1) or even (0)? \
             Answer 1 or 0.",
        );
    }

    fn has_steps(&self) -> bool {
        true
    }

    /// The bits that matter.
    fn steps(&self, input: &Self::Input, out: &mut String) {
        for (i, (_, bit)) in self.relevant(input).enumerate() {
            if i > 0 {
                out.push(',');
            }
            out.push(if bit { '1' } else { '0' });
        }
    }

    fn reasoning(&self, input: &Self::Input, out: &mut String) {
        for (i, (place, bit)) in self.relevant(input).enumerate() {
            let space = if i == 0 { "" } else { " " };
            let _ = write!(out, "{space}Bit {} is {}.", place + 1, u8::from(bit));
        }
        let ones = self.relevant(input).filter(|(_, bit)| *bit).count();
        let odd = if ones % 2 == 1 { "odd" } else { "even" };
        let _ = write!(out, " The number of ones is {ones}, which is {odd}.");
    }

    fn choices(&self) -> &[&'static str] {
        &["0", "1"]
    }

    /// A parity of uniform bits is a toss.
    fn majority(&self) -> Option<(String, f64)> {
        Some(("0".to_owned(), 0.5))
    }

    fn n_skills(&self) -> Option<u32> {
        Some(self.subsets.len() as u32)
    }

    fn skill(&self, &(skill, _): &Self::Input) -> Option<u32> {
        Some(skill)
    }

    fn skill_probability(&self, skill: u32) -> f64 {
        let i = skill as usize;
        let before = if i == 0 { 0 } else { self.cumulative[i - 1] };
        let all = self.cumulative.last().copied().unwrap_or(1);
        (self.cumulative[i] - before) as f64 / all as f64
    }
}
