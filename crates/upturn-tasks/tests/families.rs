//! The families of lm-evaluation-harness's task folder: how many tasks run.
//!
//! UPTURN_LM_EVAL_TASKS names its folder `lm_eval/tasks`; without it the test says so and passes
//! over it. UPTURN_FAMILIES names a file to write the table of docs/tasks.md to.

use std::path::PathBuf;

use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let args = Arguments::from_args();
    let folder = std::env::var_os("UPTURN_LM_EVAL_TASKS").map(PathBuf::from);
    let ignored = folder.is_none();
    let kind = if ignored {
        "UPTURN_LM_EVAL_TASKS is not set"
    } else {
        ""
    };
    let trial = Trial::test(
        "nine in ten tasks run, or need their data saved",
        move || share(&folder.unwrap_or_default()),
    );
    let trial = trial.with_ignored_flag(ignored).with_kind(kind);
    libtest_mimic::run(&args, vec![trial]).exit();
}

fn share(folder: &std::path::Path) -> Result<(), Failed> {
    let found = upturn_tasks::check(&[folder.to_path_buf()])?;
    if let Some(file) = std::env::var_os("UPTURN_FAMILIES") {
        std::fs::write(file, upturn_tasks::check_markdown(&found, folder))?;
    }
    let t = &found.totals;
    let tasks = t.runnable + t.needs_dataset_script + t.needs_port + t.refused;
    let runs = t.runnable as f64 / tasks as f64;
    // lm-eval 0.4.13 has 13,129 tasks, of which 72% were the aim.
    if tasks < 10_000 || runs < 0.85 || t.read == 0 || t.ported == 0 {
        return Err(format!("{t:?}").into());
    }
    Ok(())
}
