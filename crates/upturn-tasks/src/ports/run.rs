//! Reads a helper as the value that it describes: expressions and statements, one by one.
//!
//! No Python is run. What a helper may lead to is checked before (`scan`), there is no file,
//! network or clock to reach, and a limit of steps ends whatever takes too long.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use upturn_metrics::PyRandom;

use super::ast::{Arg, Cmp, Def, Do, Expr, For, Kind, Makes, Op, Piece, Stmt};
use super::format::format_value;
use super::module::{self, Module};
use super::ops::{binary, contains, same, set_item, slice, unary};
use super::value::{Closure, Dict, DictKind, Key, Made, Partial, Stop, V, fatal, raise};
use super::{array, functions, methods};

/// Deepest nesting of calls.
const MAX_CALLS: usize = 40;
/// Longest text or list that a step may make.
pub(super) const MAX_SIZE: usize = 64 << 20;

/// The names of a function's body, a comprehension or a module.
pub(super) struct Scope {
    vars: RefCell<HashMap<Arc<str>, V>>,
    parent: Option<Rc<Scope>>,
    home: Rc<Home>,
    kind: ScopeKind,
    /// Names that belong to the scopes around.
    outer: Vec<Arc<str>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ScopeKind {
    Module,
    Function,
    Comprehension,
}

/// A module being read.
pub(super) struct Home {
    module: Arc<Module>,
    globals: RefCell<HashMap<Arc<str>, V>>,
    done: RefCell<Vec<bool>>,
}

/// What a statement leads to.
enum Flow {
    Next,
    Break,
    Continue,
    Return(V),
}

/// Reads helpers.
pub(super) struct Reader {
    steps: Cell<u64>,
    limit: u64,
    depth: Cell<usize>,
    homes: RefCell<HashMap<PathBuf, Rc<Home>>>,
    /// Where it is, for messages: file name and line.
    place: RefCell<(Arc<Path>, u32)>,
    /// `random` of Python, seeded as lm-evaluation-harness does before it loads tasks.
    pub(super) random: Rc<RefCell<PyRandom>>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        // Functions know their module and it knows them.
        #[expect(clippy::iter_over_hash_type, reason = "each is emptied")]
        for home in self.homes.borrow().values() {
            home.globals.borrow_mut().clear();
        }
    }
}

impl Reader {
    /// With a limit of steps.
    pub(super) fn new(limit: u64) -> Reader {
        Reader {
            steps: Cell::new(0),
            limit,
            depth: Cell::new(0),
            homes: RefCell::default(),
            place: RefCell::new((Path::new("").into(), 0)),
            random: Rc::new(RefCell::new(PyRandom::new(0))),
        }
    }

    /// A stop in words, with its place.
    pub(super) fn explain(&self, stop: &Stop) -> String {
        let (file, line) = &*self.place.borrow();
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let reason = match stop {
            Stop::Raise(kind, message) if message.is_empty() => format!("raises {kind}"),
            Stop::Raise(kind, message) => format!("raises {kind}: {message}"),
            Stop::Fatal(reason) => reason.clone(),
        };
        let mut reason: String = reason
            .replace(['\n', '\r'], " ")
            .chars()
            .take(300)
            .collect();
        reason.insert_str(0, &format!("{name}:{line}: "));
        reason
    }

    pub(super) fn spend(&self, steps: u64) -> Made<()> {
        let spent = self.steps.get().saturating_add(steps);
        self.steps.set(spent);
        if spent > self.limit {
            return fatal("takes too many steps");
        }
        Ok(())
    }

    fn home(&self, module: &Arc<Module>) -> Rc<Home> {
        self.homes
            .borrow_mut()
            .entry(module.path.to_path_buf())
            .or_insert_with(|| {
                Rc::new(Home {
                    module: module.clone(),
                    globals: RefCell::default(),
                    done: RefCell::new(vec![false; module.body.len()]),
                })
            })
            .clone()
    }

    /// A name of a module.
    pub(super) fn global(&self, module: &Arc<Module>, name: &str) -> Made<V> {
        let home = self.home(module);
        match self.in_module(&home, name)? {
            Some(value) => Ok(value),
            None => raise("AttributeError", format!("no name '{name}'")),
        }
    }

    fn in_module(&self, home: &Rc<Home>, name: &str) -> Made<Option<V>> {
        if let Some(makers) = home.module.makers.get(name) {
            for &at in makers {
                if std::mem::replace(&mut home.done.borrow_mut()[at], true) {
                    continue;
                }
                let scope = self.module_scope(home);
                let before = self.place.borrow().clone();
                self.statement(&home.module.body[at], &scope)?;
                *self.place.borrow_mut() = before;
            }
        }
        if let Some(value) = home.globals.borrow().get(name) {
            return Ok(Some(value.clone()));
        }
        if name == "__file__" {
            return Ok(Some(V::str(home.module.path.display().to_string())));
        }
        if name == "__name__" {
            return Ok(Some(V::str("helper")));
        }
        for added in &home.module.added {
            let scope = self.module_scope(home);
            if let V::Dict(dict) = self.value(added, &scope)?
                && let Some((_, value)) = dict.borrow().map.get(&Key::Str(name.into()))
            {
                return Ok(Some(value.clone()));
            }
        }
        Ok(None)
    }

    fn module_scope(&self, home: &Rc<Home>) -> Rc<Scope> {
        Rc::new(Scope {
            vars: RefCell::default(),
            parent: None,
            home: home.clone(),
            kind: ScopeKind::Module,
            outer: Vec::new(),
        })
    }

    // Names.

    fn lookup(&self, name: &Arc<str>, scope: &Rc<Scope>) -> Made<V> {
        let mut at = Some(scope);
        while let Some(here) = at {
            if let Some(value) = here.vars.borrow().get(name) {
                return Ok(value.clone());
            }
            at = here.parent.as_ref();
        }
        if let Some(value) = self.in_module(&scope.home, name)? {
            return Ok(value);
        }
        if functions::is_builtin(name) {
            return Ok(V::Native(name.as_ref().into()));
        }
        raise("NameError", format!("name '{name}' is not defined"))
    }

    fn set_name(&self, name: &Arc<str>, value: V, scope: &Rc<Scope>) {
        let mut at = scope;
        while at.kind == ScopeKind::Comprehension
            && let Some(parent) = &at.parent
            && !at.vars.borrow().contains_key(name)
        {
            at = parent;
        }
        if at.kind == ScopeKind::Module {
            at.home.globals.borrow_mut().insert(name.clone(), value);
            return;
        }
        if at.outer.contains(name) {
            let mut up = at.parent.as_ref();
            while let Some(here) = up {
                if here.kind == ScopeKind::Function && here.vars.borrow().contains_key(name) {
                    here.vars.borrow_mut().insert(name.clone(), value);
                    return;
                }
                up = here.parent.as_ref();
            }
            at.home.globals.borrow_mut().insert(name.clone(), value);
            return;
        }
        at.vars.borrow_mut().insert(name.clone(), value);
    }

    fn assign(&self, target: &Expr, value: V, scope: &Rc<Scope>) -> Made<()> {
        match &target.kind {
            Kind::Name(name) => {
                self.set_name(name, value, scope);
                Ok(())
            }
            Kind::Tuple(targets) | Kind::List(targets) => self.unpack(targets, &value, scope),
            Kind::Index(owner, index) => {
                let owner = self.value(owner, scope)?;
                let index = self.value(index, scope)?;
                set_item(&owner, &index, value)
            }
            _ => fatal("sets an attribute of a value"),
        }
    }

    fn unpack(&self, targets: &[Expr], value: &V, scope: &Rc<Scope>) -> Made<()> {
        let items = value.items()?;
        let star = targets.iter().position(|t| matches!(t.kind, Kind::Star(_)));
        let n = targets.len();
        let Some(star) = star else {
            if items.len() != n {
                let what = if items.len() < n {
                    "not enough"
                } else {
                    "too many"
                };
                return raise("ValueError", format!("{what} values to unpack"));
            }
            for (target, item) in targets.iter().zip(items) {
                self.assign(target, item, scope)?;
            }
            return Ok(());
        };
        if items.len() + 1 < n {
            return raise("ValueError", "not enough values to unpack");
        }
        let middle = items.len() + 1 - n;
        for (i, target) in targets.iter().enumerate() {
            match &target.kind {
                Kind::Star(inner) => {
                    let part = items[star..star + middle].to_vec();
                    self.assign(inner, V::list(part), scope)?;
                }
                _ => {
                    let at = if i < star { i } else { i + middle - 1 };
                    self.assign(target, items[at].clone(), scope)?;
                }
            }
        }
        Ok(())
    }

    // Statements.

    fn block(&self, stmts: &[Stmt], scope: &Rc<Scope>) -> Made<Flow> {
        for stmt in stmts {
            match self.statement(stmt, scope)? {
                Flow::Next => {}
                other => return Ok(other),
            }
        }
        Ok(Flow::Next)
    }

    fn statement(&self, stmt: &Stmt, scope: &Rc<Scope>) -> Made<Flow> {
        self.spend(1)?;
        {
            let mut place = self.place.borrow_mut();
            if !Arc::ptr_eq(&place.0, &scope.home.module.path) {
                place.0 = scope.home.module.path.clone();
            }
            place.1 = stmt.line;
        }
        match &stmt.kind {
            Do::Expr(expr) => {
                // A lone text is a remark.
                if !matches!(expr.kind, Kind::Str(_)) {
                    self.value(expr, scope)?;
                }
            }
            Do::Assign(targets, value) => {
                let value = self.value(value, scope)?;
                for target in targets {
                    self.assign(target, value.clone(), scope)?;
                }
            }
            Do::Augment(target, op, value) => {
                let old = self.value(target, scope)?;
                let value = self.value(value, scope)?;
                match (&old, op) {
                    // In place, as for every other name of the same list.
                    (V::List(list), Op::Add) => {
                        let more = value.items()?;
                        list.borrow_mut().extend(more);
                    }
                    _ => {
                        let new = self.binary(*op, &old, &value)?;
                        self.assign(target, new, scope)?;
                    }
                }
            }
            Do::Return(value) => {
                return Ok(Flow::Return(match value {
                    Some(value) => self.value(value, scope)?,
                    None => V::None,
                }));
            }
            Do::If(condition, body, otherwise) => {
                let branch = if self.value(condition, scope)?.truth()? {
                    body
                } else {
                    otherwise
                };
                return self.block(branch, scope);
            }
            Do::For(target, source, body, otherwise) => {
                let source = self.value(source, scope)?;
                let items = if order_is_nothing(body) {
                    source.members()?
                } else {
                    source.items()?
                };
                for item in items {
                    self.spend(1)?;
                    self.assign(target, item, scope)?;
                    match self.block(body, scope)? {
                        Flow::Next | Flow::Continue => {}
                        Flow::Break => return Ok(Flow::Next),
                        Flow::Return(value) => return Ok(Flow::Return(value)),
                    }
                }
                return self.block(otherwise, scope);
            }
            Do::While(condition, body) => {
                while self.value(condition, scope)?.truth()? {
                    self.spend(1)?;
                    match self.block(body, scope)? {
                        Flow::Next | Flow::Continue => {}
                        Flow::Break => break,
                        Flow::Return(value) => return Ok(Flow::Return(value)),
                    }
                }
            }
            Do::Def(def) => {
                let function = self.closure(def, scope)?;
                self.set_name(&def.name, function, scope);
            }
            Do::Class(name) => return fatal(format!("class {name} is not read")),
            Do::Import(names) => {
                for (name, path) in names {
                    let value = self.import(path, scope)?;
                    self.set_name(name, value, scope);
                }
            }
            Do::Try {
                body,
                excepts,
                otherwise,
                finally,
            } => {
                let result = self.block(body, scope);
                let flow = match result {
                    Err(Stop::Raise(kind, message)) => {
                        let handler = excepts.iter().find(|e| {
                            e.kinds
                                .as_ref()
                                .is_none_or(|kinds| kinds.iter().any(|k| catches(k, kind)))
                        });
                        match handler {
                            Some(handler) => {
                                if let Some(name) = &handler.name {
                                    let error = V::Error(kind, message.as_str().into());
                                    self.set_name(name, error, scope);
                                }
                                self.block(&handler.body, scope)
                            }
                            None => Err(Stop::Raise(kind, message)),
                        }
                    }
                    Ok(Flow::Next) => self.block(otherwise, scope),
                    other => other,
                };
                match self.block(finally, scope)? {
                    Flow::Next => return flow,
                    other => return Ok(other),
                }
            }
            Do::Raise(what) => {
                let what = match what {
                    Some(what) => self.value(what, scope)?,
                    None => return raise("Exception", ""),
                };
                return match what {
                    V::Error(kind, message) => raise(kind, &*message),
                    V::Native(kind) => raise(error_kind(&kind), ""),
                    _ => raise("TypeError", "exceptions must derive from BaseException"),
                };
            }
            Do::Assert(condition, message) => {
                if !self.value(condition, scope)?.truth()? {
                    let message = match message {
                        Some(m) => self.value(m, scope)?.to_text()?,
                        None => String::new(),
                    };
                    return raise("AssertionError", message);
                }
            }
            Do::Delete(targets) => {
                for target in targets {
                    match &target.kind {
                        Kind::Index(owner, index) => {
                            let owner = self.value(owner, scope)?;
                            let index = self.value(index, scope)?;
                            methods::pop(&owner, Some(&index), None)?;
                        }
                        Kind::Name(name) => {
                            scope.vars.borrow_mut().remove(name);
                        }
                        _ => return fatal("deletes what is no name or item"),
                    }
                }
            }
            Do::Pass => {}
            Do::Break => return Ok(Flow::Break),
            Do::Continue => return Ok(Flow::Continue),
            Do::Unsupported(what) => return fatal(format!("{what} is not read")),
        }
        Ok(Flow::Next)
    }

    fn import(&self, path: &str, scope: &Rc<Scope>) -> Made<V> {
        let from = &scope.home.module.path;
        match module::imported(from, path) {
            Some((file, Some(name))) => {
                let module = module::load(&file).map_err(Stop::Fatal)?;
                self.global(&Arc::new(module), &name)
            }
            _ => Ok(V::Native(path.into())),
        }
    }

    fn closure(&self, def: &Arc<Def>, scope: &Rc<Scope>) -> Made<V> {
        let mut defaults = Vec::new();
        for param in def.params.iter().chain(&def.named) {
            if let Some(default) = &param.default {
                defaults.push((param.name.clone(), self.value(default, scope)?));
            }
        }
        Ok(V::Func(Rc::new(Closure {
            def: def.clone(),
            scope: scope.clone(),
            defaults,
        })))
    }

    // Calls.

    /// Calls a function with positional arguments.
    pub(super) fn call(&self, function: &V, args: Vec<V>) -> Made<V> {
        self.call_named(function, args, Vec::new())
    }

    /// Calls a function.
    pub(super) fn call_named(
        &self,
        function: &V,
        args: Vec<V>,
        named: Vec<(Arc<str>, V)>,
    ) -> Made<V> {
        self.spend(1)?;
        match function {
            V::Func(closure) => self.enter(closure, args, named),
            V::Partial(partial) => {
                let mut all = partial.args.clone();
                all.extend(args);
                let mut by_name = partial.named.clone();
                for (name, value) in named {
                    by_name.retain(|(n, _)| *n != name);
                    by_name.push((name, value));
                }
                self.call_named(&partial.function, all, by_name)
            }
            V::Native(path) => functions::call(self, path, args, named),
            V::Bound(bound) => methods::call(self, &bound.0, &bound.1, args, named),
            V::Mute => Ok(V::None),
            other => raise(
                "TypeError",
                format!("'{}' object is not callable", other.kind()),
            ),
        }
    }

    fn enter(&self, closure: &Closure, args: Vec<V>, mut named: Vec<(Arc<str>, V)>) -> Made<V> {
        let def = &closure.def;
        let mut vars = HashMap::new();
        let mut args = args.into_iter();
        for param in &def.params {
            if let Some(value) = args.next() {
                vars.insert(param.name.clone(), value);
            }
        }
        let rest: Vec<V> = args.collect();
        match &def.rest {
            Some(name) => {
                vars.insert(name.clone(), V::tuple(rest));
            }
            None if !rest.is_empty() => {
                return raise("TypeError", format!("{}() takes fewer arguments", def.name));
            }
            None => {}
        }
        for param in def.params.iter().chain(&def.named) {
            if let Some(at) = named.iter().position(|(n, _)| *n == param.name) {
                vars.insert(param.name.clone(), named.remove(at).1);
            } else if !vars.contains_key(&param.name) {
                let default = closure.defaults.iter().find(|(n, _)| *n == param.name);
                match default {
                    Some((_, value)) => {
                        vars.insert(param.name.clone(), value.clone());
                    }
                    None => {
                        return raise(
                            "TypeError",
                            format!("{}() lacks the argument '{}'", def.name, param.name),
                        );
                    }
                }
            }
        }
        match &def.mapping {
            Some(name) => {
                let all = named.into_iter().map(|(n, v)| (V::str(&*n), v));
                vars.insert(name.clone(), V::dict(all)?);
            }
            None => {
                if let Some((name, _)) = named.first() {
                    return raise(
                        "TypeError",
                        format!("{}() got an unexpected argument '{name}'", def.name),
                    );
                }
            }
        }
        let scope = Rc::new(Scope {
            vars: RefCell::new(vars),
            parent: match closure.scope.kind {
                ScopeKind::Module => None,
                _ => Some(closure.scope.clone()),
            },
            home: closure.scope.home.clone(),
            kind: ScopeKind::Function,
            outer: def.outer.clone(),
        });
        let depth = self.depth.get() + 1;
        if depth > MAX_CALLS {
            return fatal(format!("calls go deeper than {MAX_CALLS}"));
        }
        self.depth.set(depth);
        let before = self.place.borrow().clone();
        let result = self.block(&def.body, &scope);
        self.depth.set(depth - 1);
        let value = match result? {
            Flow::Return(value) => value,
            _ => V::None,
        };
        *self.place.borrow_mut() = before;
        if is_data(&value, 0) {
            // Functions within functions know the scope and it knows them.
            scope.vars.borrow_mut().clear();
        }
        Ok(value)
    }

    // Expressions.

    pub(super) fn value(&self, expr: &Expr, scope: &Rc<Scope>) -> Made<V> {
        self.spend(1)?;
        Ok(match &expr.kind {
            Kind::None => V::None,
            Kind::Bool(b) => V::Bool(*b),
            Kind::Int(i) => V::Int(*i),
            Kind::Float(x) => V::Float(*x),
            Kind::Str(s) => V::str(&**s),
            Kind::Name(name) => self.lookup(name, scope)?,
            Kind::Format(pieces) => V::str(self.pieces(pieces, scope)?),
            Kind::List(items) => V::list(self.all(items, scope)?),
            Kind::Tuple(items) => V::tuple(self.all(items, scope)?),
            Kind::Set(items) => V::set(self.all(items, scope)?)?,
            Kind::Dict(entries) => self.dict(entries, scope)?,
            Kind::Star(_) => return fatal("'*' is not expected here"),
            Kind::Bin(op, left, right) => {
                let left = self.value(left, scope)?;
                let right = self.value(right, scope)?;
                self.binary(*op, &left, &right)?
            }
            Kind::Unary(op, inner) => unary(*op, &self.value(inner, scope)?)?,
            Kind::And(all) => self.chain(all, scope, false)?,
            Kind::Or(all) => self.chain(all, scope, true)?,
            Kind::Compare(first, rest) => self.comparison(first, rest, scope)?,
            Kind::Call(function, args) => self.call_of(function, args, scope)?,
            Kind::Attr(owner, name) => {
                let owner = self.value(owner, scope)?;
                self.attribute(owner, name)?
            }
            Kind::Index(owner, index) => {
                let owner = self.value(owner, scope)?;
                if let Kind::Slice(start, stop, step) = &index.kind {
                    let bound = |e: &Option<Box<Expr>>| -> Made<Option<i64>> {
                        match e {
                            None => Ok(None),
                            Some(e) => match self.value(e, scope)? {
                                V::None => Ok(None),
                                other => match other.int() {
                                    Some(i) => Ok(Some(i)),
                                    None => raise("TypeError", "slice indices must be integers"),
                                },
                            },
                        }
                    };
                    return slice(&owner, bound(start)?, bound(stop)?, bound(step)?);
                }
                let index = self.value(index, scope)?;
                self.item(&owner, &index)?
            }
            Kind::Slice(..) => return fatal("a slice is not expected here"),
            Kind::Lambda(def) => self.closure(def, scope)?,
            Kind::If(condition, then, otherwise) => {
                if self.value(condition, scope)?.truth()? {
                    self.value(then, scope)?
                } else {
                    self.value(otherwise, scope)?
                }
            }
            Kind::Comprehension {
                makes,
                value,
                second,
                loops,
            } => self.comprehension(*makes, value, second.as_deref(), loops, scope)?,
            Kind::Walrus(name, value) => {
                let value = self.value(value, scope)?;
                self.set_name(name, value.clone(), scope);
                value
            }
            Kind::Unsupported(what) => return fatal(format!("{what} is not read")),
        })
    }

    fn all(&self, items: &[Expr], scope: &Rc<Scope>) -> Made<Vec<V>> {
        let mut out = Vec::with_capacity(items.len());
        for item in items {
            match &item.kind {
                Kind::Star(inner) => out.extend(self.value(inner, scope)?.items()?),
                _ => out.push(self.value(item, scope)?),
            }
        }
        Ok(out)
    }

    fn dict(&self, entries: &[(Option<Expr>, Expr)], scope: &Rc<Scope>) -> Made<V> {
        let mut dict = Dict::default();
        for (key, value) in entries {
            match key {
                Some(key) => {
                    let key = self.value(key, scope)?;
                    let value = self.value(value, scope)?;
                    dict.map.insert(key.key()?, (key, value));
                }
                None => match self.value(value, scope)? {
                    V::Dict(other) => {
                        for (key, entry) in &other.borrow().map {
                            dict.map.insert(key.clone(), entry.clone());
                        }
                    }
                    other => {
                        return raise(
                            "TypeError",
                            format!("'{}' object is not a mapping", other.kind()),
                        );
                    }
                },
            }
        }
        Ok(V::Dict(Rc::new(RefCell::new(dict))))
    }

    fn chain(&self, all: &[Expr], scope: &Rc<Scope>, until: bool) -> Made<V> {
        let mut last = V::None;
        for expr in all {
            last = self.value(expr, scope)?;
            if last.truth()? == until {
                break;
            }
        }
        Ok(last)
    }

    fn comparison(&self, first: &Expr, rest: &[(Cmp, Expr)], scope: &Rc<Scope>) -> Made<V> {
        let mut left = self.value(first, scope)?;
        let mut result = V::Bool(true);
        for (i, (cmp, right)) in rest.iter().enumerate() {
            let right = self.value(right, scope)?;
            result = self.compare(*cmp, &left, &right)?;
            if i + 1 < rest.len() && !result.truth()? {
                return Ok(result);
            }
            left = right;
        }
        Ok(result)
    }

    fn compare(&self, cmp: Cmp, left: &V, right: &V) -> Made<V> {
        if matches!(left, V::Array(_)) || matches!(right, V::Array(_)) {
            match cmp {
                Cmp::Is => return Ok(V::Bool(false)),
                Cmp::IsNot => return Ok(V::Bool(true)),
                Cmp::In | Cmp::NotIn => {}
                _ => return array::each(left, right, &|a, b| self.compare(cmp, a, b)),
            }
        }
        let ordered = |want: fn(std::cmp::Ordering) -> bool| -> Made<bool> {
            if let (V::Set(a), V::Set(b)) = (left, right) {
                let (a, b) = (a.borrow(), b.borrow());
                let sub = a.keys().all(|k| b.contains_key(k));
                let sup = b.keys().all(|k| a.contains_key(k));
                return Ok(match cmp {
                    Cmp::LtE => sub,
                    Cmp::Lt => sub && !sup,
                    Cmp::GtE => sup,
                    _ => sup && !sub,
                });
            }
            Ok(left.order(right)?.is_some_and(want))
        };
        let found = match cmp {
            Cmp::Eq => left.equals(right),
            Cmp::NotEq => !left.equals(right),
            Cmp::Lt => ordered(std::cmp::Ordering::is_lt)?,
            Cmp::LtE => ordered(std::cmp::Ordering::is_le)?,
            Cmp::Gt => ordered(std::cmp::Ordering::is_gt)?,
            Cmp::GtE => ordered(std::cmp::Ordering::is_ge)?,
            Cmp::In => contains(right, left)?,
            Cmp::NotIn => !contains(right, left)?,
            Cmp::Is => same(left, right),
            Cmp::IsNot => !same(left, right),
        };
        Ok(V::Bool(found))
    }

    fn call_of(&self, function: &Expr, args: &[Arg], scope: &Rc<Scope>) -> Made<V> {
        let function = self.value(function, scope)?;
        let mut positional = Vec::with_capacity(args.len());
        let mut named: Vec<(Arc<str>, V)> = Vec::new();
        for arg in args {
            match arg {
                Arg::One(value) => positional.push(self.value(value, scope)?),
                Arg::Star(value) => positional.extend(self.value(value, scope)?.items()?),
                Arg::Named(name, value) => named.push((name.clone(), self.value(value, scope)?)),
                Arg::Mapping(value) => match self.value(value, scope)? {
                    V::Dict(dict) => {
                        for (key, value) in dict.borrow().map.values() {
                            let name: Arc<str> = (&**key.text("a named argument")?).into();
                            named.push((name, value.clone()));
                        }
                    }
                    other => {
                        return raise(
                            "TypeError",
                            format!("'{}' object is not a mapping", other.kind()),
                        );
                    }
                },
            }
        }
        self.call_named(&function, positional, named)
    }

    /// `owner.name`.
    pub(super) fn attribute(&self, owner: V, name: &Arc<str>) -> Made<V> {
        if let V::Native(path) = &owner {
            let full = format!("{path}.{name}");
            if let Some(value) = functions::constant(&full) {
                return Ok(value);
            }
            let from = self.place.borrow().0.clone();
            if let Some((file, Some(inner))) = module::imported(&from, &full) {
                let module = module::load(&file).map_err(Stop::Fatal)?;
                return self.global(&Arc::new(module), &inner);
            }
            return Ok(V::Native(full.as_str().into()));
        }
        if let Some(value) = methods::field(&owner, name)? {
            return Ok(value);
        }
        if methods::has(&owner, name) {
            return Ok(V::Bound(Rc::new((owner, name.clone()))));
        }
        raise(
            "AttributeError",
            format!("'{}' object has no attribute '{name}'", owner.kind()),
        )
    }

    /// `owner[index]`.
    pub(super) fn item(&self, owner: &V, index: &V) -> Made<V> {
        let at = |n: usize| -> Made<usize> {
            let Some(i) = index.int() else {
                return raise(
                    "TypeError",
                    format!("{} indices must be integers", owner.kind()),
                );
            };
            let place = if i < 0 { i + n as i64 } else { i };
            usize::try_from(place)
                .ok()
                .filter(|i| *i < n)
                .ok_or_else(|| {
                    Stop::Raise("IndexError", format!("{} index out of range", owner.kind()))
                })
        };
        match owner {
            V::Array(_) => array::item(owner, index),
            V::List(items) => {
                let items = items.borrow();
                Ok(items[at(items.len())?].clone())
            }
            V::Tuple(items) => Ok(items[at(items.len())?].clone()),
            V::Str(text) => {
                let i = index.int();
                // From the start there is no need to count.
                if let Some(i) = i.and_then(|i| usize::try_from(i).ok()) {
                    return match text.chars().nth(i) {
                        Some(c) => Ok(V::str(c.to_string())),
                        None => raise("IndexError", "string index out of range"),
                    };
                }
                let i = at(text.chars().count())?;
                Ok(V::str(
                    text.chars().nth(i).map_or_else(String::new, String::from),
                ))
            }
            V::Dict(dict) => {
                let key = index.key()?;
                if let Some((_, value)) = dict.borrow().map.get(&key) {
                    return Ok(value.clone());
                }
                let default = match &dict.borrow().kind {
                    DictKind::Plain => None,
                    DictKind::Counter => return Ok(V::Int(0)),
                    DictKind::Default(make) => Some(make.clone()),
                };
                match default {
                    Some(make) => {
                        let value = self.call(&make, Vec::new())?;
                        dict.borrow_mut()
                            .map
                            .insert(key, (index.clone(), value.clone()));
                        Ok(value)
                    }
                    None => raise("KeyError", index.repr()?),
                }
            }
            V::Match(found) => found.group(found.index(index)?),
            V::Set(_) => fatal("takes an item of a set, whose order is not defined; sort it"),
            V::Table(table) => table.item(index),
            other => raise(
                "TypeError",
                format!("'{}' object is not subscriptable", other.kind()),
            ),
        }
    }

    fn comprehension(
        &self,
        makes: Makes,
        value: &Expr,
        second: Option<&Expr>,
        loops: &[For],
        scope: &Rc<Scope>,
    ) -> Made<V> {
        let inner = Rc::new(Scope {
            vars: RefCell::default(),
            parent: Some(scope.clone()),
            home: scope.home.clone(),
            kind: ScopeKind::Comprehension,
            outer: Vec::new(),
        });
        let mut out = Vec::new();
        self.loop_over(loops, &inner, makes == Makes::Set, &mut |scope| {
            let first = self.value(value, scope)?;
            let second = second.map(|s| self.value(s, scope)).transpose()?;
            out.push((first, second));
            Ok(())
        })?;
        Ok(match makes {
            Makes::List => V::list(out.into_iter().map(|(v, _)| v).collect()),
            Makes::Generator => V::iter(out.into_iter().map(|(v, _)| v).collect()),
            Makes::Set => V::set(out.into_iter().map(|(v, _)| v))?,
            Makes::Dict => V::dict(out.into_iter().map(|(k, v)| (k, v.unwrap_or(V::None))))?,
        })
    }

    fn loop_over(
        &self,
        loops: &[For],
        scope: &Rc<Scope>,
        any_order: bool,
        visit: &mut dyn FnMut(&Rc<Scope>) -> Made<()>,
    ) -> Made<()> {
        let Some((first, rest)) = loops.split_first() else {
            return visit(scope);
        };
        let source = self.value(&first.source, scope)?;
        let items = if any_order {
            source.members()?
        } else {
            source.items()?
        };
        'items: for item in items {
            self.spend(1)?;
            self.bind(&first.target, item, scope)?;
            for condition in &first.conditions {
                if !self.value(condition, scope)?.truth()? {
                    continue 'items;
                }
            }
            self.loop_over(rest, scope, any_order, visit)?;
        }
        Ok(())
    }

    /// Sets names of a comprehension, which are its own.
    fn bind(&self, target: &Expr, item: V, scope: &Rc<Scope>) -> Made<()> {
        let mut names = Vec::new();
        module::target(target, &mut names);
        for name in names {
            scope.vars.borrow_mut().entry(name).or_insert(V::None);
        }
        self.assign(target, item, scope)
    }

    fn pieces(&self, pieces: &[Piece], scope: &Rc<Scope>) -> Made<String> {
        let mut out = String::new();
        for piece in pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Value {
                    value,
                    conversion,
                    spec,
                } => {
                    let value = self.value(value, scope)?;
                    let value = match conversion {
                        None => value,
                        Some('s') => V::str(value.to_text()?),
                        Some('r') => V::str(value.repr()?),
                        Some(_) => return fatal("'!a' is not read"),
                    };
                    let spec = self.pieces(spec, scope)?;
                    out.push_str(&format_value(&value, &spec)?);
                }
            }
            if out.len() > MAX_SIZE {
                return fatal("makes too long a text");
            }
        }
        Ok(out)
    }

    pub(super) fn binary(&self, op: Op, left: &V, right: &V) -> Made<V> {
        if matches!(left, V::Array(_)) || matches!(right, V::Array(_)) {
            return array::each(left, right, &|a, b| match (op, a.number(), b.number()) {
                // NumPy divides by zero without a word.
                (Op::Div, Some(x), Some(y)) => Ok(V::Float(x / y)),
                _ => self.binary(op, a, b),
            });
        }
        binary(op, left, right)
    }
}

/// Whether a loop's body does the same in any order: it adds to sets and nothing else.
fn order_is_nothing(body: &[Stmt]) -> bool {
    body.iter().all(|stmt| match &stmt.kind {
        Do::If(_, then, otherwise) => order_is_nothing(then) && order_is_nothing(otherwise),
        Do::Expr(expr) => match &expr.kind {
            Kind::Call(function, _) => {
                matches!(&function.kind, Kind::Attr(_, name) if &**name == "add")
            }
            _ => false,
        },
        Do::Pass | Do::Continue => true,
        _ => false,
    })
}

/// Whether nothing in it can hold on to a scope.
fn is_data(value: &V, depth: usize) -> bool {
    if depth > 4 {
        return false;
    }
    match value {
        V::None | V::Bool(_) | V::Int(_) | V::Float(_) | V::Str(_) | V::Table(_) => true,
        V::List(items) | V::Array(items) => items.borrow().iter().all(|v| is_data(v, depth + 1)),
        V::Tuple(items) => items.iter().all(|v| is_data(v, depth + 1)),
        V::Dict(dict) => {
            let dict = dict.borrow();
            matches!(dict.kind, DictKind::Plain)
                && dict.map.values().all(|(_, v)| is_data(v, depth + 1))
        }
        _ => false,
    }
}

/// Exceptions by name.
const ERRORS: [&str; 14] = [
    "Exception",
    "ValueError",
    "KeyError",
    "IndexError",
    "TypeError",
    "AttributeError",
    "AssertionError",
    "ZeroDivisionError",
    "NameError",
    "NotImplementedError",
    "RuntimeError",
    "SyntaxError",
    "OverflowError",
    "StopIteration",
];

/// Whether a name is an exception's.
pub(super) fn is_error(name: &str) -> bool {
    ERRORS.contains(&name)
        || matches!(
            name,
            "BaseException" | "ImportError" | "LookupError" | "error"
        )
}

/// The kind that a name of an exception stands for.
pub(super) fn error_kind(name: &str) -> &'static str {
    ERRORS
        .into_iter()
        .find(|e| *e == name)
        .unwrap_or("Exception")
}

/// Whether `except handler` catches an exception.
fn catches(handler: &str, kind: &str) -> bool {
    handler == kind
        || matches!(handler, "Exception" | "BaseException")
        || (handler == "LookupError" && matches!(kind, "KeyError" | "IndexError"))
        || (handler == "ArithmeticError" && matches!(kind, "ZeroDivisionError" | "OverflowError"))
}

/// `functools.partial(function, …)`.
pub(super) fn partial(args: Vec<V>, named: Vec<(Arc<str>, V)>) -> Made<V> {
    let mut args = args.into_iter();
    match args.next() {
        Some(function) => Ok(V::Partial(Rc::new(Partial {
            function,
            args: args.collect(),
            named,
        }))),
        None => raise("TypeError", "partial needs a function"),
    }
}
