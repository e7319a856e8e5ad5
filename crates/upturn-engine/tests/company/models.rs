//! Model folders made by a test: a fixture's weights in another type, or a model of odd sizes.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::requests::Random;

/// The type that weights are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    F32,
    Bf16,
    F16,
}

impl Kind {
    /// The nearest number of this type.
    pub fn round(self, x: f32) -> f32 {
        match self {
            Kind::F32 => x,
            Kind::Bf16 => half::bf16::from_f32(x).to_f32(),
            Kind::F16 => half::f16::from_f32(x).to_f32(),
        }
    }

    fn bytes(self, numbers: &[f32]) -> Vec<u8> {
        match self {
            Kind::F32 => numbers.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Kind::Bf16 => numbers
                .iter()
                .flat_map(|&x| half::bf16::from_f32(x).to_le_bytes())
                .collect(),
            Kind::F16 => numbers
                .iter()
                .flat_map(|&x| half::f16::from_f32(x).to_le_bytes())
                .collect(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Kind::F32 => "F32",
            Kind::Bf16 => "BF16",
            Kind::F16 => "F16",
        }
    }
}

/// A tensor's name, shape and numbers.
pub type Tensor = (String, Vec<usize>, Vec<f32>);

/// Writes weights as `kind`: eight bytes of length, the header, the numbers.
pub fn write_weights(dir: &Path, tensors: &[Tensor], kind: Kind) {
    let (mut header, mut data) = (Map::new(), Vec::new());
    for (name, shape, numbers) in tensors {
        let start = data.len();
        data.extend(kind.bytes(numbers));
        let entry = json!({
            "dtype": kind.name(),
            "shape": shape,
            "data_offsets": [start, data.len()],
        });
        header.insert(name.clone(), entry);
    }
    let mut header = Value::from(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header);
    file.extend(data);
    fs::write(dir.join("model.safetensors"), file).expect("weights are written");
}

/// Tensors of a folder whose weights are f32 or bfloat16, as f32.
pub fn read_weights(dir: &Path) -> Vec<Tensor> {
    let file = fs::read(dir.join("model.safetensors")).expect("a fixture has weights");
    let (length, rest) = file.split_at(8);
    let length = u64::from_le_bytes(length.try_into().expect("eight bytes")) as usize;
    let (header, data) = rest.split_at(length);
    let header: Map<String, Value> = serde_json::from_slice(header).expect("a header of JSON");
    let list = |v: &Value| -> Vec<usize> {
        let numbers = v.as_array().expect("a list").iter();
        numbers
            .map(|n| n.as_u64().expect("a number") as usize)
            .collect()
    };
    let mut tensors = Vec::new();
    for (name, entry) in &header {
        let Some(kind) = entry["dtype"].as_str() else {
            continue;
        };
        let at = list(&entry["data_offsets"]);
        let data = &data[at[0]..at[1]];
        let numbers = match kind {
            "F32" => data
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .collect(),
            "BF16" => data
                .chunks_exact(2)
                .map(|b| half::bf16::from_le_bytes([b[0], b[1]]).to_f32())
                .collect(),
            // A mask in bytes beside the weights, which nobody reads.
            _ => continue,
        };
        tensors.push((name.clone(), list(&entry["shape"]), numbers));
    }
    tensors
}

/// A llama of random weights whose sizes are multiples of nothing: splitting its products
/// among threads leaves single columns over.
pub fn odd_llama(dir: &Path, kind: Kind) {
    let (hidden, inner, vocab, heads, dim) = (97, 257, 193, 3, 34);
    let config: Value = json!({
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "hidden_size": hidden,
        "intermediate_size": inner,
        "vocab_size": vocab,
        "num_hidden_layers": 2,
        "num_attention_heads": heads,
        "num_key_value_heads": 1,
        "head_dim": dim,
        "max_position_embeddings": 96,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "hidden_act": "silu",
        "tie_word_embeddings": false,
    });
    fs::write(dir.join("config.json"), config.to_string()).expect("a configuration is written");
    let mut shapes = vec![
        ("model.embed_tokens.weight".to_owned(), vec![vocab, hidden]),
        ("model.norm.weight".to_owned(), vec![hidden]),
        ("lm_head.weight".to_owned(), vec![vocab, hidden]),
    ];
    for layer in 0..2 {
        for (name, shape) in [
            ("input_layernorm", vec![hidden]),
            ("post_attention_layernorm", vec![hidden]),
            ("self_attn.q_proj", vec![heads * dim, hidden]),
            ("self_attn.k_proj", vec![dim, hidden]),
            ("self_attn.v_proj", vec![dim, hidden]),
            ("self_attn.o_proj", vec![hidden, heads * dim]),
            ("mlp.gate_proj", vec![inner, hidden]),
            ("mlp.up_proj", vec![inner, hidden]),
            ("mlp.down_proj", vec![hidden, inner]),
        ] {
            shapes.push((format!("model.layers.{layer}.{name}.weight"), shape));
        }
    }
    let mut r = Random(99);
    let tensors: Vec<Tensor> = shapes
        .into_iter()
        .map(|(name, shape)| {
            let n = shape.iter().product();
            let numbers = (0..n)
                .map(|_| (r.below(2001) as f32 - 1000.0) / 4000.0)
                .collect();
            (name, shape, numbers)
        })
        .collect();
    write_weights(dir, &tensors, kind);
}
