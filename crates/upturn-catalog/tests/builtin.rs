//! The built-in catalogues against the rules of matching and the traps of real names.

use std::collections::BTreeMap;

use proptest::prelude::*;
use upturn_catalog::{
    Catalog, ModelEntry, ModelMatch, explain, metric_info, parse_model_args, step_from_revision,
    wei2022_claims,
};
use upturn_types::{Known, flag};

fn find<'a>(catalog: &'a Catalog, name: &str) -> ModelMatch<'a> {
    catalog.find_model(name, None).unwrap_or_else(|| {
        panic!(
            "{name:?} is not found; near: {:?}",
            catalog.suggest_models(name)
        )
    })
}

fn entry<'a>(catalog: &'a Catalog, name: &str) -> &'a ModelEntry {
    find(catalog, name).entry
}

#[test]
fn every_name_and_alias_finds_its_own_entry() {
    let catalog = Catalog::builtin();
    assert!(catalog.models().len() > 300);
    for model in catalog.models() {
        for name in model.names() {
            assert_eq!(entry(&catalog, name).name, model.name, "{name}");
            assert_eq!(entry(&catalog, &name.to_uppercase()).name, model.name);
        }
    }
    for task in catalog.tasks() {
        for name in task.names() {
            let found = catalog.find_task(name).expect("its own name");
            assert_eq!(found.name, task.name, "{name}");
        }
    }
}

#[test]
fn names_of_entries_are_unique() {
    let catalog = Catalog::builtin();
    let mut seen = BTreeMap::new();
    for model in catalog.models() {
        for name in model.names() {
            if let Some(other) = seen.insert(name.to_lowercase(), &model.name) {
                panic!("{name} names both {other} and {}", model.name);
            }
        }
    }
    let mut seen = BTreeMap::new();
    for task in catalog.tasks() {
        for name in task.names() {
            if let Some(other) = seen.insert(name.to_lowercase(), &task.name) {
                panic!("{name} names both {other} and {}", task.name);
            }
        }
    }
}

#[test]
fn figures_are_possible() {
    let catalog = Catalog::builtin();
    for m in catalog.models() {
        for value in [
            m.params,
            m.params_total,
            m.tokens,
            m.flops,
            m.tokens_per_step,
        ] {
            assert!(value.is_none_or(|v| v.is_finite() && v > 0.0), "{}", m.name);
        }
        assert_eq!(m.flops.is_some(), m.flops_kind.is_some(), "{}", m.name);
        assert!(
            m.params_total >= m.params || m.params_total.is_none(),
            "{}",
            m.name
        );
        assert!(
            &*m.source != "unknown" && !m.source.is_empty(),
            "{}",
            m.name
        );
        assert!(m.flags.is_sorted(), "{}", m.name);
        if m.flops_kind == Some(Known::Derived) {
            assert_eq!(m.flops, m.scale().six_nd(), "{}", m.name);
        }
        let per_param = m.tokens.zip(m.params).map_or(0.0, |(d, n)| d / n);
        assert_eq!(
            per_param > 1e5,
            m.has(flag::IMPLAUSIBLE_SCALE),
            "{}",
            m.name
        );
    }
    for t in catalog.tasks() {
        assert!(
            t.chance.is_none_or(|c| (0.0..1.0).contains(&c)),
            "{}",
            t.name
        );
        if let (Some(options), Some(chance)) = (t.options, t.chance) {
            assert_eq!(chance, 1.0 / f64::from(options), "{}", t.name);
        }
        assert!(!t.source.is_empty(), "{}", t.name);
        if !t.n.is_empty() {
            assert!(
                t.n_for(None).is_some(),
                "{} has sizes but no usual split",
                t.name
            );
        }
        for metric in t.metrics.keys() {
            assert_eq!(
                metric_info(metric).map(|i| i.canonical).as_deref(),
                Some(&**metric)
            );
        }
        for part in &t.parts {
            assert!(catalog.find_task(part).is_some(), "{}: part {part}", t.name);
        }
        assert!(t.aggregate || t.parts.is_empty(), "{}", t.name);
    }
}

#[test]
fn pythia_checkpoints_have_the_scale_of_their_step() {
    let catalog = Catalog::builtin();
    for (name, revision, n) in [
        ("EleutherAI/pythia-1.4b-deduped", "step3000", 1.4e9),
        ("EleutherAI/pythia-v1.1-1.4b-deduped", "step3000", 1.4e9),
        ("pythia-v1.1-70m-deduped", "step3000", 7e7),
        ("models/EleutherAI/pythia-12b-deduped/", "STEP3000", 1.2e10),
        ("PYTHIA_6.9B_DEDUPED", "step3000", 6.9e9),
    ] {
        let found = catalog.find_model(name, Some(revision)).expect(name);
        let tokens = 3000.0 * 2_097_152.0;
        assert_eq!(&*found.entry.family, "Pythia");
        assert_eq!(found.step, Some(3000));
        assert_eq!(found.scale.params, Some(n));
        assert_eq!(found.scale.tokens, Some(tokens));
        assert_eq!(found.scale.flops, Some(6.0 * n * tokens));
        assert_eq!(found.flops_kind, Some(Known::Derived));
        assert_eq!(found.tokens_kind, Some(Known::Derived));
    }
    let name = "EleutherAI/pythia-70m-deduped";
    let at = |revision| catalog.find_model(name, Some(revision)).expect(revision);
    assert_eq!(at("step143000").scale.tokens, Some(299_892_736_000.0));
    let zero = at("step0");
    assert_eq!(
        (zero.scale.tokens, zero.scale.flops),
        (Some(0.0), Some(0.0))
    );
    for finished in ["main", "", "float16"] {
        let found = at(finished);
        assert_eq!((found.step, found.scale.tokens), (None, Some(3e11)));
        assert_eq!(found.tokens_kind, Some(Known::Reported));
    }
    // Beyond the end, or a revision that means nothing: N is still known, D is not.
    for unknown in ["step999999", "ckpt_100"] {
        let found = at(unknown);
        assert_eq!(found.scale.params, Some(7e7));
        assert_eq!(
            (found.scale.tokens, found.scale.flops),
            (None, None),
            "{unknown}"
        );
        assert_eq!((found.tokens_kind, found.flops_kind), (None, None));
    }
}

#[test]
fn checkpoints_in_paths_and_after_an_at_sign() {
    let catalog = Catalog::builtin();
    for name in [
        "models/pythia-70m-deduped/step512",
        "EleutherAI/pythia-70m-deduped@step512",
        r"C:\models\pythia-70m-deduped\step512",
    ] {
        let found = find(&catalog, name);
        assert_eq!(found.step, Some(512), "{name}");
        assert_eq!(&*found.entry.name, "EleutherAI/pythia-70m-deduped");
    }
    let cached = "/cache/models--EleutherAI--pythia-70m-deduped/snapshots/\
                  0123456789abcdef0123456789abcdef01234567";
    assert_eq!(find(&catalog, cached).scale.tokens, Some(3e11));
    // Someone's fine-tuning inside a model's folder is not that model.
    assert!(
        catalog
            .find_model("pythia-70m-deduped/checkpoint-500", None)
            .is_none()
    );
    assert!(
        catalog
            .find_model("pythia-70m-deduped/lora", None)
            .is_none()
    );
    // The revision that is given wins over the folder's name.
    let both = catalog.find_model("pythia-70m-deduped/step512", Some("step1000"));
    assert_eq!(both.and_then(|m| m.step), Some(1000));
}

#[test]
fn a_step_without_known_tokens_leaves_them_open() {
    let catalog = Catalog::builtin();
    let v0 = catalog
        .find_model("EleutherAI/pythia-1.4b-deduped-v0", Some("step1000"))
        .expect("v0 is in the catalogue");
    assert_eq!(&*v0.entry.family, "Pythia v0");
    assert_eq!((v0.step, v0.scale.params), (Some(1000), Some(1.4e9)));
    assert_eq!((v0.scale.tokens, v0.scale.flops), (None, None));
    // But a revision may state them.
    let olmo = catalog
        .find_model("allenai/OLMo-7B-0424-hf", Some("step1000-tokens4B"))
        .expect("OLMo");
    assert_eq!((olmo.step, olmo.scale.tokens), (Some(1000), Some(4e9)));
}

#[test]
fn olmo_steps_agree_with_the_tokens_in_their_revisions() {
    let catalog = Catalog::builtin();
    for (name, step, billions) in [
        ("allenai/OLMo-1B-hf", 738_020, 3095.0),
        ("allenai/OLMo-7B-hf", 557_000, 2464.0),
    ] {
        let revision = format!("step{step}-tokens{billions}B");
        let found = catalog.find_model(name, Some(&revision)).expect(name);
        let tokens = found.scale.tokens.expect("tokens per step are known");
        assert!((tokens / 1e9 - billions).abs() < 1.0, "{name}: {tokens}");
    }
}

#[test]
fn deduplicated_and_plain_pythia_are_different_models() {
    let catalog = Catalog::builtin();
    let plain = entry(&catalog, "EleutherAI/pythia-1.4b");
    assert_eq!(&*plain.family, "Pythia (non-deduplicated)");
    assert_ne!(
        plain.name,
        entry(&catalog, "EleutherAI/pythia-1.4b-deduped").name
    );
    // HELM's Pythia (12B) is the plain one.
    assert_eq!(
        &*entry(&catalog, "Pythia (12B)").name,
        "EleutherAI/pythia-12b"
    );
}

#[test]
fn llama_as_people_spell_it() {
    let catalog = Catalog::builtin();
    for (name, expected) in [
        ("LLaMA 7B", "huggyllama/llama-7b"),
        ("LLAMA 1 7B", "huggyllama/llama-7b"),
        ("LLaMA-7B", "huggyllama/llama-7b"),
        ("LLaMA (7B)", "huggyllama/llama-7b"),
        ("Llama-7B", "huggyllama/llama-7b"),
        ("LLaMA 33B", "huggyllama/llama-30b"),
        ("LLaMA (30B)", "huggyllama/llama-30b"),
        ("LLAMA 2-7B", "meta-llama/Llama-2-7b-hf"),
        ("Llama2-7B", "meta-llama/Llama-2-7b-hf"),
        ("LlaMA 2 7B", "meta-llama/Llama-2-7b-hf"),
        ("Llama-2-7b", "meta-llama/Llama-2-7b-hf"),
        ("meta-llama/Llama-2-7b-hf", "meta-llama/Llama-2-7b-hf"),
        ("NousResearch/Llama-2-7b-hf", "meta-llama/Llama-2-7b-hf"),
        ("LLaMA 3 8B", "meta-llama/Meta-Llama-3-8B"),
    ] {
        assert_eq!(&*entry(&catalog, name).name, expected, "{name}");
    }
}

#[test]
fn mmlu_names_of_gpt3_match_on_their_size() {
    let catalog = Catalog::builtin();
    for (name, params) in [
        ("GPT-3 Small (2.7B)", 2.65e9),
        ("GPT-3 Medium (6.7B)", 6.66e9),
        ("GPT-3 Large (13B)", 1.285e10),
        ("GPT-3 X-Large (175B)", 1.746e11),
        ("GPT-3 Small", 1.25e8),
        ("GPT-3 Medium", 3.56e8),
        ("GPT-3 Large", 7.6e8),
        ("GPT-3 175B", 1.746e11),
        ("gpt3 175b", 1.746e11),
        ("davinci", 1.746e11),
        ("GPT-3 6.7B (curie)", 6.66e9),
        ("PaLM 540B", 5.4035e11),
        ("PaLM-540B", 5.4035e11),
    ] {
        assert_eq!(find(&catalog, name).scale.params, Some(params), "{name}");
    }
    // The API's tuned models are another family.
    let tuned = entry(&catalog, "GPT-3 175B (text-davinci-002)");
    assert_eq!(&*tuned.family, "InstructGPT");
    assert!(tuned.has(flag::INSTRUCT));
}

#[test]
fn another_model_is_never_taken_for_a_known_one() {
    let catalog = Catalog::builtin();
    for name in [
        "meta-llama/Llama-2-7b-chat-hf",
        "LLAMA 2-CHAT 7B",
        "Llama-3-In 8b",
        "google/gemma-7b-it",
        "Falcon-Instruct (7B)",
        "mistralai/Mistral-7B-Instruct-v0.1",
        "Qwen1.5 Chat (110B)",
        "my-org/pythia-70m-deduped-finetuned",
        "PaLM 540B finetuned on 9 tasks",
        "DS-Coder-V2-Lite-Base",
        "tiiuae/falcon-7b-instruct",
        // Families, not models.
        "GPT-3",
        "GPT-2",
        "PaLM",
        "Gopher",
        "LaMDA",
        "GLaM",
        // Reference rows and shards of names.
        "Random baseline",
        "Human (Avg.)",
        "137B",
        "8B",
        "64E",
        "",
        "/",
        "@step3",
        "step3000",
        "main",
        "()",
    ] {
        assert!(
            catalog.find_model(name, None).is_none(),
            "{name:?} was taken for {}",
            find(&catalog, name).entry.name
        );
    }
    // `gpt2` is the id of one model although `GPT-2` is a family.
    assert_eq!(find(&catalog, "gpt2").scale.params, Some(1.24e8));
    assert_eq!(
        find(&catalog, "openai-community/gpt2").scale.params,
        Some(1.24e8)
    );
    assert_eq!(find(&catalog, "GPT2-XL-1.5B").scale.params, Some(1.5e9));
}

#[test]
fn unknown_names_come_with_suggestions() {
    let catalog = Catalog::builtin();
    let near = catalog.suggest_models("meta-llama/Llama-2-7b-chat-hf");
    assert_eq!(near.first(), Some(&"meta-llama/Llama-2-7b-hf"));
    assert!(near.len() <= 3);
    let near = catalog.suggest_models("EleutherAI/pythia-70m-dedup");
    assert!(near.contains(&"EleutherAI/pythia-70m-deduped"), "{near:?}");
    assert!(catalog.suggest_models("zzzzqqqq").is_empty());
    assert!(catalog.suggest_models("").is_empty());
    assert_eq!(
        catalog.suggest_tasks("hela_swag").first(),
        Some(&"hellaswag")
    );
}

#[test]
fn precedence_of_sources_and_what_they_disagree_on() {
    let catalog = Catalog::builtin();
    let gpt3 = entry(&catalog, "GPT-3 13B");
    assert!(gpt3.source.starts_with("Brown et al. 2020"));
    assert_eq!((gpt3.params, gpt3.flops), (Some(1.285e10), Some(2.31e22)));
    let wei = &gpt3.alternatives;
    assert!(
        wei.iter()
            .any(|a| a.params == Some(1.3e10) && a.source.starts_with("Wei"))
    );

    let palm = entry(&catalog, "PaLM 62B");
    assert_eq!(palm.flops, Some(3.08e23));
    assert!(palm.alternatives.iter().any(|a| a.flops == Some(2.9e23)));

    // Epoch AI counts words and unique data; Ruan et al. the tokens.
    let llama = entry(&catalog, "Llama 2-70B");
    assert_eq!(llama.tokens, Some(2e12));
    assert!(llama.alternatives.iter().any(|a| a.tokens == Some(1.5e12)));

    // Tokens of a tuning stage are not training tokens, and give no 6ND.
    let tuned = entry(&catalog, "TxGemma 27B");
    assert_eq!(tuned.tokens, None);
    assert_eq!(tuned.flops, Some(2.116_85e24));
    assert!(tuned.alternatives.iter().any(|a| a.tokens == Some(5.6e9)));
    assert_eq!(entry(&catalog, "BLOOMZ-176B").flops, None);

    // What Epoch AI calls speculative does not fill another source's gap.
    let gpt2 = entry(&catalog, "GPT-2 (1.5B)");
    assert_eq!((gpt2.tokens, gpt2.flops), (None, None));
    assert!(entry(&catalog, "ALBERT-xxlarge").has(flag::DOUBT));
}

#[test]
fn mixtures_of_experts_are_counted_by_active_parameters() {
    let catalog = Catalog::builtin();
    for (name, active, total) in [
        ("mistralai/Mixtral-8x7B-v0.1", 1.29e10, 4.67e10),
        ("Mixtral (8x22B)", 3.9e10, 1.41e11),
        ("Qwen/Qwen2-57B-A14B", 1.4e10, 5.7e10),
        ("Qwen3-235B-A22B", 2.2e10, 2.35e11),
        ("deepseek-ai/deepseek-moe-16b-base", 2.8e9, 1.64e10),
        ("DeepSeek-V3", 3.7e10, 6.71e11),
    ] {
        let model = entry(&catalog, name);
        assert_eq!(model.params, Some(active), "{name}");
        assert_eq!(model.params_total, Some(total), "{name}");
        assert!(model.has(flag::MOE), "{name}");
        assert!(find(&catalog, name).fits_params(Some(total)), "{name}");
    }
    // 6ND with the total is not this model's compute.
    let moe = entry(&catalog, "deepseek-moe-16b-base");
    assert_eq!(moe.flops_kind, Some(Known::Derived));
    assert_eq!(moe.flops, Some(6.0 * 2.8e9 * 2e12));
    let switch = entry(&catalog, "Switch-C");
    assert_eq!((switch.params, switch.params_total), (None, Some(1.571e12)));
}

#[test]
fn flags_of_odd_members() {
    let catalog = Catalog::builtin();
    for (name, word) in [
        ("PaLM 62B (1325B tokens)", flag::OFF_LADDER),
        ("cont-PaLM 62B", flag::OFF_LADDER),
        ("codellama/CodeLlama-7b-hf", flag::CODE),
        ("bigcode/starcoder2-3b", flag::CODE),
        ("Flan-T5-XXL", flag::INSTRUCT),
        ("google/gemma-2-9b", flag::DISTILLED),
        ("cerebras/btlm-3b-8k-base", flag::IMPLAUSIBLE_SCALE),
    ] {
        assert!(entry(&catalog, name).has(word), "{name} lacks {word}");
    }
    assert!(!entry(&catalog, "PaLM 62B").has(flag::OFF_LADDER));
    assert_eq!(&*entry(&catalog, "cont-PaLM 62B").family, "PaLM");
}

#[test]
fn a_printed_size_tells_models_of_one_name_apart() {
    let catalog = Catalog::builtin();
    let t5 = find(&catalog, "T5-Small");
    assert!(t5.fits_params(Some(6e7)) && t5.fits_params(None));
    assert!(!t5.fits_params(Some(8e7)));
}

#[test]
fn families_are_sorted_by_scale() {
    let catalog = Catalog::builtin();
    let families = catalog.families();
    assert!(families.iter().map(|f| f.name).is_sorted());
    let pythia = families
        .iter()
        .find(|f| f.name == "Pythia")
        .expect("Pythia");
    let sizes: Vec<f64> = pythia.members.iter().filter_map(|m| m.params).collect();
    assert_eq!(sizes, [7e7, 1.6e8, 4.1e8, 1e9, 1.4e9, 2.8e9, 6.9e9, 1.2e10]);
    let n: usize = families.iter().map(|f| f.members.len()).sum();
    assert_eq!(n, catalog.models().len());
}

#[test]
fn explanations_say_how_each_figure_is_known() {
    let catalog = Catalog::builtin();
    let text = explain(entry(&catalog, "deepseek-moe-16b-base"));
    for part in [
        "N = 2.8e9 parameters, active per token",
        "N (total) = 1.64e10",
        "D = 2e12 tokens",
        "C = 3.36e22 FLOPs, derived as 6ND",
        "flags: moe",
        "source: Ruan et al. 2024",
        "gives N = 1.6e10",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    assert!(explain(entry(&catalog, "PaLM 8B")).contains("6ND would be 4.03884e22 FLOPs"));
    assert!(explain(entry(&catalog, "LaMDA 2B")).contains("D = unknown"));
    let pythia = explain(entry(&catalog, "pythia-70m-deduped"));
    assert!(pythia.contains("2097152 tokens per step, finished at step 143000"));
}

#[test]
fn tasks_under_the_names_of_harnesses_and_papers() {
    let catalog = Catalog::builtin();
    for (name, canonical, chance) in [
        ("ARC-Challenge", "arc_challenge", Some(0.25)),
        ("hendrycksTest-anatomy", "mmlu_anatomy", Some(0.25)),
        ("MMLU: anatomy", "mmlu_anatomy", Some(0.25)),
        ("mmlu/anatomy", "mmlu_anatomy", Some(0.25)),
        (
            "MMLU: high_school_gov_and_politics",
            "mmlu_high_school_government_and_politics",
            Some(0.25),
        ),
        ("WiC", "wic", Some(0.5)),
        ("CB", "cb", Some(1.0 / 3.0)),
        ("ANLI R3", "anli_r3", Some(1.0 / 3.0)),
        ("LAMBADA", "lambada_openai", Some(0.0)),
        ("Winograd", "wsc273", Some(0.5)),
        ("SAT Analogies", "sat_analogies", Some(0.2)),
        ("StoryCloze", "storycloze", Some(0.5)),
        ("RACE-h", "race_h", Some(0.25)),
        ("OpenBookQA", "openbookqa", Some(0.25)),
        ("AQuA", "aqua_rat", Some(0.2)),
        ("HumanEval", "humaneval", Some(0.0)),
        ("2D+", "arithmetic_2da", Some(0.0)),
        ("2D-", "arithmetic_2ds", Some(0.0)),
        ("2Dx", "arithmetic_2dm", Some(0.0)),
        ("bbh_cot_fewshot_snarks", "bbh_snarks", Some(0.5)),
        ("BIG-bench: hyperbaton", "bigbench_hyperbaton", Some(0.5)),
        ("parsinlu_qa", "bigbench_parsinlu_qa", Some(0.25)),
        ("crows_pairs_english", "crows_pairs_english", None),
        ("ReCoRD", "record", None),
        ("TruthfulQA MC1", "truthfulqa_mc1", None),
        ("SQuADv2", "squadv2", None),
        ("BBH (avg)", "bbh", None),
    ] {
        let task = catalog
            .find_task(name)
            .unwrap_or_else(|| panic!("{name} is not found"));
        assert_eq!((&*task.name, task.chance), (canonical, chance), "{name}");
    }
    for name in ["2D", "my_task", "", "+", "arithmetic"] {
        assert!(catalog.find_task(name).is_none(), "{name}");
    }
}

#[test]
fn chance_depends_on_the_metric() {
    let catalog = Catalog::builtin();
    let chance = |task: &str, metric| catalog.find_task(task).expect(task).chance_for(metric);
    assert_eq!(chance("arc_easy", "acc_norm"), Some(0.25));
    assert_eq!(
        chance("bbh_snarks", "exact_match,flexible-extract"),
        Some(0.5)
    );
    assert_eq!(chance("drop", "f1"), Some(0.0));
    assert_eq!(chance("triviaqa", "em"), Some(0.0));
    assert_eq!(chance("cb", "acc"), Some(1.0 / 3.0));
    for (task, metric) in [
        ("cb", "f1"),
        ("squadv2", "em"),
        ("lambada_openai", "ppl(raw)"),
        ("WMT16 Ro-En", "bleu-sacre(0-100)"),
        ("boolq", "acc/em/f1"),
        ("multirc", "f1a"),
        ("crows_pairs_english_age", "pct_stereotype"),
        ("arc_easy", "no_such_metric"),
    ] {
        assert_eq!(chance(task, metric), None, "{task} {metric}");
    }
}

#[test]
fn sizes_of_test_sets() {
    let catalog = Catalog::builtin();
    let n = |task: &str, split| catalog.find_task(task).expect(task).n_for(split);
    assert_eq!(n("gsm8k", None), Some(1319));
    assert_eq!(n("wic", None), Some(638));
    assert_eq!(n("wic", Some("dev")), Some(638));
    assert_eq!(n("wic", Some("test")), Some(1400));
    assert_eq!(n("wic", Some("moon")), None);
    assert_eq!(n("mmlu", Some("dev")), Some(285));
    assert_eq!(n("triviaqa", None), None);
    let topics: Vec<_> = catalog
        .tasks()
        .iter()
        .filter(|t| t.group.as_deref() == Some("mmlu") && !t.aggregate)
        .collect();
    assert_eq!(topics.len(), 57);
    let total: u64 = topics.iter().filter_map(|t| t.n_for(None)).sum();
    assert_eq!(Some(total), n("mmlu", None));
    let mmlu = catalog.find_task("MMLU (avg 57)").expect("mmlu");
    assert!(mmlu.aggregate && mmlu.parts.len() == 57);
    let bbh = catalog.find_task("bbh").expect("bbh");
    assert!(bbh.aggregate && bbh.parts.len() == 27);
}

#[test]
fn claims_of_the_emergent_abilities_paper() {
    let claims = wei2022_claims();
    assert_eq!(claims.len(), 23);
    let wic = claims
        .iter()
        .find(|c| c.ability.contains("WiC"))
        .expect("WiC");
    assert_eq!(wic.params, Some(5.4e11));
    assert_eq!(wic.scale().flops, Some(2.5e24));
    assert_eq!(wic.model.as_deref(), Some("PaLM"));
    assert_eq!(&*wic.category, "few-shot");
    let many = claims
        .iter()
        .find(|c| c.ability.starts_with("Many"))
        .expect("BIG-bench");
    assert_eq!((many.params, many.flops, &many.model), (None, None, &None));
}

#[test]
fn results_of_a_harness_lead_to_their_model() {
    let catalog = Catalog::builtin();
    let args = parse_model_args(
        "use_accelerate=True,pretrained=EleutherAI/pythia-v1.1-1b-deduped,revision=step29000",
    );
    let found = catalog
        .find_model(&args.pretrained.expect("a name"), args.revision.as_deref())
        .expect("known");
    assert_eq!(
        (&*found.entry.name, found.step),
        ("EleutherAI/pythia-1b-deduped", Some(29_000))
    );
}

proptest! {
    #[test]
    fn no_text_makes_a_lookup_panic(name in any::<String>(), revision in any::<Option<String>>()) {
        let mut catalog = Catalog::builtin();
        let _ = catalog.find_model(&name, revision.as_deref());
        let _ = catalog.find_task(&name);
        let _ = (catalog.suggest_models(&name), catalog.suggest_tasks(&name));
        let _ = (parse_model_args(&name), step_from_revision(&name), metric_info(&name));
        let _ = (catalog.add_models_toml(&name, "m.toml"), catalog.add_tasks_toml(&name, "t.toml"));
    }

    #[test]
    fn name_like_texts_neither(name in "[A-Za-z0-9@/\\\\ ._()-]{0,40}", step in any::<u64>()) {
        let catalog = Catalog::builtin();
        if let Some(found) = catalog.find_model(&name, Some(&format!("step{step}"))) {
            prop_assert_eq!(found.step, Some(step));
        }
    }

    #[test]
    fn punctuation_and_case_do_not_matter(
        at in any::<proptest::sample::Index>(),
        glue in proptest::sample::select(vec!["-", "_", " ", "--", " ("]),
    ) {
        let catalog = Catalog::builtin();
        let spaced: Vec<&ModelEntry> =
            catalog.models().iter().filter(|m| m.name.contains(' ')).collect();
        let model = at.get(&spaced);
        let name = model.name.replace(' ', glue).to_uppercase();
        prop_assert_eq!(&find(&catalog, &name).entry.name, &model.name);
    }
}
