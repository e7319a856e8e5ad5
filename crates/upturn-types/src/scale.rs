//! How large a model is: parameters, tokens, compute and loss, and the axes made of them.

use serde::{Deserialize, Serialize};

/// The scale of one model or checkpoint. Unknown is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Scale {
    /// Parameters N (count). For mixtures of experts, the active ones.
    pub params: Option<f64>,
    /// Training tokens D (count); 0 at step 0.
    pub tokens: Option<f64>,
    /// Training compute C (FLOPs, a count); 0 at step 0.
    pub flops: Option<f64>,
    /// Pre-training loss, nats per token.
    pub train_loss_nats: Option<f64>,
}

impl Scale {
    /// Training compute from parameters and tokens by the usual C = 6ND.
    ///
    /// `None` when either is unknown.
    #[must_use]
    pub fn six_nd(&self) -> Option<f64> {
        Some(6.0 * self.params? * self.tokens?)
    }

    /// The raw value on `axis`: a count for FLOPs, params and tokens, nats per token for loss.
    #[must_use]
    pub fn on(&self, axis: Axis) -> Option<f64> {
        match axis {
            Axis::Flops => self.flops,
            Axis::Params => self.params,
            Axis::Tokens => self.tokens,
            Axis::Loss => self.train_loss_nats,
        }
    }
}

/// The scale axis on which a curve is read.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// log10 of training compute C.
    #[default]
    Flops,
    /// log10 of parameters N.
    Params,
    /// log10 of training tokens D.
    Tokens,
    /// Minus the pre-training loss (nats per token): larger is better, as on the other axes.
    Loss,
}

impl Axis {
    /// All axes, in the order in which they are shown.
    pub const ALL: [Axis; 4] = [Axis::Flops, Axis::Params, Axis::Tokens, Axis::Loss];

    /// The name used on the command line and in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Axis::Flops => "flops",
            Axis::Params => "params",
            Axis::Tokens => "tokens",
            Axis::Loss => "loss",
        }
    }

    /// The coordinate x of a raw value: log10 for counts, minus the value for loss.
    ///
    /// A count of exactly 0 (step 0 of a run) maps to −∞: it keeps its place in
    /// an ordering and must be left out of fits. Negative or NaN values give `None`.
    #[must_use]
    pub fn coordinate(self, raw: f64) -> Option<f64> {
        match self {
            Axis::Loss if raw.is_finite() => Some(-raw),
            Axis::Loss => None,
            _ if raw == 0.0 => Some(f64::NEG_INFINITY),
            _ if raw > 0.0 && raw.is_finite() => Some(raw.log10()),
            _ => None,
        }
    }

    /// The raw value at coordinate `x`: the inverse of [`Axis::coordinate`].
    #[must_use]
    pub fn raw(self, x: f64) -> f64 {
        match self {
            Axis::Loss => -x,
            _ => 10f64.powf(x),
        }
    }

    /// The smallest span (in units of the coordinate) over which a shape is judged:
    /// one decade of C, 0.7 of N or D, 0.3 nats of loss.
    #[must_use]
    pub fn min_span(self) -> f64 {
        match self {
            Axis::Flops => 1.0,
            Axis::Params | Axis::Tokens => 0.7,
            Axis::Loss => 0.3,
        }
    }
}

impl std::str::FromStr for Axis {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Axis::ALL
            .into_iter()
            .find(|a| a.name() == s)
            .ok_or_else(|| format!("unknown axis '{s}': expected flops, params, tokens or loss"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_keep_step_zero_in_order_and_refuse_nonsense() {
        assert_eq!(Axis::Flops.coordinate(0.0), Some(f64::NEG_INFINITY));
        assert_eq!(Axis::Flops.coordinate(1e22), Some(22.0));
        assert_eq!(Axis::Flops.coordinate(-1.0), None);
        assert_eq!(Axis::Flops.coordinate(f64::NAN), None);
        assert_eq!(Axis::Loss.coordinate(2.5), Some(-2.5));
        assert_eq!(Axis::Loss.raw(-2.5), 2.5);
    }
}
