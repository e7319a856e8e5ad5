//! Rotary angles and their scalings, from either spelling of the configuration.
//!
//! Formulas: Su et al. 2021 (RoFormer); position interpolation (Chen et al. 2023); NTK-by-parts
//! and attention temperature (Peng et al. 2023, YaRN); LongRoPE (Ding et al. 2024); Llama 3.1's
//! smoothing between wavelengths. Scalings that depend on the input's length (dynamic, longrope)
//! are read for the length the model was trained on, and the plan's longest input is capped there.

use serde_json::Value;

use super::config::{Config, bad, shown};
use crate::error::ModelError;
use crate::plan::Rope;

/// How one architecture spells and defaults its rotary settings.
#[derive(Clone, Copy)]
pub(super) struct RopeKeys {
    /// Keys of the base beside the scaling's own `rope_theta`.
    pub(super) theta: &'static str,
    /// Base where no key is present.
    pub(super) theta_default: f64,
    /// Key of the rotated share of a head, where the architecture has one.
    pub(super) partial: Option<(&'static str, f64)>,
    /// Longest trained input where no key says it; else `max_position_embeddings`.
    pub(super) original_default: Option<usize>,
    /// Whether pairs are neighbours.
    pub(super) interleaved: bool,
    /// Whether `su` and `yarn` mean `longrope` (Phi-3).
    pub(super) su_is_longrope: bool,
}

impl Default for RopeKeys {
    fn default() -> Self {
        RopeKeys {
            theta: "rope_theta",
            theta_default: 10_000.0,
            partial: None,
            original_default: None,
            interleaved: false,
            su_is_longrope: false,
        }
    }
}

/// A rotary table and the longest input it is right for.
pub(super) struct Scaled {
    pub(super) rope: Rope,
    pub(super) max_positions: usize,
}

/// Angles per position of an unscaled table, as 32-bit arithmetic gives them.
fn plain(dim: usize, theta: f64) -> Vec<f32> {
    (0..dim.div_ceil(2))
        .map(|i| {
            let exponent = (2 * i) as f32 / dim as f32;
            1.0 / (theta.powf(f64::from(exponent)) as f32)
        })
        .collect()
}

/// The unscaled table of an architecture whose base is fixed (GPT-J).
pub(super) fn fixed(dim: usize, theta: f64, interleaved: bool) -> Rope {
    Rope {
        // Of an odd number the last pair is rotated whole, as transformers does.
        dim: dim.next_multiple_of(2),
        inv_freq: plain(dim, theta),
        attention_scaling: 1.0,
        interleaved,
    }
}

/// The settings' object: `rope_scaling` (transformers 4) before `rope_parameters` (5), and of a
/// nested one the entry of `layer_type`.
fn settings<'a>(
    config: Config<'a>,
    layer_type: Option<&str>,
) -> Result<Option<Config<'a>>, ModelError> {
    let flat = match config.object("rope_scaling")?.filter(|c| !c.is_empty()) {
        // A scaling beside per-layer ropes is that of the layers that see everything.
        Some(_) if layer_type == Some("sliding_attention") => config.object("rope_parameters")?,
        Some(scaling) => Some(scaling),
        None => config.object("rope_parameters")?,
    };
    let Some(flat) = flat else { return Ok(None) };
    let nested = ["full_attention", "sliding_attention"]
        .iter()
        .any(|key| flat.get(key).is_some_and(Value::is_object));
    if nested {
        return flat.object(layer_type.unwrap_or("full_attention"));
    }
    Ok(Some(flat))
}

fn required(settings: Config<'_>, key: &'static str, kind: &str) -> Result<f64, ModelError> {
    if settings.get(key).is_none() {
        return Err(bad(
            "rope_parameters",
            &format!("{kind} scaling lacks {key}"),
        ));
    }
    settings.number(&[key], 0.0)
}

fn positive(x: f64, key: &str) -> Result<f64, ModelError> {
    if x > 0.0 {
        return Ok(x);
    }
    Err(bad(key, &format!("expected a number above 0, found {x}")))
}

/// Reads the table of one kind of layer.
///
/// `theta` overrides where the base is found (Gemma 3's local layers).
pub(super) fn read(
    config: Config<'_>,
    head_dim: usize,
    max_positions: usize,
    keys: RopeKeys,
    layer_type: Option<&str>,
) -> Result<Scaled, ModelError> {
    let empty = serde_json::Map::new();
    let none = Value::Object(empty);
    let settings = match settings(config, layer_type)? {
        Some(settings) => settings,
        None => Config::new(&none)?,
    };
    let theta = match settings.get("rope_theta") {
        Some(_) => settings.number(&["rope_theta"], 0.0)?,
        None => config.number(&[keys.theta], keys.theta_default)?,
    };
    let theta = positive(theta, "rope_theta")?;
    let share = match keys.partial {
        None => 1.0,
        Some((key, default)) => match settings.get("partial_rotary_factor") {
            Some(_) => settings.number(&["partial_rotary_factor"], default)?,
            None => config.number(&[key], default)?,
        },
    };
    let dim = (head_dim as f64 * share) as usize;
    if dim == 0 || dim > head_dim || dim.next_multiple_of(2) > head_dim {
        return Err(bad(
            keys.partial.map_or("head_dim", |(key, _)| key),
            &format!(
                "{dim} of a head's {head_dim} features would be rotated; expected 1 or more, and room for whole pairs"
            ),
        ));
    }
    let mut kind = settings.word(&["rope_type", "type"], "default")?;
    if keys.su_is_longrope && matches!(kind, "su" | "yarn") {
        kind = "longrope";
    }
    let original = |settings: Config<'_>| -> Result<usize, ModelError> {
        let inner = settings.size(&["original_max_position_embeddings"], max_positions)?;
        match keys.original_default {
            // Phi-3 reads the top level's and nothing else.
            Some(default) => config.size(&["original_max_position_embeddings"], default),
            None => config.size(&["original_max_position_embeddings"], inner),
        }
    };
    let mut scaled = Scaled {
        rope: fixed(dim, theta, keys.interleaved),
        max_positions,
    };
    let rope = &mut scaled.rope;
    match kind {
        // Up to the trained length a dynamic scaling is none.
        "default" | "dynamic" => {}
        "linear" => {
            let factor = positive(required(settings, "factor", kind)?, "factor")? as f32;
            rope.inv_freq.iter_mut().for_each(|f| *f /= factor);
        }
        "llama3" => llama3(settings, original(settings)?, &mut rope.inv_freq)?,
        "yarn" => {
            let original = original(settings)?;
            yarn(settings, original, max_positions, theta, rope)?;
        }
        "longrope" => {
            let original = original(settings)?;
            longrope(settings, original, max_positions, theta, rope)?;
            scaled.max_positions = max_positions.min(original);
        }
        other => {
            return Err(bad(
                "rope_parameters",
                &format!(
                    "rope_type {other:?} is not supported; supported are default, linear, \
                     dynamic, llama3, yarn and longrope"
                ),
            ));
        }
    }
    Ok(scaled)
}

fn llama3(settings: Config<'_>, original: usize, freqs: &mut [f32]) -> Result<(), ModelError> {
    let factor = positive(required(settings, "factor", "llama3")?, "factor")? as f32;
    let low = positive(
        required(settings, "low_freq_factor", "llama3")?,
        "low_freq_factor",
    )?;
    let high = positive(
        required(settings, "high_freq_factor", "llama3")?,
        "high_freq_factor",
    )?;
    if low >= high {
        return Err(bad(
            "rope_parameters",
            &format!("expected low_freq_factor below high_freq_factor, found {low} and {high}"),
        ));
    }
    let original = original as f64;
    let (longest, shortest) = ((original / low) as f32, (original / high) as f32);
    for freq in freqs {
        let wavelength = 2.0 * std::f32::consts::PI / *freq;
        if wavelength > longest {
            *freq /= factor;
        } else if wavelength >= shortest {
            let share = (original as f32 / wavelength - low as f32) / (high - low) as f32;
            *freq = (1.0 - share) * *freq / factor + share * *freq;
        }
    }
    Ok(())
}

fn yarn(
    settings: Config<'_>,
    original: usize,
    max_positions: usize,
    theta: f64,
    rope: &mut Rope,
) -> Result<(), ModelError> {
    let ratio = max_positions as f64 / original as f64;
    let factor = positive(settings.number(&["factor"], ratio)?, "factor")?;
    let temperature = |mscale: f64| {
        if factor <= 1.0 {
            1.0
        } else {
            0.1 * mscale * factor.ln() + 1.0
        }
    };
    let mscale = settings.number(&["mscale"], 0.0)?;
    let mscale_all = settings.number(&["mscale_all_dim"], 0.0)?;
    let inferred = if mscale != 0.0 && mscale_all != 0.0 {
        temperature(mscale) / temperature(mscale_all)
    } else {
        temperature(1.0)
    };
    rope.attention_scaling = settings.number(&["attention_factor"], inferred)? as f32;
    // Pairs that turn more than beta_fast times within the trained length keep their angle;
    // pairs that turn less than beta_slow times are interpolated.
    let dim = rope.dim as f64;
    let or = |x: f64, default: f64| if x == 0.0 { default } else { x };
    let fast = positive(
        or(settings.number(&["beta_fast"], 32.0)?, 32.0),
        "beta_fast",
    )?;
    let slow = positive(or(settings.number(&["beta_slow"], 1.0)?, 1.0), "beta_slow")?;
    let pair_turning = |turns: f64| {
        dim * (original as f64 / (turns * 2.0 * std::f64::consts::PI)).ln() / (2.0 * theta.ln())
    };
    let (mut low, mut high) = (pair_turning(fast), pair_turning(slow));
    if settings.flag("truncate", true)? {
        (low, high) = (low.floor(), high.ceil());
    }
    let (low, mut high) = (low.max(0.0), high.min(dim - 1.0));
    if low == high {
        high += 0.001;
    }
    for (i, freq) in rope.inv_freq.iter_mut().enumerate() {
        let ramp = ((i as f32 - low as f32) / (high - low) as f32).clamp(0.0, 1.0);
        let interpolated = 1.0 / (factor as f32 * (1.0 / *freq));
        *freq = interpolated * ramp + *freq * (1.0 - ramp);
    }
    Ok(())
}

fn longrope(
    settings: Config<'_>,
    original: usize,
    max_positions: usize,
    theta: f64,
    rope: &mut Rope,
) -> Result<(), ModelError> {
    let ratio = max_positions as f64 / original as f64;
    let factor = positive(settings.number(&["factor"], ratio)?, "factor")?;
    let inferred = if factor <= 1.0 || original < 2 {
        1.0
    } else {
        (1.0 + factor.ln() / (original as f64).ln()).sqrt()
    };
    rope.attention_scaling = settings.number(&["attention_factor"], inferred)? as f32;
    let short = settings.list("short_factor")?.unwrap_or(&[]);
    let pairs = rope.inv_freq.len();
    if short.len() != pairs {
        let found = short.len();
        return Err(bad(
            "rope_parameters",
            &format!("short_factor: expected {pairs} numbers, one per rotated pair, found {found}"),
        ));
    }
    for (i, (freq, factor)) in rope.inv_freq.iter_mut().zip(short).enumerate() {
        let factor = factor.as_f64().filter(|f| *f > 0.0).ok_or_else(|| {
            let found = shown(factor);
            bad(
                "rope_parameters",
                &format!("short_factor: expected numbers above 0, found {found}"),
            )
        })?;
        let exponent = (2 * i) as f32 / rope.dim as f32;
        *freq = 1.0 / (factor as f32 * theta.powf(f64::from(exponent)) as f32);
    }
    Ok(())
}
