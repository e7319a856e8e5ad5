//! Cross-entropy of logits against targets, and its gradient in their place.

use super::batch::IGNORE;
use super::lanes::{LANES, Lanes, Op, run};
use super::product::{PANEL, PanelsMut, vec_at, vec_at_mut};

/// Sum of −ln p(target) over rows with a target, in nats. Where `gradient` holds, logits become
/// softmax − one-hot, and 0 in rows without a target.
pub(crate) struct CrossEntropy<'a> {
    pub(crate) logits: PanelsMut<'a>,
    /// Logits of a row, padding not counted.
    pub(crate) vocab: usize,
    /// Rows beyond them have no target.
    pub(crate) targets: &'a [u32],
    pub(crate) gradient: bool,
}

impl CrossEntropy<'_> {
    pub(crate) fn go(self) -> f64 {
        run(self)
    }
}

impl Op for CrossEntropy<'_> {
    type Out = f64;
    #[inline(always)]
    fn run<L: Lanes>(self, l: L) -> f64 {
        let width = self.logits.features * PANEL;
        let mut loss = 0.0;
        for (p, panel) in self.logits.data.chunks_exact_mut(width).enumerate() {
            let panel = &mut panel[..self.vocab * PANEL];
            for half in [0, LANES] {
                let mut targets = [IGNORE; LANES];
                let from = (p * PANEL + half).min(self.targets.len());
                for (t, &given) in targets.iter_mut().zip(&self.targets[from..]) {
                    *t = given;
                }
                if targets == [IGNORE; LANES] {
                    for x in panel.chunks_exact_mut(PANEL) {
                        l.store(l.splat(0.0), vec_at_mut(x, half));
                    }
                    continue;
                }
                let mut max = l.load(vec_at(panel, half));
                for x in panel.chunks_exact(PANEL) {
                    max = l.max(l.load(vec_at(x, half)), max);
                }
                let mut wanted = [0.0; LANES];
                for (i, &t) in targets.iter().enumerate() {
                    if t != IGNORE {
                        wanted[i] = panel[t as usize * PANEL + half + i];
                    }
                }
                let mut sum = l.splat(0.0);
                for x in panel.chunks_exact_mut(PANEL) {
                    let x = vec_at_mut(x, half);
                    let e = l.exp(l.sub(l.load(x), max));
                    sum = l.add(sum, e);
                    l.store(e, x);
                }
                let (mut sums, mut maxima) = ([0.0; LANES], [0.0; LANES]);
                l.store(sum, &mut sums);
                l.store(max, &mut maxima);
                let mut counted = [0.0; LANES];
                for (i, &t) in targets.iter().enumerate() {
                    if t != IGNORE {
                        counted[i] = 1.0;
                        loss +=
                            f64::from(sums[i]).ln() + (f64::from(maxima[i]) - f64::from(wanted[i]));
                    }
                }
                if !self.gradient {
                    continue;
                }
                let factor = l.div(l.load(&counted), sum);
                for x in panel.chunks_exact_mut(PANEL) {
                    let x = vec_at_mut(x, half);
                    l.store(l.mul(l.load(x), factor), x);
                }
                for (i, &t) in targets.iter().enumerate() {
                    if t != IGNORE {
                        panel[t as usize * PANEL + half + i] -= 1.0;
                    }
                }
            }
        }
        loss
    }
}
