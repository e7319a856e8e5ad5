//! The part of Python's syntax that helpers of task files are read in.

use std::sync::Arc;

/// An expression and its line.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Expr {
    pub(super) line: u32,
    pub(super) kind: Kind,
}

/// Two operands' arithmetic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Add,
    Sub,
    Mul,
    Div,
    FloorDiv,
    Mod,
    Pow,
    BitAnd,
    BitOr,
    BitXor,
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cmp {
    Eq,
    NotEq,
    Lt,
    LtE,
    Gt,
    GtE,
    In,
    NotIn,
    Is,
    IsNot,
}

/// One operand's operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unary {
    Not,
    Minus,
    Plus,
    Invert,
}

/// What a comprehension makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Makes {
    List,
    Set,
    Dict,
    Generator,
}

/// `for target in source if …`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct For {
    pub(super) target: Expr,
    pub(super) source: Expr,
    pub(super) conditions: Vec<Expr>,
}

/// A piece of an f-string.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Piece {
    Text(String),
    Value {
        value: Expr,
        /// `!r`, `!s`.
        conversion: Option<char>,
        /// After the colon.
        spec: Vec<Piece>,
    },
}

/// An argument of a call.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Arg {
    One(Expr),
    Star(Expr),
    Named(Arc<str>, Expr),
    Mapping(Expr),
}

/// Kinds of expressions.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(Arc<str>),
    Name(Arc<str>),
    Format(Vec<Piece>),
    List(Vec<Expr>),
    Tuple(Vec<Expr>),
    Set(Vec<Expr>),
    /// A `None` key is `**value`.
    Dict(Vec<(Option<Expr>, Expr)>),
    Star(Box<Expr>),
    Bin(Op, Box<Expr>, Box<Expr>),
    Unary(Unary, Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Compare(Box<Expr>, Vec<(Cmp, Expr)>),
    Call(Box<Expr>, Vec<Arg>),
    Attr(Box<Expr>, Arc<str>),
    Index(Box<Expr>, Box<Expr>),
    Slice(Option<Box<Expr>>, Option<Box<Expr>>, Option<Box<Expr>>),
    Lambda(Arc<Def>),
    If(Box<Expr>, Box<Expr>, Box<Expr>),
    Comprehension {
        makes: Makes,
        value: Box<Expr>,
        /// The value of a key, of a dictionary.
        second: Option<Box<Expr>>,
        loops: Vec<For>,
    },
    Walrus(Arc<str>, Box<Expr>),
    /// What is not read here, in words.
    Unsupported(String),
}

/// A parameter of a function.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Param {
    pub(super) name: Arc<str>,
    pub(super) default: Option<Expr>,
}

/// A function.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Def {
    pub(super) name: Arc<str>,
    pub(super) line: u32,
    pub(super) params: Vec<Param>,
    /// `*args`.
    pub(super) rest: Option<Arc<str>>,
    /// Parameters that are given by name only.
    pub(super) named: Vec<Param>,
    /// `**kwargs`.
    pub(super) mapping: Option<Arc<str>>,
    pub(super) body: Vec<Stmt>,
    /// Names that `global` and `nonlocal` lists.
    pub(super) outer: Vec<Arc<str>>,
}

/// A statement and its line.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stmt {
    pub(super) line: u32,
    pub(super) kind: Do,
}

/// `except kinds as name: body`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Except {
    /// None catches all.
    pub(super) kinds: Option<Vec<String>>,
    pub(super) name: Option<Arc<str>>,
    pub(super) body: Vec<Stmt>,
}

/// Kinds of statements.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Do {
    Expr(Expr),
    Assign(Vec<Expr>, Expr),
    Augment(Expr, Op, Expr),
    Return(Option<Expr>),
    If(Expr, Vec<Stmt>, Vec<Stmt>),
    For(Expr, Expr, Vec<Stmt>, Vec<Stmt>),
    While(Expr, Vec<Stmt>),
    Def(Arc<Def>),
    /// A class: its name. Classes are not read.
    Class(Arc<str>),
    /// Local names and the dotted path each stands for.
    Import(Vec<(Arc<str>, String)>),
    Try {
        body: Vec<Stmt>,
        excepts: Vec<Except>,
        otherwise: Vec<Stmt>,
        finally: Vec<Stmt>,
    },
    Raise(Option<Expr>),
    Assert(Expr, Option<Expr>),
    Delete(Vec<Expr>),
    Pass,
    Break,
    Continue,
    Unsupported(String),
}
