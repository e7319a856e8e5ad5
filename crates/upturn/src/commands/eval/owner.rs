//! Whose results a name in the output folder holds, so that another model of the same name does
//! not take its place.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};
use upturn_store::write_bytes;

use super::cells::CellFault;
use super::guard::Guard;
use super::models::{Found, safe_name};

/// The file in a model's folder of cells that says which model it is. No task has this name.
const OWNER: &str = ".model";
/// What tells one model from another, of the facts that identify it in a cell's key: not how
/// it is run (its longest input, the CPU), but for the numbers that it computes in.
const FACTS: [&str; 4] = ["architecture", COMPUTE, "tokenizer", "weights"];
/// The fact that says which numbers a model computes in.
const COMPUTE: &str = "compute";
/// Those that are not worth a word in a name.
const USUAL_COMPUTE: &str = "f32";
/// Digits of the weights' fingerprint that tell models apart whose paths end alike.
const N_DIGITS: usize = 8;

/// A model, whatever it is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Owner(BTreeMap<String, String>);

/// The model under the name that its results have below `out`, and a note on the name where it
/// is not the model's label.
///
/// It is the label, where nobody has it or the model itself has; else a longer end of its path,
/// else the label with the beginning of the weights' fingerprint. A model that is there under a
/// shorter name keeps that one. One that does not compute in f32 has `@` and what it computes
/// in at the end. `taken` are names of other models of this run.
pub fn named(
    out: &Path,
    found: &Found,
    fingerprint: &BTreeMap<String, String>,
    taken: &BTreeSet<String>,
) -> Result<(Found, Option<String>), CellFault> {
    let mut facts = fingerprint.clone();
    facts.retain(|name, _| FACTS.contains(&name.as_str()));
    let own = Owner(facts);
    let digits: String = own
        .0
        .get("weights")
        .map(|hex| hex.chars().take(N_DIGITS).collect())
        .unwrap_or_default();
    let mut labels = found.labels();
    let own_place = labels.iter().position(|l| *l == found.label).unwrap_or(0);
    labels.push(format!("{}@{digits}", found.label));
    let ending = match own.0.get(COMPUTE) {
        Some(compute) if compute != USUAL_COMPUTE => format!("@{compute}"),
        _ => String::new(),
    };

    let dir = found.dir.display();
    let guard = Guard::take(out)?;
    for (place, base) in labels.iter().enumerate() {
        let label = format!("{base}{ending}");
        if taken.contains(&label) {
            continue;
        }
        let folder = out.join("cells").join(safe_name(&label));
        match read(&folder) {
            Some(owner) if owner == own => {}
            Some(_) => continue,
            None if place < own_place => continue,
            None => claim(&folder, &own, &guard)?,
        }
        let note = match place.cmp(&own_place) {
            Ordering::Less => Some(format!("has {dir} already, under the name '{label}'")),
            Ordering::Equal if ending.is_empty() => None,
            Ordering::Equal => Some(format!(
                "{dir} is called '{label}', apart from results in f32"
            )),
            Ordering::Greater => Some(format!(
                "holds another model called '{}{ending}'; {dir} is called '{label}' there",
                found.label
            )),
        };
        return Ok((found.relabelled(label, &ending), note));
    }
    Err(CellFault::Refused(format!(
        "{}: every name for the results of {dir} is taken by another model; choose another --out",
        out.display()
    )))
}

fn read(folder: &Path) -> Option<Owner> {
    let bytes = std::fs::read(folder.join(OWNER)).ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn claim(folder: &Path, own: &Owner, guard: &Guard) -> Result<(), CellFault> {
    std::fs::create_dir_all(folder).map_err(|e| {
        CellFault::Write(format!("cannot make the folder {}: {e}", folder.display()))
    })?;
    guard.clean(folder);
    let mut json = serde_json::to_vec_pretty(own).map_err(|e| CellFault::Write(e.to_string()))?;
    json.push(b'\n');
    Ok(write_bytes(&folder.join(OWNER), &json)?)
}
