//! Whether all that a helper may lead to is read here, found out before any data is.

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::ast::{Arg, Def, Do, Expr, Kind, Op, Piece, Stmt};
use super::functions;
use super::methods;
use super::module::{self, Module};

/// Most names followed from one helper.
const MAX_NAMES: usize = 2000;

/// Checks a function of a module and everything it uses.
///
/// # Errors
/// What is not read here, with its file and line.
pub(super) fn check(module: &Arc<Module>, name: &str) -> Result<(), String> {
    let mut scan = Scan {
        seen: BTreeSet::new(),
        statements: HashSet::new(),
    };
    scan.global(module, name, 1)
}

/// Libraries that decide what a helper says, and what they do.
const CAUSES: [(&str, &str); 3] = [
    ("sympy", "sympy, which tells whether two formulas are equal"),
    (
        "math_verify",
        "math_verify, which tells whether two formulas are equal",
    ),
    ("word2number", "word2number, which reads numbers in words"),
];

/// A refusal with the library behind it, where the module imports one of those that a
/// helper stands and falls with.
pub(super) fn with_cause(module: &Module, why: String) -> String {
    let mut all = Vec::new();
    imports(&module.body, &mut all);
    let is_of = |path: &str, name: &str| path == name || path.starts_with(&format!("{name}."));
    let cause = CAUSES
        .iter()
        .find(|(name, _)| all.iter().any(|(_, path)| is_of(path, name)));
    match cause {
        Some((_, what)) => format!("{why}; its module needs {what}"),
        None => why,
    }
}

struct Scan {
    seen: BTreeSet<(PathBuf, String)>,
    statements: HashSet<(PathBuf, usize)>,
}

/// Names of the functions around, and what they import.
#[derive(Clone, Default)]
struct Local {
    names: HashSet<Arc<str>>,
    imports: Vec<(Arc<str>, String)>,
}

type Found = Result<(), String>;

fn refuse(module: &Module, line: u32, reason: impl std::fmt::Display) -> Found {
    let file = module.path.file_name().unwrap_or_default();
    Err(format!("{}:{line}: {reason}", file.to_string_lossy()))
}

/// The dotted path that a name is imported by.
fn import_of(stmts: &[Stmt], name: &str) -> Option<String> {
    let mut out = Vec::new();
    imports(stmts, &mut out);
    out.into_iter()
        .rev()
        .find(|(n, _)| **n == *name)
        .map(|(_, path)| path)
}

fn imports(stmts: &[Stmt], out: &mut Vec<(Arc<str>, String)>) {
    for stmt in stmts {
        match &stmt.kind {
            Do::Import(all) => out.extend(all.iter().cloned()),
            Do::If(_, a, b) | Do::For(_, _, a, b) => {
                imports(a, out);
                imports(b, out);
            }
            Do::While(_, a) => imports(a, out),
            Do::Try {
                body,
                excepts,
                otherwise,
                finally,
            } => {
                imports(body, out);
                excepts.iter().for_each(|e| imports(&e.body, out));
                imports(otherwise, out);
                imports(finally, out);
            }
            _ => {}
        }
    }
}

/// Names with dots between them: root and the rest.
fn dotted(expr: &Expr) -> Option<(&Arc<str>, Vec<&str>)> {
    match &expr.kind {
        Kind::Name(name) => Some((name, Vec::new())),
        Kind::Attr(owner, name) => {
            let (root, mut rest) = dotted(owner)?;
            rest.push(name);
            Some((root, rest))
        }
        _ => None,
    }
}

impl Scan {
    fn global(&mut self, module: &Arc<Module>, name: &str, line: u32) -> Found {
        if !self.seen.insert((module.path.to_path_buf(), name.into())) {
            return Ok(());
        }
        if self.seen.len() > MAX_NAMES {
            return refuse(module, line, "leads to too many names");
        }
        let Some(makers) = module.makers.get(name) else {
            if functions::is_builtin(name) || matches!(name, "__file__" | "__name__") {
                return Ok(());
            }
            if module.added.is_empty() {
                return refuse(module, line, format!("'{name}' is not read"));
            }
            for added in &module.added {
                self.expr(added, module, &Local::default())?;
            }
            return Ok(());
        };
        if let Some(path) = import_of(&module.body, name) {
            return self.imported(module, &path, line);
        }
        for &at in makers {
            if self.statements.insert((module.path.to_path_buf(), at)) {
                self.stmt(&module.body[at], module, &Local::default())?;
            }
        }
        Ok(())
    }

    /// A name that is imported, used by itself.
    fn imported(&mut self, module: &Arc<Module>, path: &str, line: u32) -> Found {
        if let Some((file, name)) = module::imported(&module.path, path) {
            let other = Arc::new(module::load(&file)?);
            return match name {
                Some(name) => self.global(&other, &name, 1),
                None => Ok(()),
            };
        }
        if functions::is_known(path) || functions::is_module(path) || functions::is_quiet(path) {
            return Ok(());
        }
        refuse(module, line, format!("uses {path}, which is not here"))
    }

    fn block(&mut self, stmts: &[Stmt], module: &Arc<Module>, local: &Local) -> Found {
        stmts.iter().try_for_each(|s| self.stmt(s, module, local))
    }

    fn stmt(&mut self, stmt: &Stmt, module: &Arc<Module>, local: &Local) -> Found {
        match &stmt.kind {
            Do::Expr(e) => self.expr(e, module, local),
            Do::Assign(targets, value) => {
                for target in targets {
                    self.target(target, module, local)?;
                }
                self.expr(value, module, local)
            }
            Do::Augment(target, _, value) => {
                self.target(target, module, local)?;
                self.expr(value, module, local)
            }
            Do::Return(value) | Do::Raise(value) => match value {
                Some(value) => self.expr(value, module, local),
                None => Ok(()),
            },
            Do::If(condition, body, otherwise) => {
                self.expr(condition, module, local)?;
                self.block(body, module, local)?;
                self.block(otherwise, module, local)
            }
            Do::For(target, source, body, otherwise) => {
                self.target(target, module, local)?;
                self.expr(source, module, local)?;
                self.block(body, module, local)?;
                self.block(otherwise, module, local)
            }
            Do::While(condition, body) => {
                self.expr(condition, module, local)?;
                self.block(body, module, local)
            }
            Do::Def(def) => self.def(def, module, local),
            Do::Class(name) => refuse(module, stmt.line, format!("class {name} is not read")),
            Do::Import(_) | Do::Pass | Do::Break | Do::Continue => Ok(()),
            Do::Try {
                body,
                excepts,
                otherwise,
                finally,
            } => {
                self.block(body, module, local)?;
                for except in excepts {
                    self.block(&except.body, module, local)?;
                }
                self.block(otherwise, module, local)?;
                self.block(finally, module, local)
            }
            Do::Assert(condition, message) => {
                self.expr(condition, module, local)?;
                match message {
                    Some(message) => self.expr(message, module, local),
                    None => Ok(()),
                }
            }
            Do::Delete(targets) => {
                for target in targets {
                    self.target(target, module, local)?;
                }
                Ok(())
            }
            Do::Unsupported(what) => refuse(module, stmt.line, format!("{what} is not read")),
        }
    }

    fn target(&mut self, target: &Expr, module: &Arc<Module>, local: &Local) -> Found {
        match &target.kind {
            Kind::Name(_) => Ok(()),
            Kind::Tuple(all) | Kind::List(all) => {
                all.iter().try_for_each(|t| self.target(t, module, local))
            }
            Kind::Star(inner) => self.target(inner, module, local),
            Kind::Index(owner, index) => {
                self.expr(owner, module, local)?;
                self.expr(index, module, local)
            }
            _ => refuse(module, target.line, "setting an attribute is not read"),
        }
    }

    fn def(&mut self, def: &Def, module: &Arc<Module>, local: &Local) -> Found {
        for param in def.params.iter().chain(&def.named) {
            if let Some(default) = &param.default {
                self.expr(default, module, local)?;
            }
        }
        let mut inner = local.clone();
        let mut own = Vec::new();
        for stmt in &def.body {
            bound(stmt, &mut own);
        }
        inner.names.extend(own);
        inner
            .names
            .extend(def.params.iter().chain(&def.named).map(|p| p.name.clone()));
        inner.names.extend(def.rest.clone());
        inner.names.extend(def.mapping.clone());
        for name in &def.outer {
            inner.names.insert(name.clone());
            if module.makers.contains_key(name) {
                self.global(module, name, def.line)?;
            }
        }
        imports(&def.body, &mut inner.imports);
        self.block(&def.body, module, &inner)
    }

    fn exprs(&mut self, all: &[Expr], module: &Arc<Module>, local: &Local) -> Found {
        all.iter().try_for_each(|e| self.expr(e, module, local))
    }

    /// A name or names with dots between them.
    fn path(
        &mut self,
        expr: &Expr,
        root: &Arc<str>,
        rest: &[&str],
        module: &Arc<Module>,
        local: &Local,
    ) -> Found {
        let methods = |names: &[&str]| -> Found {
            match names.iter().find(|n| !methods::is_known(n)) {
                Some(name) => refuse(module, expr.line, format!("'.{name}' is not read")),
                None => Ok(()),
            }
        };
        let imported = local
            .imports
            .iter()
            .rev()
            .find(|(n, _)| n == root)
            .map(|(_, path)| path.clone());
        let imported = match imported {
            Some(path) => Some(path),
            None if local.names.contains(root) => None,
            None => import_of(&module.body, root),
        };
        let Some(path) = imported else {
            if !local.names.contains(root) {
                self.global(module, root, expr.line)?;
            }
            return methods(rest);
        };
        if rest.is_empty() {
            return self.imported(module, &path, expr.line);
        }
        // The longest part that is known; what follows are methods.
        for n in (0..=rest.len()).rev() {
            let mut full = path.clone();
            for part in &rest[..n] {
                full.push('.');
                full.push_str(part);
            }
            if let Some((file, Some(name))) = module::imported(&module.path, &full) {
                let other = Arc::new(module::load(&file)?);
                self.global(&other, &name, 1)?;
                return methods(&rest[n..]);
            }
            if functions::is_known(&full) {
                return methods(&rest[n..]);
            }
        }
        let full = format!("{path}.{}", rest.join("."));
        if functions::is_module(&full) {
            return Ok(());
        }
        refuse(module, expr.line, format!("uses {full}, which is not here"))
    }

    fn expr(&mut self, expr: &Expr, module: &Arc<Module>, local: &Local) -> Found {
        match &expr.kind {
            Kind::None | Kind::Bool(_) | Kind::Int(_) | Kind::Float(_) | Kind::Str(_) => Ok(()),
            Kind::Name(_) | Kind::Attr(..) => {
                if let Some((root, rest)) = dotted(expr) {
                    return self.path(expr, root, &rest, module, local);
                }
                let Kind::Attr(owner, name) = &expr.kind else {
                    return Ok(());
                };
                self.expr(owner, module, local)?;
                if methods::is_known(name) {
                    return Ok(());
                }
                refuse(module, expr.line, format!("'.{name}' is not read"))
            }
            Kind::Format(pieces) => self.pieces(pieces, module, local),
            Kind::List(all)
            | Kind::Tuple(all)
            | Kind::Set(all)
            | Kind::And(all)
            | Kind::Or(all) => self.exprs(all, module, local),
            Kind::Dict(entries) => {
                for (key, value) in entries {
                    if let Some(key) = key {
                        self.expr(key, module, local)?;
                    }
                    self.expr(value, module, local)?;
                }
                Ok(())
            }
            Kind::Star(inner) | Kind::Unary(_, inner) | Kind::Walrus(_, inner) => {
                self.expr(inner, module, local)
            }
            Kind::Bin(Op::Add, a, b)
                if [a, b].iter().any(|e| matches!(e.kind, Kind::Compare(..))) =>
            {
                refuse(
                    module,
                    expr.line,
                    "a sum with a comparison, which Python and NumPy do differently, is not read",
                )
            }
            Kind::Bin(_, a, b) | Kind::Index(a, b) => {
                self.expr(a, module, local)?;
                self.expr(b, module, local)
            }
            Kind::Compare(first, rest) => {
                self.expr(first, module, local)?;
                rest.iter()
                    .try_for_each(|(_, e)| self.expr(e, module, local))
            }
            Kind::Call(function, args) => {
                self.expr(function, module, local)?;
                let is_batched = |a: &Arg| matches!(a, Arg::Named(n, e) if &**n == "batched" && e.kind == Kind::Bool(true));
                if args.iter().any(is_batched) {
                    return refuse(module, expr.line, "a map over batches is not read");
                }
                args.iter().try_for_each(|arg| match arg {
                    Arg::One(e) | Arg::Star(e) | Arg::Named(_, e) | Arg::Mapping(e) => {
                        self.expr(e, module, local)
                    }
                })
            }
            Kind::Slice(a, b, c) => [a, b, c]
                .into_iter()
                .flatten()
                .try_for_each(|e| self.expr(e, module, local)),
            Kind::Lambda(def) => self.def(def, module, local),
            Kind::If(a, b, c) => [a, b, c]
                .into_iter()
                .try_for_each(|e| self.expr(e, module, local)),
            Kind::Comprehension {
                value,
                second,
                loops,
                ..
            } => {
                let mut inner = local.clone();
                for one in loops {
                    self.expr(&one.source, module, &inner)?;
                    let mut names = Vec::new();
                    module::target(&one.target, &mut names);
                    inner.names.extend(names);
                    self.exprs(&one.conditions, module, &inner)?;
                }
                self.expr(value, module, &inner)?;
                match second {
                    Some(second) => self.expr(second, module, &inner),
                    None => Ok(()),
                }
            }
            Kind::Unsupported(what) => refuse(module, expr.line, format!("{what} is not read")),
        }
    }

    fn pieces(&mut self, pieces: &[Piece], module: &Arc<Module>, local: &Local) -> Found {
        for piece in pieces {
            if let Piece::Value { value, spec, .. } = piece {
                self.expr(value, module, local)?;
                self.pieces(spec, module, local)?;
            }
        }
        Ok(())
    }
}

/// Names that a statement of a function makes its own.
fn bound(stmt: &Stmt, names: &mut Vec<Arc<str>>) {
    match &stmt.kind {
        Do::Expr(expr) => walrus(expr, names),
        Do::If(condition, a, b) => {
            walrus(condition, names);
            a.iter().chain(b).for_each(|s| bound(s, names));
        }
        Do::For(target, _, a, b) => {
            plain(target, names);
            a.iter().chain(b).for_each(|s| bound(s, names));
        }
        Do::While(condition, a) => {
            walrus(condition, names);
            a.iter().for_each(|s| bound(s, names));
        }
        Do::Assign(targets, value) => {
            targets.iter().for_each(|t| plain(t, names));
            walrus(value, names);
        }
        Do::Augment(target, ..) => plain(target, names),
        Do::Try {
            body,
            excepts,
            otherwise,
            finally,
        } => {
            body.iter()
                .chain(otherwise)
                .chain(finally)
                .for_each(|s| bound(s, names));
            for except in excepts {
                names.extend(except.name.clone());
                except.body.iter().for_each(|s| bound(s, names));
            }
        }
        Do::Def(def) => names.push(def.name.clone()),
        Do::Return(Some(value)) => walrus(value, names),
        _ => {}
    }
}

/// Names of a target that are set themselves.
fn plain(target: &Expr, names: &mut Vec<Arc<str>>) {
    match &target.kind {
        Kind::Name(name) => names.push(name.clone()),
        Kind::Tuple(all) | Kind::List(all) => all.iter().for_each(|t| plain(t, names)),
        Kind::Star(inner) => plain(inner, names),
        _ => {}
    }
}

/// Names that `:=` sets, in the places where it is written.
fn walrus(expr: &Expr, names: &mut Vec<Arc<str>>) {
    match &expr.kind {
        Kind::Walrus(name, inner) => {
            names.push(name.clone());
            walrus(inner, names);
        }
        Kind::And(all) | Kind::Or(all) => all.iter().for_each(|e| walrus(e, names)),
        Kind::Compare(first, rest) => {
            walrus(first, names);
            rest.iter().for_each(|(_, e)| walrus(e, names));
        }
        Kind::Unary(_, inner) => walrus(inner, names),
        Kind::Call(_, args) => {
            for arg in args {
                if let Arg::One(e) = arg {
                    walrus(e, names);
                }
            }
        }
        Kind::Comprehension { loops, .. } => {
            for one in loops {
                one.conditions.iter().for_each(|e| walrus(e, names));
            }
        }
        _ => {}
    }
}
