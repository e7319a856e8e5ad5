//! `upturn doctor`: what this machine offers, and where Upturn looks for things.

use std::fmt::Write as _;
use std::path::PathBuf;

use crate::exit::{Exit, Outcome};
use crate::output;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(serde::Serialize)]
struct Report {
    version: &'static str,
    target: String,
    cpu_model: Option<String>,
    cpu_features: Vec<&'static str>,
    cores: usize,
    threads: usize,
    memory_bytes_total: Option<u64>,
    memory_bytes_available: Option<u64>,
    cache_dirs: Vec<Folder>,
    models_known: usize,
    tasks_known: usize,
    published: Vec<&'static str>,
}

#[derive(serde::Serialize)]
struct Folder {
    what: &'static str,
    path: PathBuf,
    exists: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let report = examine();
    if args.json {
        output::print(&serde_json::to_string_pretty(&report).unwrap_or_default())?;
    } else {
        output::print(&text(&report))?;
    }
    Ok(Exit::Done)
}

fn examine() -> Report {
    let catalog = upturn_catalog::Catalog::builtin();
    Report {
        version: upturn::VERSION,
        target: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
        cpu_model: proc_field("/proc/cpuinfo", "model name"),
        cpu_features: cpu_features(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        threads: rayon::current_num_threads(),
        memory_bytes_total: memory("MemTotal"),
        memory_bytes_available: memory("MemAvailable"),
        cache_dirs: folders(),
        models_known: catalog.models().len(),
        tasks_known: catalog.tasks().len(),
        published: upturn_store::published::names().to_vec(),
    }
}

/// The SIMD levels that numeric code can use here.
fn cpu_features() -> Vec<&'static str> {
    let mut features = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        macro_rules! probe {
            ($($name:tt),*) => {
                $(if std::arch::is_x86_feature_detected!($name) { features.push($name); })*
            };
        }
        probe!(
            "sse4.2",
            "avx",
            "avx2",
            "fma",
            "f16c",
            "avx512f",
            "avx512bw",
            "avx512bf16",
            "avx512vnni"
        );
    }
    #[cfg(target_arch = "aarch64")]
    {
        macro_rules! probe {
            ($($name:tt),*) => {
                $(if std::arch::is_aarch64_feature_detected!($name) { features.push($name); })*
            };
        }
        probe!("neon", "fp16", "bf16", "dotprod", "i8mm", "sve");
    }
    features
}

fn proc_field(file: &str, field: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    text.lines()
        .find_map(|line| {
            line.split_once(':')
                .filter(|(name, _)| name.trim() == field)
        })
        .map(|(_, value)| value.trim().to_owned())
}

/// A field of /proc/meminfo in bytes; `None` elsewhere than Linux.
fn memory(field: &str) -> Option<u64> {
    let value = proc_field("/proc/meminfo", field)?;
    Some(value.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

fn folders() -> Vec<Folder> {
    let env = |name: &str| {
        std::env::var_os(name)
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
    };
    let home = env("HOME").or_else(|| env("USERPROFILE"));
    let cache = env("XDG_CACHE_HOME").or_else(|| home.as_ref().map(|h| h.join(".cache")));
    let hub = env("HF_HOME").or_else(|| cache.as_ref().map(|c| c.join("huggingface")));
    [
        ("Hugging Face cache (HF_HOME)", hub),
        ("user cache", cache.map(|c| c.join("upturn"))),
        ("temporary files", Some(std::env::temp_dir())),
    ]
    .into_iter()
    .filter_map(|(what, path)| {
        path.map(|path| Folder {
            what,
            exists: path.is_dir(),
            path,
        })
    })
    .collect()
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    let gib = |bytes: Option<u64>| {
        bytes.map_or_else(
            || "unknown".to_owned(),
            |b| format!("{:.1} GiB", b as f64 / f64::from(1 << 30)),
        )
    };
    let mut line = |name: &str, value: &str| {
        let _infallible = writeln!(text, "{name:<12} {value}");
    };
    line(
        "upturn",
        &format!("{} on {}", report.version, report.target),
    );
    line(
        "processor",
        report.cpu_model.as_deref().unwrap_or("unknown"),
    );
    line("features", &report.cpu_features.join(" "));
    line(
        "threads",
        &format!("{} used of {} cores", report.threads, report.cores),
    );
    line(
        "memory",
        &format!(
            "{} free of {}",
            gib(report.memory_bytes_available),
            gib(report.memory_bytes_total)
        ),
    );
    for folder in &report.cache_dirs {
        let state = if folder.exists {
            ""
        } else {
            " (not there yet)"
        };
        line(
            "folder",
            &format!("{}: {}{state}", folder.what, folder.path.display()),
        );
    }
    line(
        "catalogue",
        &format!(
            "{} models, {} tasks",
            report.models_known, report.tasks_known
        ),
    );
    line("published", &report.published.join(" "));
    text
}
