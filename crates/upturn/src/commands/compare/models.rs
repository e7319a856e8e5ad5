//! Which models are compared: those named, and those that a study trained.

use std::path::Path;

use super::Args;
use crate::commands::eval::messages::{Refusals, listed};
use crate::commands::eval::models::{Found, expand, make_unique};
use crate::commands::eval::progress;
use crate::exit::Failure;
use crate::output;

/// What makes a folder a model.
const CONFIG: &str = "config.json";
/// Folder of the models below a study's results.
const MODELS: &str = "models";

/// Finds every model asked for; what cannot be found is refused by its own line.
pub fn find(args: &Args, refused: &mut Refusals) -> Result<Vec<Found>, Failure> {
    let mut named = Vec::new();
    for asked in args.models.iter().flat_map(|list| split(list)) {
        match expand(&asked, args.revision.as_deref()) {
            Ok(names) => named.extend(names),
            Err(line) => refused.add(line),
        }
    }
    if let Some((name, _)) = named
        .iter()
        .find(|(name, revision)| revision.is_some() && Path::new(name).is_dir())
    {
        return Err(Failure::usage(format!(
            "a revision is asked for, and the folder {name} has none; leave --revision out, or \
             name models on the hub"
        )));
    }
    if let Some(out) = &args.study {
        match members(out) {
            Ok(folders) => named.extend(folders.into_iter().map(|folder| (folder, None))),
            Err(line) => refused.add(line),
        }
    }
    if named.is_empty() && refused.in_order.is_empty() {
        return Err(Failure::usage("--models names no model"));
    }
    let hub = progress::hub();
    let mut models = Vec::new();
    for (name, revision) in named {
        match Found::resolve(name, revision, &hub) {
            Ok(found) => models.push(found),
            Err(line) => refused.add(line),
        }
    }
    make_unique(&mut models);
    Ok(models)
}

/// The parts of a list between its commas; a comma within braces or brackets belongs to a
/// pattern, and one in the name of a folder that is there to the name.
fn split(list: &str) -> Vec<String> {
    if Path::new(list).exists() {
        return vec![list.to_owned()];
    }
    let mut parts = vec![String::new()];
    let mut depth = 0_usize;
    for c in list.chars() {
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts
        .into_iter()
        .map(|part| part.trim().to_owned())
        .filter(|part| !part.is_empty())
        .collect()
}

/// The finished models of a study's results, by name.
fn members(out: &Path) -> Result<Vec<String>, String> {
    let folder = out.join(MODELS);
    let entries = std::fs::read_dir(&folder).map_err(|e| {
        format!(
            "--study {}: {} cannot be read ({e}); expected the folder where `upturn run` put the \
             results of a study that trains models (others are named with --models)",
            out.display(),
            folder.display()
        )
    })?;
    let mut finished = Vec::new();
    let mut unfinished = Vec::new();
    for path in entries.flatten().map(|e| e.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !path.is_dir() || name.starts_with('.') {
            continue;
        }
        match path.join(CONFIG).is_file() {
            true => finished.push(path.display().to_string()),
            false => unfinished.push(name.into_owned()),
        }
    }
    finished.sort();
    unfinished.sort();
    if finished.is_empty() {
        return Err(format!(
            "--study {}: no model in {} is finished; run the study first",
            out.display(),
            folder.display()
        ));
    }
    if !unfinished.is_empty() {
        output::note(&format!(
            "note: {}: not finished, and left out: {}",
            folder.display(),
            listed(&unfinished)
        ));
    }
    Ok(finished)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_of_a_pattern_stay_in_it() {
        assert_eq!(split("a, b,,org/c@main"), ["a", "b", "org/c@main"]);
        assert_eq!(split("m/{x,y}-[1,2],z"), ["m/{x,y}-[1,2]", "z"]);
        assert_eq!(split(" , "), Vec::<String>::new());
    }

    #[test]
    fn a_study_has_its_finished_members() {
        let out = tempfile::tempdir().expect("folder");
        for name in ["b", "a", "begun", ".lock"] {
            std::fs::create_dir_all(out.path().join(MODELS).join(name)).expect("made");
        }
        for name in ["b", "a"] {
            let config = out.path().join(MODELS).join(name).join(CONFIG);
            std::fs::write(config, "{}").expect("written");
        }
        let (found, said) = output::captured(|| members(out.path()));
        let names: Vec<String> = found
            .expect("members")
            .iter()
            .map(|p| p.rsplit('/').next().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(names, ["a", "b"]);
        assert!(
            said.iter().any(|l| l.ends_with("left out: begun")),
            "{said:?}"
        );
        let line = members(&out.path().join("none")).expect_err("no such folder");
        assert!(
            line.contains("cannot be read") && !line.contains('\n'),
            "{line}"
        );
    }
}
