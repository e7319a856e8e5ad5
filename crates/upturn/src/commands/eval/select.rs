//! Which models and tasks a command line means, and what is refused of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use upturn_tasks::generated::split_names;
use upturn_tasks::{Library, OutputType, Selection, Task, TaskError};

use super::messages::{Refusals, listed, warn};
use super::models::{self, Found, safe_name};
use super::remarks::Remarks;
use super::{Args, gen_kwargs, progress};
use crate::datasets::FileDatasets;
use crate::exit::Failure;

/// Refuses words of `--gen-kwargs` that no task could take, and tells of those without effect.
pub fn check_words(words: &gen_kwargs::Words) -> Result<(), Failure> {
    let mut unused = Vec::new();
    upturn_tasks::generate_options(words, &mut |key| unused.push(key.to_owned()))
        .map_err(|reason| Failure::usage(format!("--gen-kwargs: {reason}")))?;
    if !unused.is_empty() {
        warn(&format!(
            "--gen-kwargs: no effect here: {}",
            listed(&unused)
        ));
    }
    Ok(())
}

/// Resolves every model asked for; what cannot be found is refused by its own line.
pub fn find_models(args: &Args, refused: &mut Refusals) -> Result<Vec<Found>, Failure> {
    let hub = progress::hub();
    let mut named = Vec::new();
    let mut models = Vec::new();
    for asked in &args.model {
        if let Some(found) = super::loaded::at_server(asked) {
            match found {
                Ok(found) => models.push(found),
                Err(line) => refused.add(line),
            }
            continue;
        }
        match models::expand(asked, args.revision.as_deref()) {
            Err(line) => refused.add(line),
            Ok(names) => named.extend(names),
        }
    }
    let folders: Vec<String> = named
        .iter()
        .filter(|(name, revision)| revision.is_some() && Path::new(name).is_dir())
        .map(|(name, _)| name.clone())
        .collect();
    if !folders.is_empty() {
        return Err(Failure::usage(format!(
            "a revision is asked for, and a folder has none: {}; leave --revision (or @REVISION) \
             out, or name models on the hub",
            listed(&folders)
        )));
    }
    for (name, revision) in named {
        match Found::resolve(name, revision, &hub) {
            Ok(found) => models.push(found),
            Err(line) => refused.add(line),
        }
    }
    models::make_unique(&mut models);
    Ok(models)
}

/// Chooses tasks; where one name is not known, the others go on.
pub fn select(args: &Args, refused: &mut Refusals) -> Result<Selection, Failure> {
    let library = Library::open(&args.include_path).map_err(Failure::usage)?;
    for line in library.warnings() {
        warn(line);
    }
    let selection = match library.select_runnable(&args.tasks) {
        Ok(selection) => selection,
        Err(_) => {
            let mut joined = Selection::default();
            for name in &one_by_one(&args.tasks) {
                match library.select_runnable(std::slice::from_ref(name)) {
                    Ok(one) => {
                        joined.roots.extend(one.roots);
                        joined.left_out.extend(one.left_out);
                    }
                    Err(e) => refused.add(e.to_string()),
                }
            }
            joined
        }
    };
    for (_, reason) in &selection.left_out {
        refused.add(reason.to_string());
    }
    warn_of_unreadable(&library, refused);
    Ok(selection)
}

/// Names the files of `--include-path` that cannot be read and that no task asked for is in.
fn warn_of_unreadable(library: &Library, refused: &Refusals) {
    const N_SHOWN: usize = 20;
    let lines: Vec<String> = library
        .unreadable()
        .iter()
        .map(ToString::to_string)
        .filter(|line| !refused.has(line))
        .collect();
    for line in lines.iter().take(N_SHOWN) {
        warn(&format!("{line}; nothing is taken from this file"));
    }
    if lines.len() > N_SHOWN {
        warn(&format!(
            "{} more files of --include-path cannot be read; `upturn tasks check` lists all",
            lines.len() - N_SHOWN
        ));
    }
}

/// The names, with every folder as its files: a file that is wrong then costs itself alone.
fn one_by_one(names: &[String]) -> Vec<String> {
    let files = |folder: &Path| {
        let found = upturn_tasks::index::scan(folder).ok()?;
        // Files that define neither a task nor a group are parts of others.
        let defined = found.defined.into_iter().map(|d| d.file);
        let unreadable = found.unreadable.into_iter().map(|(file, _)| file);
        let all: BTreeSet<_> = defined.chain(unreadable).collect();
        // A folder without task YAML may be one of BIG-bench tasks.
        (!all.is_empty()).then_some(all)
    };
    names
        .iter()
        .flat_map(|list| split_names(list))
        .flat_map(|name| {
            let folder = Path::new(&name);
            match folder.is_dir().then(|| files(folder)).flatten() {
                Some(files) => files.iter().map(|f| f.display().to_string()).collect(),
                None => vec![name],
            }
        })
        .collect()
}

/// Reads the data of the tasks; a task that cannot be loaded is refused by its own line.
pub fn load_tasks(
    args: &Args,
    selection: &Selection,
    words: &gen_kwargs::Words,
    refused: &mut Refusals,
) -> Result<Vec<Task>, Failure> {
    let datasets = FileDatasets::new(progress::hub());
    let mut tasks: Vec<Task> = Vec::new();
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let mut remarks = Remarks::default();
    for config in selection.tasks() {
        let file = safe_name(&config.task);
        if let Some(other) = names.get(&file).filter(|other| **other != config.task) {
            refused.add(format!(
                "task '{}' would be written to the files of task '{other}'; rename one of them",
                config.task
            ));
            continue;
        }
        names.insert(file, config.task.clone());
        let mut config = Arc::clone(config);
        if !words.is_empty() && config.output_type == OutputType::GenerateUntil {
            Arc::make_mut(&mut config)
                .override_generation(words)
                .map_err(|reason| {
                    Failure::usage(format!("--gen-kwargs: task '{}': {reason}", config.task))
                })?;
        }
        remarks.of(&config, args.parity.is_some());
        match Task::load(Arc::clone(&config), &datasets, args.num_fewshot) {
            Ok(task) => tasks.push(task),
            Err(TaskError::Data { task, source }) => {
                remarks.lost_data.add(&task, &source.to_string());
            }
            Err(e) => refused.add(e.to_string()),
        }
    }
    remarks.say(refused);
    Ok(tasks)
}
