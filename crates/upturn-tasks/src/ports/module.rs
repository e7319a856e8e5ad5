//! Modules of helpers: their statements, and which of them make a name.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use super::ast::{Do, Expr, Kind, Stmt};
use super::lex::{Token, tokens};
use super::parse;
use crate::raw;

/// Most modules kept parsed.
const MAX_KEPT: usize = 4096;

/// A module.
pub(super) struct Module {
    pub(super) path: Arc<Path>,
    pub(super) body: Arc<Vec<Stmt>>,
    /// SHA-256 of its tokens, hex: the same for texts that differ in layout and comments alone.
    pub(super) digest: Arc<str>,
    /// Statements that make or change a name, in order.
    pub(super) makers: BTreeMap<Arc<str>, Vec<usize>>,
    /// Names of dictionaries that `globals().update` adds to the names of the module.
    pub(super) added: Vec<Expr>,
}

type Parsed = Result<(Arc<Vec<Stmt>>, Arc<str>), (u32, String)>;
static KEPT: LazyLock<Mutex<HashMap<[u8; 32], Parsed>>> = LazyLock::new(Mutex::default);

/// Reads a module.
///
/// # Errors
/// A lowercase reason that names the file and line.
pub(super) fn load(path: &Path) -> Result<Module, String> {
    let text = raw::read(path).map_err(|e| e.to_string())?;
    let key: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    let known = {
        let kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(&key).cloned()
    };
    let parsed = match known {
        Some(parsed) => parsed,
        None => {
            let parsed: Parsed =
                parse::module(&text).map(|body| (Arc::new(body), digest(&text).into()));
            let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() >= MAX_KEPT {
                kept.clear();
            }
            kept.insert(key, parsed.clone());
            parsed
        }
    };
    let (body, digest) =
        parsed.map_err(|(line, reason)| format!("{}:{line}: {reason}", path.display()))?;
    let mut makers: BTreeMap<Arc<str>, Vec<usize>> = BTreeMap::new();
    let mut added = Vec::new();
    for (at, stmt) in body.iter().enumerate() {
        let mut names = Vec::new();
        stored(stmt, &mut names);
        names.sort();
        names.dedup();
        for name in names {
            makers.entry(name).or_default().push(at);
        }
        added.extend(globals_update(stmt));
    }
    Ok(Module {
        path: path.into(),
        body,
        digest,
        makers,
        added,
    })
}

/// SHA-256 of a module's tokens, hex.
fn digest(text: &str) -> String {
    let mut hash = Sha256::new();
    for (token, _) in tokens(text).unwrap_or_default() {
        let text = match token {
            Token::Name(name) => name,
            Token::Op(op) => op.to_string(),
            other => format!("{other:?}"),
        };
        hash.update(text.as_bytes());
        hash.update([0x1f]);
    }
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

/// `D` of a statement `globals().update(D)`.
fn globals_update(stmt: &Stmt) -> Option<Expr> {
    let Do::Expr(expr) = &stmt.kind else {
        return None;
    };
    let Kind::Call(function, args) = &expr.kind else {
        return None;
    };
    let Kind::Attr(owner, method) = &function.kind else {
        return None;
    };
    let Kind::Call(owner, none) = &owner.kind else {
        return None;
    };
    let is_globals = matches!(&owner.kind, Kind::Name(n) if &**n == "globals") && none.is_empty();
    match args.as_slice() {
        [super::ast::Arg::One(dict)] if is_globals && &**method == "update" => Some(dict.clone()),
        _ => None,
    }
}

/// Whether a condition at the top of a module does not hold when it is imported.
fn never(condition: &Expr) -> bool {
    match &condition.kind {
        Kind::Name(name) => &**name == "TYPE_CHECKING",
        Kind::Compare(left, _) => matches!(&left.kind, Kind::Name(n) if &**n == "__name__"),
        _ => false,
    }
}

/// Names that a statement makes or changes.
pub(super) fn stored(stmt: &Stmt, names: &mut Vec<Arc<str>>) {
    let block = |stmts: &[Stmt], names: &mut Vec<Arc<str>>| {
        stmts.iter().for_each(|s| stored(s, names));
    };
    match &stmt.kind {
        Do::Assign(targets, _) => targets.iter().for_each(|t| target(t, names)),
        Do::Augment(t, _, _) => target(t, names),
        Do::Def(def) => names.push(def.name.clone()),
        Do::Class(name) => names.push(name.clone()),
        Do::Import(all) => names.extend(all.iter().map(|(name, _)| name.clone())),
        Do::If(condition, _, otherwise) if never(condition) => block(otherwise, names),
        Do::If(_, body, otherwise) => {
            block(body, names);
            block(otherwise, names);
        }
        Do::For(t, _, body, otherwise) => {
            target(t, names);
            block(body, names);
            block(otherwise, names);
        }
        Do::While(_, body) => block(body, names),
        Do::Try {
            body,
            excepts,
            otherwise,
            finally,
        } => {
            block(body, names);
            excepts.iter().for_each(|e| block(&e.body, names));
            block(otherwise, names);
            block(finally, names);
        }
        Do::Delete(targets) => targets.iter().for_each(|t| target(t, names)),
        Do::Expr(expr) => {
            // A call of a method may change its value.
            if let Kind::Call(function, _) = &expr.kind
                && let Kind::Attr(owner, _) = &function.kind
                && let Kind::Name(name) = &owner.kind
            {
                names.push(name.clone());
            }
        }
        Do::Unsupported(_)
        | Do::Return(_)
        | Do::Raise(_)
        | Do::Assert(..)
        | Do::Pass
        | Do::Break
        | Do::Continue => {}
    }
}

/// Names that a target makes or changes.
pub(super) fn target(expr: &Expr, names: &mut Vec<Arc<str>>) {
    match &expr.kind {
        Kind::Name(name) => names.push(name.clone()),
        Kind::Tuple(all) | Kind::List(all) => all.iter().for_each(|e| target(e, names)),
        Kind::Star(inner) | Kind::Attr(inner, _) | Kind::Index(inner, _) => target(inner, names),
        _ => {}
    }
}

/// Where a name that is imported from another module of the tasks stands: the file, and the
/// name in it (none is the module itself).
pub(super) fn imported(from: &Path, dotted: &str) -> Option<(PathBuf, Option<String>)> {
    let rest = dotted.strip_prefix("lm_eval.tasks.")?;
    let parts: Vec<&str> = rest.split('.').collect();
    if parts.iter().any(|p| p.is_empty()) {
        return None;
    }
    let from = std::path::absolute(from).unwrap_or_else(|_| from.to_path_buf());
    for folder in from.ancestors().skip(1) {
        for n in (1..=parts.len()).rev() {
            let mut file = folder.to_path_buf();
            file.extend(&parts[..n]);
            file.set_extension("py");
            if !file.is_file() {
                continue;
            }
            return match &parts[n..] {
                [] => Some((file, None)),
                [name] => Some((file, Some((*name).to_string()))),
                _ => None,
            };
        }
    }
    None
}
