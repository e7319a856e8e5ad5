//! From the text of a Python module to its statements.
//!
//! Every module is read whole. What is outside the part of the language that is read here
//! (classes, `with`, `yield`, decorators …) becomes a statement or expression that says so;
//! it matters only to helpers that lead to it.

use std::sync::Arc;

use super::ast::{
    Arg, Cmp, Def, Do, Except, Expr, For, Kind, Makes, Op, Param, Piece, Stmt, Unary,
};
use super::lex::{Token, tokens, unescape};

/// Deepest nesting of expressions and blocks.
const MAX_DEPTH: usize = 48;

/// Why a module is not read: its line and a lowercase reason.
type Fault = (u32, String);
type Made<T> = Result<T, Fault>;

/// The statements of a module.
///
/// # Errors
/// Line and reason where the text is not Python.
pub(super) fn module(source: &str) -> Made<Vec<Stmt>> {
    let mut parser = Parser {
        tokens: tokens(source)?,
        at: 0,
        depth: 0,
        outer: Vec::new(),
    };
    let mut out = Vec::new();
    while *parser.peek() != Token::End {
        parser.statement(&mut out)?;
    }
    Ok(out)
}

/// Items between brackets, or the value and loops of a comprehension.
type Items = (Vec<Expr>, Option<(Expr, Vec<For>)>);

struct Parser {
    tokens: Vec<(Token, u32)>,
    at: usize,
    depth: usize,
    /// Names declared `global` or `nonlocal` in the function being read.
    outer: Vec<Arc<str>>,
}

const KEYWORDS: [&str; 35] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue",
    "def", "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import",
    "in", "is", "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while",
    "with", "yield",
];

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).map_or(&Token::End, |t| &t.0)
    }

    fn line(&self) -> u32 {
        self.tokens
            .get(self.at)
            .or(self.tokens.last())
            .map_or(1, |t| t.1)
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn fail<T>(&self, reason: impl Into<String>) -> Made<T> {
        Err((self.line(), reason.into()))
    }

    fn is_op(&self, op: &str) -> bool {
        matches!(self.peek(), Token::Op(o) if *o == op)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Name(n) if n == word)
    }

    fn eat_op(&mut self, op: &str) -> bool {
        let found = self.is_op(op);
        self.at += usize::from(found);
        found
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.at += usize::from(found);
        found
    }

    fn expect_op(&mut self, op: &str) -> Made<()> {
        if self.eat_op(op) {
            return Ok(());
        }
        self.fail(format!("expected '{op}'"))
    }

    fn name(&mut self) -> Made<Arc<str>> {
        match self.peek() {
            Token::Name(n) if !KEYWORDS.contains(&n.as_str()) => {
                let name = n.as_str().into();
                self.at += 1;
                Ok(name)
            }
            _ => self.fail("expected a name"),
        }
    }

    fn deeper(&mut self) -> Made<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self.fail(format!("nested deeper than {MAX_DEPTH} levels"));
        }
        Ok(())
    }

    // Statements.

    fn block(&mut self) -> Made<Vec<Stmt>> {
        self.expect_op(":")?;
        self.deeper()?;
        let mut out = Vec::new();
        if *self.peek() == Token::Line {
            self.at += 1;
            if *self.peek() != Token::Indent {
                return self.fail("expected an indented block");
            }
            self.at += 1;
            while *self.peek() != Token::Dedent {
                if *self.peek() == Token::End {
                    return self.fail("a block does not end");
                }
                self.statement(&mut out)?;
            }
            self.at += 1;
        } else {
            self.simple_line(&mut out)?;
        }
        self.depth -= 1;
        Ok(out)
    }

    fn statement(&mut self, out: &mut Vec<Stmt>) -> Made<()> {
        let line = self.line();
        let word = match self.peek() {
            Token::Name(n) => n.clone(),
            Token::Op("@") => {
                self.at += 1;
                self.expression()?;
                self.at += usize::from(*self.peek() == Token::Line);
                let mut inner = Vec::new();
                self.statement(&mut inner)?;
                // What a decorator makes of a function is not known.
                if let Some(Stmt {
                    kind: Do::Def(def), ..
                }) = inner.first()
                {
                    let what = format!("the decorated function {}", def.name);
                    out.push(Stmt {
                        line,
                        kind: Do::Unsupported(what),
                    });
                } else {
                    out.extend(inner);
                }
                return Ok(());
            }
            _ => String::new(),
        };
        let kind = match word.as_str() {
            "if" => {
                self.at += 1;
                self.if_rest()?
            }
            "for" => {
                self.at += 1;
                let target = self.targets()?;
                if !self.eat_word("in") {
                    return self.fail("expected 'in'");
                }
                let source = self.expressions()?;
                let body = self.block()?;
                let otherwise = self.else_block()?;
                Do::For(target, source, body, otherwise)
            }
            "while" => {
                self.at += 1;
                let condition = self.named()?;
                let body = self.block()?;
                if !self.else_block()?.is_empty() {
                    Do::Unsupported("while … else".into())
                } else {
                    Do::While(condition, body)
                }
            }
            "def" => {
                self.at += 1;
                Do::Def(Arc::new(self.def(line)?))
            }
            "class" => {
                self.at += 1;
                let name = self.name()?;
                if self.eat_op("(") {
                    self.arguments()?;
                }
                self.block()?;
                Do::Class(name)
            }
            "try" => {
                self.at += 1;
                self.try_rest()?
            }
            "with" => {
                self.at += 1;
                loop {
                    self.expression()?;
                    if self.eat_word("as") {
                        self.target()?;
                    }
                    if !self.eat_op(",") {
                        break;
                    }
                }
                self.block()?;
                Do::Unsupported("'with'".into())
            }
            "async" => return self.fail("'async' is not read"),
            _ => return self.simple_line(out),
        };
        out.push(Stmt { line, kind });
        Ok(())
    }

    fn if_rest(&mut self) -> Made<Do> {
        let condition = self.named()?;
        let body = self.block()?;
        let line = self.line();
        let otherwise = if self.eat_word("elif") {
            self.deeper()?;
            let kind = self.if_rest()?;
            self.depth -= 1;
            vec![Stmt { line, kind }]
        } else {
            self.else_block()?
        };
        Ok(Do::If(condition, body, otherwise))
    }

    fn else_block(&mut self) -> Made<Vec<Stmt>> {
        if self.eat_word("else") {
            self.block()
        } else {
            Ok(Vec::new())
        }
    }

    fn try_rest(&mut self) -> Made<Do> {
        let body = self.block()?;
        let mut excepts = Vec::new();
        while self.eat_word("except") {
            let mut kinds = None;
            let mut name = None;
            if !self.is_op(":") {
                let expr = self.expression()?;
                kinds = Some(kinds_of(&expr));
                if self.eat_word("as") {
                    name = Some(self.name()?);
                }
            }
            let body = self.block()?;
            excepts.push(Except { kinds, name, body });
        }
        let otherwise = self.else_block()?;
        let finally = if self.eat_word("finally") {
            self.block()?
        } else {
            Vec::new()
        };
        Ok(Do::Try {
            body,
            excepts,
            otherwise,
            finally,
        })
    }

    fn simple_line(&mut self, out: &mut Vec<Stmt>) -> Made<()> {
        loop {
            let line = self.line();
            if let Some(kind) = self.simple()? {
                out.push(Stmt { line, kind });
            }
            if !self.eat_op(";") {
                break;
            }
            if *self.peek() == Token::Line {
                break;
            }
        }
        match self.peek() {
            Token::Line => {
                self.at += 1;
                Ok(())
            }
            Token::End | Token::Dedent => Ok(()),
            _ => self.fail("expected the end of a line"),
        }
    }

    fn simple(&mut self) -> Made<Option<Do>> {
        let word = match self.peek() {
            Token::Name(n) => n.clone(),
            _ => String::new(),
        };
        let ends = |p: &Parser| matches!(p.peek(), Token::Line | Token::End) || p.is_op(";");
        Ok(Some(match word.as_str() {
            "pass" => {
                self.at += 1;
                Do::Pass
            }
            "break" => {
                self.at += 1;
                Do::Break
            }
            "continue" => {
                self.at += 1;
                Do::Continue
            }
            "return" => {
                self.at += 1;
                if ends(self) {
                    Do::Return(None)
                } else {
                    Do::Return(Some(self.expressions()?))
                }
            }
            "raise" => {
                self.at += 1;
                if ends(self) {
                    Do::Raise(None)
                } else {
                    let what = self.expression()?;
                    if self.eat_word("from") {
                        self.expression()?;
                    }
                    Do::Raise(Some(what))
                }
            }
            "assert" => {
                self.at += 1;
                let condition = self.expression()?;
                let message = if self.eat_op(",") {
                    Some(self.expression()?)
                } else {
                    None
                };
                Do::Assert(condition, message)
            }
            "del" => {
                self.at += 1;
                let target = self.targets()?;
                Do::Delete(match target.kind {
                    Kind::Tuple(all) => all,
                    _ => vec![target],
                })
            }
            "global" | "nonlocal" => {
                self.at += 1;
                loop {
                    let name = self.name()?;
                    self.outer.push(name);
                    if !self.eat_op(",") {
                        break;
                    }
                }
                return Ok(None);
            }
            "import" => {
                self.at += 1;
                self.import()?
            }
            "from" => {
                self.at += 1;
                self.import_from()?
            }
            _ => self.assignment()?,
        }))
    }

    fn dotted(&mut self) -> Made<String> {
        let mut path = self.name()?.to_string();
        while self.eat_op(".") {
            path.push('.');
            path.push_str(&self.name()?);
        }
        Ok(path)
    }

    fn import(&mut self) -> Made<Do> {
        let mut names = Vec::new();
        loop {
            let path = self.dotted()?;
            if self.eat_word("as") {
                names.push((self.name()?, path));
            } else {
                // `import a.b` binds `a`.
                let first = path.split('.').next().unwrap_or(&path).to_string();
                names.push((first.as_str().into(), first));
            }
            if !self.eat_op(",") {
                break;
            }
        }
        Ok(Do::Import(names))
    }

    fn import_from(&mut self) -> Made<Do> {
        let mut path = String::new();
        loop {
            if self.eat_op(".") {
                path.push('.');
            } else if self.eat_op("...") {
                path.push_str("...");
            } else {
                break;
            }
        }
        if !self.is_word("import") {
            path.push_str(&self.dotted()?);
        }
        if !self.eat_word("import") {
            return self.fail("expected 'import'");
        }
        if self.eat_op("*") {
            return Ok(Do::Import(vec![("*".into(), path)]));
        }
        let bracket = self.eat_op("(");
        let mut names = Vec::new();
        loop {
            if bracket && self.is_op(")") {
                break;
            }
            let name = self.name()?;
            let full = format!("{path}.{name}");
            let alias = if self.eat_word("as") {
                self.name()?
            } else {
                name
            };
            names.push((alias, full));
            if !self.eat_op(",") {
                break;
            }
        }
        if bracket {
            self.expect_op(")")?;
        }
        Ok(Do::Import(names))
    }

    fn assignment(&mut self) -> Made<Do> {
        const AUGMENTED: [(&str, Op); 9] = [
            ("+=", Op::Add),
            ("-=", Op::Sub),
            ("*=", Op::Mul),
            ("/=", Op::Div),
            ("//=", Op::FloorDiv),
            ("%=", Op::Mod),
            ("**=", Op::Pow),
            ("&=", Op::BitAnd),
            ("|=", Op::BitOr),
        ];
        let first = self.expressions()?;
        for (sign, op) in AUGMENTED {
            if self.eat_op(sign) {
                let value = self.expressions()?;
                return Ok(Do::Augment(first, op, value));
            }
        }
        if self.eat_op(":") {
            // The type that an annotation gives is of no account.
            self.expression()?;
            if self.eat_op("=") {
                let value = self.expressions()?;
                return Ok(Do::Assign(vec![first], value));
            }
            return Ok(Do::Pass);
        }
        let mut all = vec![first];
        while self.eat_op("=") {
            all.push(self.expressions()?);
        }
        let last = all.pop();
        match last {
            Some(value) if !all.is_empty() => Ok(Do::Assign(all, value)),
            Some(value) => Ok(Do::Expr(value)),
            None => self.fail("expected an expression"),
        }
    }

    fn def(&mut self, line: u32) -> Made<Def> {
        let name = self.name()?;
        self.expect_op("(")?;
        let outer = std::mem::take(&mut self.outer);
        let mut def = self.params(")", name, line)?;
        self.expect_op(")")?;
        if self.eat_op("->") {
            self.expression()?;
        }
        def.body = self.block()?;
        def.outer = std::mem::replace(&mut self.outer, outer);
        Ok(def)
    }

    /// Parameters up to `close`, which stays.
    fn params(&mut self, close: &str, name: Arc<str>, line: u32) -> Made<Def> {
        let mut def = Def {
            name,
            line,
            params: Vec::new(),
            rest: None,
            named: Vec::new(),
            mapping: None,
            body: Vec::new(),
            outer: Vec::new(),
        };
        let typed = close == ")";
        let mut only_named = false;
        while !self.is_op(close) {
            if self.eat_op("/") {
            } else if self.eat_op("**") {
                def.mapping = Some(self.name()?);
                self.annotation(typed)?;
            } else if self.eat_op("*") {
                only_named = true;
                if !self.is_op(",") {
                    def.rest = Some(self.name()?);
                    self.annotation(typed)?;
                }
            } else {
                let name = self.name()?;
                self.annotation(typed)?;
                let default = if self.eat_op("=") {
                    Some(self.expression()?)
                } else {
                    None
                };
                let list = if only_named {
                    &mut def.named
                } else {
                    &mut def.params
                };
                list.push(Param { name, default });
            }
            if !self.eat_op(",") {
                break;
            }
        }
        Ok(def)
    }

    fn annotation(&mut self, typed: bool) -> Made<()> {
        if typed && self.eat_op(":") {
            self.expression()?;
        }
        Ok(())
    }

    // Expressions, weakest binding first.

    /// A list without brackets is a tuple.
    fn expressions(&mut self) -> Made<Expr> {
        let line = self.line();
        if self.is_word("yield") {
            self.at += 1;
            if !matches!(self.peek(), Token::Line | Token::End) && !self.is_op(")") {
                self.eat_word("from");
                self.expressions()?;
            }
            return Ok(Expr {
                line,
                kind: Kind::Unsupported("'yield'".into()),
            });
        }
        let first = self.starred()?;
        if !self.is_op(",") {
            return Ok(first);
        }
        let mut all = vec![first];
        while self.eat_op(",") {
            if self.ends_list() {
                break;
            }
            all.push(self.starred()?);
        }
        Ok(Expr {
            line,
            kind: Kind::Tuple(all),
        })
    }

    fn ends_list(&self) -> bool {
        match self.peek() {
            Token::Line | Token::End => true,
            Token::Op(o) => matches!(*o, ")" | "]" | "}" | "=" | ":" | ";" | "+=" | "-="),
            Token::Name(n) => n == "in",
            _ => false,
        }
    }

    fn starred(&mut self) -> Made<Expr> {
        let line = self.line();
        if self.eat_op("*") {
            let inner = self.or_pipe()?;
            return Ok(Expr {
                line,
                kind: Kind::Star(Box::new(inner)),
            });
        }
        self.named()
    }

    /// Targets of `for`, which end before `in`.
    fn targets(&mut self) -> Made<Expr> {
        let line = self.line();
        let first = self.target()?;
        if !self.is_op(",") {
            return Ok(first);
        }
        let mut all = vec![first];
        while self.eat_op(",") {
            if self.ends_list() {
                break;
            }
            all.push(self.target()?);
        }
        Ok(Expr {
            line,
            kind: Kind::Tuple(all),
        })
    }

    fn target(&mut self) -> Made<Expr> {
        let line = self.line();
        if self.eat_op("*") {
            let inner = self.postfix()?;
            return Ok(Expr {
                line,
                kind: Kind::Star(Box::new(inner)),
            });
        }
        self.postfix()
    }

    /// An expression or `name := expression`.
    fn named(&mut self) -> Made<Expr> {
        let line = self.line();
        let first = self.expression()?;
        if self.eat_op(":=") {
            let Kind::Name(name) = first.kind else {
                return self.fail("':=' needs a name");
            };
            let value = self.expression()?;
            return Ok(Expr {
                line,
                kind: Kind::Walrus(name, Box::new(value)),
            });
        }
        Ok(first)
    }

    fn expression(&mut self) -> Made<Expr> {
        self.deeper()?;
        let made = self.expression_inner();
        self.depth -= 1;
        made
    }

    fn expression_inner(&mut self) -> Made<Expr> {
        let line = self.line();
        if self.eat_word("lambda") {
            let mut def = self.params(":", "<lambda>".into(), line)?;
            self.expect_op(":")?;
            let body = self.expression()?;
            def.body.push(Stmt {
                line,
                kind: Do::Return(Some(body)),
            });
            return Ok(Expr {
                line,
                kind: Kind::Lambda(Arc::new(def)),
            });
        }
        let value = self.or()?;
        if self.eat_word("if") {
            let condition = self.or()?;
            if !self.eat_word("else") {
                return self.fail("expected 'else'");
            }
            let otherwise = self.expression()?;
            return Ok(Expr {
                line,
                kind: Kind::If(Box::new(condition), Box::new(value), Box::new(otherwise)),
            });
        }
        Ok(value)
    }

    fn or(&mut self) -> Made<Expr> {
        let line = self.line();
        let mut all = vec![self.and()?];
        while self.eat_word("or") {
            all.push(self.and()?);
        }
        Ok(one_or(all, line, Kind::Or))
    }

    fn and(&mut self) -> Made<Expr> {
        let line = self.line();
        let mut all = vec![self.not()?];
        while self.eat_word("and") {
            all.push(self.not()?);
        }
        Ok(one_or(all, line, Kind::And))
    }

    fn not(&mut self) -> Made<Expr> {
        let line = self.line();
        if self.eat_word("not") {
            self.deeper()?;
            let inner = self.not()?;
            self.depth -= 1;
            return Ok(Expr {
                line,
                kind: Kind::Unary(Unary::Not, Box::new(inner)),
            });
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Made<Expr> {
        let line = self.line();
        let first = self.or_pipe()?;
        let mut rest = Vec::new();
        loop {
            let cmp = match self.peek() {
                Token::Op("==") => Cmp::Eq,
                Token::Op("!=") => Cmp::NotEq,
                Token::Op("<") => Cmp::Lt,
                Token::Op("<=") => Cmp::LtE,
                Token::Op(">") => Cmp::Gt,
                Token::Op(">=") => Cmp::GtE,
                Token::Name(n) if n == "in" => Cmp::In,
                Token::Name(n) if n == "is" => Cmp::Is,
                Token::Name(n) if n == "not" => Cmp::NotIn,
                _ => break,
            };
            self.at += 1;
            let cmp = match cmp {
                Cmp::Is if self.eat_word("not") => Cmp::IsNot,
                Cmp::NotIn if !self.eat_word("in") => return self.fail("expected 'in'"),
                other => other,
            };
            rest.push((cmp, self.or_pipe()?));
        }
        if rest.is_empty() {
            return Ok(first);
        }
        Ok(Expr {
            line,
            kind: Kind::Compare(Box::new(first), rest),
        })
    }

    /// `|` and everything that binds more strongly.
    fn or_pipe(&mut self) -> Made<Expr> {
        self.binary(0)
    }

    fn binary(&mut self, level: usize) -> Made<Expr> {
        const LEVELS: [&[(&str, Op)]; 5] = [
            &[("|", Op::BitOr)],
            &[("^", Op::BitXor)],
            &[("&", Op::BitAnd)],
            &[("+", Op::Add), ("-", Op::Sub)],
            &[
                ("*", Op::Mul),
                ("/", Op::Div),
                ("//", Op::FloorDiv),
                ("%", Op::Mod),
            ],
        ];
        let Some(ops) = LEVELS.get(level) else {
            return self.unary();
        };
        let line = self.line();
        let mut left = self.binary(level + 1)?;
        let mut n = 0;
        while let Some((sign, op)) = ops.iter().find(|(sign, _)| self.is_op(sign)) {
            self.at += usize::from(self.is_op(sign));
            let right = self.binary(level + 1)?;
            left = Expr {
                line,
                kind: Kind::Bin(*op, Box::new(left), Box::new(right)),
            };
            n += 1;
            if n > 200 {
                return self.fail("a sum of more than 200 parts");
            }
        }
        Ok(left)
    }

    fn unary(&mut self) -> Made<Expr> {
        let line = self.line();
        let op = match self.peek() {
            Token::Op("-") => Unary::Minus,
            Token::Op("+") => Unary::Plus,
            Token::Op("~") => Unary::Invert,
            _ => return self.power(),
        };
        self.at += 1;
        self.deeper()?;
        let inner = self.unary()?;
        self.depth -= 1;
        Ok(Expr {
            line,
            kind: Kind::Unary(op, Box::new(inner)),
        })
    }

    fn power(&mut self) -> Made<Expr> {
        let line = self.line();
        let base = self.postfix()?;
        if self.eat_op("**") {
            self.deeper()?;
            let exponent = self.unary()?;
            self.depth -= 1;
            return Ok(Expr {
                line,
                kind: Kind::Bin(Op::Pow, Box::new(base), Box::new(exponent)),
            });
        }
        Ok(base)
    }

    fn postfix(&mut self) -> Made<Expr> {
        let mut value = self.atom()?;
        let mut n = 0;
        loop {
            let line = self.line();
            let kind = if self.eat_op(".") {
                let name = match self.next() {
                    Token::Name(n) => n.as_str().into(),
                    _ => return self.fail("expected a name after '.'"),
                };
                Kind::Attr(Box::new(value), name)
            } else if self.eat_op("(") {
                Kind::Call(Box::new(value), self.arguments()?)
            } else if self.eat_op("[") {
                let index = self.subscript()?;
                self.expect_op("]")?;
                Kind::Index(Box::new(value), Box::new(index))
            } else {
                return Ok(value);
            };
            value = Expr { line, kind };
            n += 1;
            if n > 200 {
                return self.fail("a chain of more than 200 calls");
            }
        }
    }

    fn subscript(&mut self) -> Made<Expr> {
        let line = self.line();
        let first = self.slice()?;
        if !self.is_op(",") {
            return Ok(first);
        }
        let mut all = vec![first];
        while self.eat_op(",") {
            if self.is_op("]") {
                break;
            }
            all.push(self.slice()?);
        }
        Ok(Expr {
            line,
            kind: Kind::Tuple(all),
        })
    }

    fn slice(&mut self) -> Made<Expr> {
        let line = self.line();
        let bound = |p: &mut Parser| -> Made<Option<Box<Expr>>> {
            if p.is_op(":") || p.is_op("]") || p.is_op(",") {
                return Ok(None);
            }
            p.named().map(|e| Some(Box::new(e)))
        };
        let start = bound(self)?;
        if !self.eat_op(":") {
            return match start {
                Some(index) => Ok(*index),
                None => self.fail("expected an index"),
            };
        }
        let stop = bound(self)?;
        let step = if self.eat_op(":") { bound(self)? } else { None };
        Ok(Expr {
            line,
            kind: Kind::Slice(start, stop, step),
        })
    }

    /// Arguments up to and with the closing bracket.
    fn arguments(&mut self) -> Made<Vec<Arg>> {
        let mut out = Vec::new();
        while !self.eat_op(")") {
            if self.eat_op("**") {
                out.push(Arg::Mapping(self.expression()?));
            } else if self.eat_op("*") {
                out.push(Arg::Star(self.expression()?));
            } else {
                let line = self.line();
                let value = self.named()?;
                match &value.kind {
                    Kind::Name(name) if self.is_op("=") => {
                        let name = name.clone();
                        self.at += 1;
                        out.push(Arg::Named(name, self.expression()?));
                    }
                    _ if self.is_word("for") || self.is_word("async") => {
                        let loops = self.loops()?;
                        out.push(Arg::One(Expr {
                            line,
                            kind: Kind::Comprehension {
                                makes: Makes::Generator,
                                value: Box::new(value),
                                second: None,
                                loops,
                            },
                        }));
                    }
                    _ => out.push(Arg::One(value)),
                }
            }
            if !self.eat_op(",") {
                self.expect_op(")")?;
                break;
            }
        }
        Ok(out)
    }

    fn loops(&mut self) -> Made<Vec<For>> {
        let mut out = Vec::new();
        while self.eat_word("for") {
            let target = self.targets()?;
            if !self.eat_word("in") {
                return self.fail("expected 'in'");
            }
            let source = self.or()?;
            let mut conditions = Vec::new();
            while self.eat_word("if") {
                conditions.push(self.or()?);
            }
            out.push(For {
                target,
                source,
                conditions,
            });
        }
        if out.is_empty() {
            return self.fail("expected 'for'");
        }
        Ok(out)
    }

    fn atom(&mut self) -> Made<Expr> {
        let line = self.line();
        let kind = match self.next() {
            Token::Int(n) => Kind::Int(n),
            Token::Float(x) => Kind::Float(x),
            Token::Str(text) => return self.strings(vec![Piece::Text(text)], line, true),
            Token::Format(body, raw) => {
                let pieces = self.pieces(&body, raw, line)?;
                return self.strings(pieces, line, false);
            }
            Token::Name(name) => match name.as_str() {
                "None" => Kind::None,
                "True" => Kind::Bool(true),
                "False" => Kind::Bool(false),
                "await" => return self.fail("'await' is not read"),
                word if KEYWORDS.contains(&word) => {
                    self.at -= 1;
                    return self.fail(format!("'{word}' is not expected here"));
                }
                _ => Kind::Name(name.as_str().into()),
            },
            Token::Op("(") => return self.round(line),
            Token::Op("[") => return self.square(line),
            Token::Op("{") => return self.braces(line),
            Token::Op("...") => Kind::Unsupported("'...'".into()),
            _ => {
                self.at -= 1;
                return self.fail("expected an expression");
            }
        };
        Ok(Expr { line, kind })
    }

    /// Adjacent string literals are one.
    fn strings(&mut self, mut pieces: Vec<Piece>, line: u32, mut plain: bool) -> Made<Expr> {
        loop {
            match self.peek().clone() {
                Token::Str(text) => {
                    self.at += 1;
                    match pieces.last_mut() {
                        Some(Piece::Text(last)) => last.push_str(&text),
                        _ => pieces.push(Piece::Text(text)),
                    }
                }
                Token::Format(body, raw) => {
                    self.at += 1;
                    plain = false;
                    pieces.extend(self.pieces(&body, raw, line)?);
                }
                _ => break,
            }
        }
        let kind = match (plain, pieces.as_slice()) {
            (true, [Piece::Text(text)]) => Kind::Str(text.as_str().into()),
            _ => Kind::Format(pieces),
        };
        Ok(Expr { line, kind })
    }

    /// The pieces of an f-string's body.
    fn pieces(&mut self, body: &str, raw: bool, line: u32) -> Made<Vec<Piece>> {
        let mut out = Vec::new();
        let mut text = String::new();
        let mut rest = body;
        let plain = |text: &str| {
            if raw {
                Ok(text.to_string())
            } else {
                unescape(text).map_err(|reason| (line, reason))
            }
        };
        while let Some(at) = rest.find(['{', '}']) {
            text.push_str(&rest[..at]);
            let sign = &rest[at..=at];
            rest = &rest[at + 1..];
            if rest.starts_with(sign) {
                text.push_str(sign);
                rest = &rest[1..];
                continue;
            }
            if sign == "}" {
                return Err((line, "a '}' stands alone in an f-string".into()));
            }
            if !text.is_empty() {
                out.push(Piece::Text(plain(&text)?));
                text.clear();
            }
            let (source, conversion, spec, after) =
                field(rest).ok_or((line, "a field of an f-string does not end".to_string()))?;
            rest = after;
            if source.trim_end().ends_with('=') && !source.trim_end().ends_with("==") {
                return Err((line, "f-string fields with '=' are not read".into()));
            }
            self.deeper()?;
            let value = self.inner(source, line)?;
            let spec = self.pieces(spec, raw, line)?;
            self.depth -= 1;
            out.push(Piece::Value {
                value,
                conversion,
                spec,
            });
        }
        text.push_str(rest);
        if !text.is_empty() {
            out.push(Piece::Text(plain(&text)?));
        }
        Ok(out)
    }

    /// An expression within an f-string.
    fn inner(&mut self, source: &str, line: u32) -> Made<Expr> {
        let bracketed = format!("({source})");
        let all = tokens(&bracketed).map_err(|(_, reason)| (line, reason))?;
        let mut parser = Parser {
            tokens: all.into_iter().map(|(t, _)| (t, line)).collect(),
            at: 0,
            depth: self.depth,
            outer: Vec::new(),
        };
        let value = parser.expressions()?;
        match parser.peek() {
            Token::Line | Token::End => Ok(value),
            _ => Err((line, "a field of an f-string is not one expression".into())),
        }
    }

    fn round(&mut self, line: u32) -> Made<Expr> {
        if self.eat_op(")") {
            return Ok(Expr {
                line,
                kind: Kind::Tuple(Vec::new()),
            });
        }
        self.deeper()?;
        let value = self.expressions()?;
        self.depth -= 1;
        if self.is_word("for") {
            let loops = self.loops()?;
            self.expect_op(")")?;
            return Ok(Expr {
                line,
                kind: Kind::Comprehension {
                    makes: Makes::Generator,
                    value: Box::new(value),
                    second: None,
                    loops,
                },
            });
        }
        self.expect_op(")")?;
        Ok(value)
    }

    fn square(&mut self, line: u32) -> Made<Expr> {
        let (items, loops) = self.items("]")?;
        let kind = match loops {
            Some((value, loops)) => Kind::Comprehension {
                makes: Makes::List,
                value: Box::new(value),
                second: None,
                loops,
            },
            None => Kind::List(items),
        };
        Ok(Expr { line, kind })
    }

    /// Items up to and with `close`, or a comprehension.
    fn items(&mut self, close: &str) -> Made<Items> {
        let mut out = Vec::new();
        while !self.eat_op(close) {
            let value = self.starred()?;
            if out.is_empty() && self.is_word("for") {
                let loops = self.loops()?;
                self.expect_op(close)?;
                return Ok((out, Some((value, loops))));
            }
            out.push(value);
            if !self.eat_op(",") {
                self.expect_op(close)?;
                break;
            }
        }
        Ok((out, None))
    }

    fn braces(&mut self, line: u32) -> Made<Expr> {
        let mut entries = Vec::new();
        if self.eat_op("}") {
            return Ok(Expr {
                line,
                kind: Kind::Dict(entries),
            });
        }
        if !self.is_op("**") {
            let first = self.starred()?;
            if !self.is_op(":") {
                return self.set(first, line);
            }
            self.at += 1;
            let value = self.expression()?;
            if self.is_word("for") {
                let loops = self.loops()?;
                self.expect_op("}")?;
                return Ok(Expr {
                    line,
                    kind: Kind::Comprehension {
                        makes: Makes::Dict,
                        value: Box::new(first),
                        second: Some(Box::new(value)),
                        loops,
                    },
                });
            }
            entries.push((Some(first), value));
            if !self.eat_op(",") {
                self.expect_op("}")?;
                return Ok(Expr {
                    line,
                    kind: Kind::Dict(entries),
                });
            }
        }
        while !self.eat_op("}") {
            if self.eat_op("**") {
                entries.push((None, self.or_pipe()?));
            } else {
                let key = self.expression()?;
                self.expect_op(":")?;
                entries.push((Some(key), self.expression()?));
            }
            if !self.eat_op(",") {
                self.expect_op("}")?;
                break;
            }
        }
        Ok(Expr {
            line,
            kind: Kind::Dict(entries),
        })
    }

    fn set(&mut self, first: Expr, line: u32) -> Made<Expr> {
        if self.is_word("for") {
            let loops = self.loops()?;
            self.expect_op("}")?;
            return Ok(Expr {
                line,
                kind: Kind::Comprehension {
                    makes: Makes::Set,
                    value: Box::new(first),
                    second: None,
                    loops,
                },
            });
        }
        let mut all = vec![first];
        while self.eat_op(",") {
            if self.is_op("}") {
                break;
            }
            all.push(self.starred()?);
        }
        self.expect_op("}")?;
        Ok(Expr {
            line,
            kind: Kind::Set(all),
        })
    }
}

fn one_or(mut all: Vec<Expr>, line: u32, many: fn(Vec<Expr>) -> Kind) -> Expr {
    if all.len() == 1
        && let Some(only) = all.pop()
    {
        return only;
    }
    Expr {
        line,
        kind: many(all),
    }
}

/// Names of exceptions that an `except` lists.
fn kinds_of(expr: &Expr) -> Vec<String> {
    match &expr.kind {
        Kind::Name(name) => vec![name.to_string()],
        Kind::Attr(_, name) => vec![name.to_string()],
        Kind::Tuple(all) => all.iter().flat_map(kinds_of).collect(),
        _ => Vec::new(),
    }
}

/// The parts of a field of an f-string (its `{` is gone): expression, conversion, format,
/// and what follows its `}`.
fn field(text: &str) -> Option<(&str, Option<char>, &str, &str)> {
    let mut depth = 0usize;
    let mut quote: Option<char> = None;
    let mut end = None;
    let bytes = text.as_bytes();
    for (i, c) in text.char_indices() {
        if let Some(q) = quote {
            if c == q {
                quote = None;
            }
            continue;
        }
        match c {
            '\'' | '"' => quote = Some(c),
            '(' | '[' | '{' => depth += 1,
            ')' | ']' => depth = depth.checked_sub(1)?,
            '}' if depth > 0 => depth -= 1,
            '}' | ':' if depth == 0 => {
                end = Some(i);
                break;
            }
            '!' if depth == 0 && bytes.get(i + 1) != Some(&b'=') => {
                end = Some(i);
                break;
            }
            _ => {}
        }
    }
    let end = end?;
    let source = &text[..end];
    let mut rest = &text[end..];
    let mut conversion = None;
    if let Some(after) = rest.strip_prefix('!') {
        conversion = after.chars().next();
        rest = &after[conversion.map_or(0, char::len_utf8)..];
    }
    if let Some(after) = rest.strip_prefix(':') {
        let mut depth = 0usize;
        for (i, c) in after.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => {
                    return Some((source, conversion, &after[..i], &after[i + 1..]));
                }
                '}' => depth -= 1,
                _ => {}
            }
        }
        return None;
    }
    let after = rest.strip_prefix('}')?;
    Some((source, conversion, "", after))
}
