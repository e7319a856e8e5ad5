//! The tensors a plan names, with the shapes they must have.

use std::collections::BTreeMap;

use crate::plan::{DecoderPlan, Layer, Layout, Linear, Norm, Positions, QkNorm};

/// Shapes by tensor name. A tensor used twice (a tied table) is listed once.
#[derive(Debug, Default)]
pub(super) struct Expected(pub(super) BTreeMap<String, Vec<usize>>);

impl Expected {
    /// Everything a plan names.
    pub(super) fn of(plan: &DecoderPlan) -> Self {
        let mut all = Expected::default();
        all.add(&plan.embed, vec![plan.vocab_size, plan.embed_width]);
        if let Positions::Learned { table, n_rows, .. } = &plan.positions {
            all.add(table, vec![*n_rows, plan.hidden]);
        }
        for linear in [&plan.embed_project, &plan.head_project]
            .into_iter()
            .flatten()
        {
            all.linear(linear);
        }
        for norm in [&plan.embed_norm, &plan.final_norm].into_iter().flatten() {
            all.norm(norm);
        }
        for layer in &plan.layers {
            all.layer(layer);
        }
        all.linear(&plan.head);
        all
    }

    fn add(&mut self, name: &str, shape: Vec<usize>) {
        self.0.insert(name.to_owned(), shape);
    }

    fn linear(&mut self, linear: &Linear) {
        let (n_out, n_in) = (linear.tensor_out, linear.n_in);
        let shape = match linear.layout {
            Layout::OutIn => vec![n_out, n_in],
            Layout::InOut => vec![n_in, n_out],
        };
        self.add(&linear.weight, shape);
        if let Some(bias) = &linear.bias {
            self.add(bias, vec![n_out]);
        }
    }

    fn norm(&mut self, norm: &Norm) {
        for name in [&norm.weight, &norm.bias].into_iter().flatten() {
            self.add(name, vec![norm.size]);
        }
    }

    fn qk_norm(&mut self, qk: &QkNorm) {
        self.norm(&qk.norm);
        for name in &qk.per_head {
            self.add(name, vec![qk.norm.size]);
        }
    }

    fn layer(&mut self, layer: &Layer) {
        let norms = [
            &layer.attn_norm,
            &layer.attn_out_norm,
            &layer.mlp_norm,
            &layer.mlp_out_norm,
        ];
        for norm in norms.into_iter().flatten() {
            self.norm(norm);
        }
        for (linear, _) in &layer.attn.qkv {
            self.linear(linear);
        }
        for qk in [&layer.attn.q_norm, &layer.attn.k_norm]
            .into_iter()
            .flatten()
        {
            self.qk_norm(qk);
        }
        let mlp = &layer.mlp;
        for linear in [&layer.attn.out, &mlp.up, &mlp.down]
            .into_iter()
            .chain(&mlp.gate)
        {
            self.linear(linear);
        }
    }
}
