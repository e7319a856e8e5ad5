//! Linear classification in context: labelled points, and one more to label.
//!
//! After the task of Wei et al. 2023 ("Larger language models do in-context learning
//! differently"), on points small enough for a short prompt. The label asked for is forced:
//! every line that separates the labelled points gives it, so the best attainable score is 1.

use super::{Has, KindInfo};
use crate::kind::Kind;
use crate::params::{ParamInfo, Params, Range};
use crate::rng::Rng;
use crate::text::push_padded;
use std::fmt::Write;
use std::sync::Arc;

const MOST_POINTS: usize = 16;

pub(super) const INFO: KindInfo = KindInfo {
    name: "linear",
    about: "Label a point as a line does that separates the labelled points of the prompt.",
    example: "lin2 00a 43b 23a 93b 85=b",
    params: &[
        ParamInfo {
            name: "points",
            about: "labelled points in the prompt, half of each label",
            range: Range::Int {
                default: 6,
                min: 4,
                max: MOST_POINTS as u64,
            },
        },
        ParamInfo {
            name: "dims",
            about: "1: numbers from 00 to 99; 2: points with two coordinates from 0 to 9",
            range: Range::Int {
                default: 2,
                min: 1,
                max: 2,
            },
        },
    ],
    steps: Has::Never,
    choices: Has::Always,
    chance: "1/2: a or b",
    make: |params| {
        Ok(Arc::new(Linear {
            n: params.size("points"),
            dims: params.int("dims"),
            params: params.clone(),
        }))
    },
};

struct Linear {
    n: usize,
    dims: u64,
    params: Params,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Point {
    x: i32,
    y: i32,
}

#[derive(Debug, Clone, Copy)]
struct Problem {
    /// The first `n` are labelled; `true` is label `a`.
    points: [(Point, bool); MOST_POINTS],
    query: Point,
    label: bool,
}

/// Draws of a query for one set of points, before another set is drawn.
const TRIES: usize = 40;

impl Linear {
    fn point(&self, rng: &mut Rng) -> Point {
        let (x, y) = match self.dims {
            1 => (rng.below(100), 0),
            _ => (rng.below(10), rng.below(10)),
        };
        Point {
            x: x as i32,
            y: y as i32,
        }
    }

    /// Different points, half of them on each side of a line (of an odd number one more on
    /// either), in random order. `None` where the draw has no such line.
    fn separated(&self, rng: &mut Rng) -> Option<[(Point, bool); MOST_POINTS]> {
        let (u, v) = match self.dims {
            1 => (1, 0),
            _ => (rng.below(19) as i32 - 9, rng.below(19) as i32 - 9),
        };
        let along = |p: Point| u * p.x + v * p.y;
        let mut points = [Point::default(); MOST_POINTS];
        for i in 0..self.n {
            points[i] = self.point(rng);
            if points[..i].contains(&points[i]) {
                return None;
            }
        }
        let mut projections = [0; MOST_POINTS];
        for (projection, &point) in projections.iter_mut().zip(&points[..self.n]) {
            *projection = along(point);
        }
        let sorted = &mut projections[..self.n];
        sorted.sort_unstable();
        let half = self.n / 2 + usize::from(self.n % 2 == 1 && rng.coin());
        if sorted[half - 1] == sorted[half] {
            return None;
        }
        let border = sorted[half];
        let a_is_above = rng.coin();
        let mut labelled = [(Point::default(), false); MOST_POINTS];
        for (slot, &point) in labelled.iter_mut().zip(&points[..self.n]) {
            *slot = (point, (along(point) >= border) == a_is_above);
        }
        Some(labelled)
    }

    fn push(&self, point: Point, out: &mut String) {
        let number = match self.dims {
            1 => point.x,
            _ => 10 * point.x + point.y,
        };
        push_padded(out, number as u64, 2);
    }
}

impl Kind for Linear {
    type Input = Problem;

    fn name(&self) -> String {
        let head = format!("linear_{}d_{}points", self.dims, self.n);
        self.params.name(&head, &["dims", "points"])
    }

    fn symbols(&self) -> String {
        "0123456789abiln ".to_owned()
    }

    /// The label is tossed first, so that it tells nothing of the points.
    fn draw(&self, rng: &mut Rng) -> Self::Input {
        let label = rng.coin();
        loop {
            let Some(points) = self.separated(rng) else {
                continue;
            };
            let given = &points[..self.n];
            for _ in 0..TRIES {
                let query = self.point(rng);
                if given.iter().all(|(p, _)| *p != query) && forced(given, query, label) {
                    return Problem {
                        points,
                        query,
                        label,
                    };
                }
            }
        }
    }

    /// Nobody has counted them.
    fn n_inputs(&self) -> Option<u64> {
        None
    }

    fn nth(&self, _: u64) -> Self::Input {
        unreachable!("inputs without a number are not enumerated")
    }

    fn prompt(&self, problem: &Self::Input, out: &mut String) {
        out.push_str(match self.dims {
            1 => "lin1",
            _ => "lin2",
        });
        for &(point, label) in &problem.points[..self.n] {
            out.push(' ');
            self.push(point, out);
            out.push(if label { 'a' } else { 'b' });
        }
        out.push(' ');
        self.push(problem.query, out);
    }

    fn answer(&self, problem: &Self::Input, out: &mut String) {
        out.push(if problem.label { 'a' } else { 'b' });
    }

    fn question(&self, problem: &Self::Input, out: &mut String) {
        let show = |p: Point| match self.dims {
            1 => p.x.to_string(),
            _ => format!("({}, {})", p.x, p.y),
        };
        let (things, divided) = match self.dims {
            1 => ("Numbers", "one limit"),
            _ => ("Points", "a straight line"),
        };
        let _ = write!(out, "{things} are labelled a or b, divided by {divided}.");
        for &(point, label) in &problem.points[..self.n] {
            let label = if label { 'a' } else { 'b' };
            let _ = write!(out, " {} is {label}.", show(point));
        }
        let _ = write!(out, " Which label has {}?", show(problem.query));
    }

    fn choices(&self) -> &[&'static str] {
        &["a", "b"]
    }

    /// The label is a toss.
    fn majority(&self) -> Option<(String, f64)> {
        Some(("a".to_owned(), 0.5))
    }
}

/// Twice the signed area of a triangle.
fn area(a: Point, b: Point, c: Point) -> i32 {
    (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x)
}

/// Whether `p`, on the line through `a` and `b`, lies between them.
fn between(p: Point, a: Point, b: Point) -> bool {
    (a.x.min(b.x)..=a.x.max(b.x)).contains(&p.x) && (a.y.min(b.y)..=a.y.max(b.y)).contains(&p.y)
}

/// Whether two segments, ends included, have a point in common.
fn segments_meet(a: Point, b: Point, c: Point, d: Point) -> bool {
    let (abc, abd) = (area(a, b, c).signum(), area(a, b, d).signum());
    let (cda, cdb) = (area(c, d, a).signum(), area(c, d, b).signum());
    (abc * abd < 0 && cda * cdb < 0)
        || (abc == 0 && between(c, a, b))
        || (abd == 0 && between(d, a, b))
        || (cda == 0 && between(a, c, d))
        || (cdb == 0 && between(b, c, d))
}

/// Whether a triangle has a point inside, its border not counted.
fn inside(p: Point, a: Point, b: Point, c: Point) -> bool {
    let signs = [area(a, b, p), area(b, c, p), area(c, a, p)].map(i32::signum);
    signs == [1; 3] || signs == [-1; 3]
}

/// Whether every line that separates the given points gives the query this label.
///
/// It does exactly if no line separates them with the query labelled otherwise, that is, if
/// the hulls of the two classes then meet. They did not without the query, so they meet where
/// an edge from the query does, or where one hull lies within the other.
fn forced(given: &[(Point, bool)], query: Point, label: bool) -> bool {
    let mut own = [Point::default(); MOST_POINTS];
    let mut other = own;
    let (mut n_own, mut n_other) = (0, 0);
    for &(point, l) in given {
        if l == label {
            own[n_own] = point;
            n_own += 1;
        } else {
            other[n_other] = point;
            n_other += 1;
        }
    }
    let (own, other) = (&own[..n_own], &other[..n_other]);
    let pairs = |n: usize| (0..n).flat_map(move |i| (i..n).map(move |j| (i, j)));
    pairs(own.len()).any(|(i, j)| {
        let (a, b) = (own[i], own[j]);
        other.iter().any(|&o| segments_meet(query, o, a, b))
            || own.iter().any(|&c| inside(query, a, b, c))
    }) || pairs(other.len()).any(|(i, j)| {
        let within = |&p: &Point| inside(p, query, other[i], other[j]);
        own.iter().any(within)
    })
}
