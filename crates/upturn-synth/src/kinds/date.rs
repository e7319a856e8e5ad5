//! Dates: so many days later or earlier, in another notation, on which weekday.
//!
//! Inspired by the task `date_understanding` of BIG-bench (Srivastava et al. 2022), whose
//! answers are written month/day/year.

use super::calendar::{Date, MONTHS, WEEKDAYS, days_before_year, days_in_month};
use super::{Has, KindInfo};
use crate::kind::Kind;
use crate::params::{ParamInfo, Params, Range};
use crate::rng::Rng;
use crate::text::{push_int, push_padded, push_uint};
use std::fmt::Write;
use std::sync::Arc;

const DAYS: ParamInfo = ParamInfo {
    name: "days",
    about: "at most so many days later or earlier",
    range: Range::Int {
        default: 30,
        min: 1,
        max: 400,
    },
};

const fn year(name: &'static str, about: &'static str, default: u64) -> ParamInfo {
    ParamInfo {
        name,
        about,
        range: Range::Int {
            default,
            min: 1001,
            max: 9000,
        },
    }
}

pub(super) const INFO: KindInfo = KindInfo {
    name: "date",
    about: "Find the date some days later or earlier, write a date as month/day/year, or say its weekday.",
    example: "date 2024-02-27+3=2024-03-01",
    params: &[
        ParamInfo {
            name: "how",
            about: "what is asked",
            range: Range::Word(&["add", "subtract", "format", "weekday"]),
        },
        DAYS,
        year("from", "first year", 2000),
        year("to", "last year", 2049),
    ],
    steps: Has::Where("how is add or subtract"),
    choices: Has::Where("how is weekday"),
    chance: "0: the answer is free; 1/7 for weekdays",
    make: |params| Dates::new(params).map(|d| Arc::new(d) as _),
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Add,
    Subtract,
    Format,
    Weekday,
}

struct Dates {
    how: How,
    /// The first day and how many there are.
    first: u64,
    n_days: u64,
    /// How many spans of days; 1 where there are none.
    n_spans: u64,
    params: Params,
}

/// A date, and days to add or subtract.
type Asked = (Date, u64);

/// `27+3=30`
struct Step {
    x: i64,
    op: char,
    y: u64,
    /// The month whose length is `y`; `None` where `y` is what was asked to add.
    month: Option<(u64, u64)>,
}

impl Step {
    fn result(&self) -> i64 {
        let y = self.y as i64;
        if self.op == '+' {
            self.x + y
        } else {
            self.x - y
        }
    }
}

impl Dates {
    fn new(params: &Params) -> Result<Self, crate::SynthError> {
        let how = match params.word("how") {
            "add" => How::Add,
            "subtract" => How::Subtract,
            "format" => How::Format,
            _ => How::Weekday,
        };
        let spans = matches!(how, How::Add | How::Subtract);
        if !spans && params.int("days").to_string() != DAYS.range.default_text() {
            return Err(params.conflict(format!(
                "days is for how=add and how=subtract; leave it out with how={}",
                params.word("how")
            )));
        }
        let (from, to) = (params.int("from"), params.int("to"));
        if from > to {
            return Err(params.conflict(format!(
                "the first year, from={from}, is after the last, to={to}"
            )));
        }
        let first = days_before_year(from);
        Ok(Self {
            how,
            first,
            n_days: days_before_year(to + 1) - first,
            n_spans: if spans { params.int("days") } else { 1 },
            params: params.clone(),
        })
    }

    fn asked(&self, day: u64, span: u64) -> Asked {
        (Date::from_days(self.first + day), span + 1)
    }

    fn reached(&self, &(date, span): &Asked) -> Date {
        match self.how {
            How::Add => Date::from_days(date.days() + span),
            How::Subtract => Date::from_days(date.days() - span),
            How::Format | How::Weekday => date,
        }
    }

    /// Day of the month, corrected month by month until there is such a day.
    fn sums(&self, &(date, span): &Asked) -> Vec<Step> {
        let op = if self.how == How::Add { '+' } else { '-' };
        let mut steps = vec![Step {
            x: date.day as i64,
            op,
            y: span,
            month: None,
        }];
        let (mut year, mut month) = (date.year, date.month);
        loop {
            let day = steps[steps.len() - 1].result();
            let op = match self.how {
                How::Add if day > days_in_month(year, month) as i64 => '-',
                How::Subtract if day < 1 => {
                    month -= 1;
                    '+'
                }
                _ => return steps,
            };
            if month == 0 {
                (year, month) = (year - 1, 12);
            }
            steps.push(Step {
                x: day,
                op,
                y: days_in_month(year, month),
                month: Some((year, month)),
            });
            if op == '-' {
                month += 1;
            }
            if month == 13 {
                (year, month) = (year + 1, 1);
            }
        }
    }
}

fn push_iso(date: Date, out: &mut String) {
    push_padded(out, date.year, 4);
    out.push('-');
    push_padded(out, date.month, 2);
    out.push('-');
    push_padded(out, date.day, 2);
}

impl Kind for Dates {
    type Input = Asked;

    fn name(&self) -> String {
        let how = self.params.word("how");
        let (head, told): (_, &[&str]) = match self.how {
            How::Add | How::Subtract => {
                (format!("date_{how}_{}days", self.n_spans), &["how", "days"])
            }
            How::Format | How::Weekday => (format!("date_{how}"), &["how"]),
        };
        self.params.name(&head, told)
    }

    fn symbols(&self) -> String {
        let rest = match self.how {
            How::Add => "date +",
            How::Subtract => "date ",
            How::Format => "mdy /",
            How::Weekday => "day montuewedthufrisatsun",
        };
        format!("0123456789-{rest}")
    }

    fn step_symbols(&self) -> &'static str {
        ",+"
    }

    fn draw(&self, rng: &mut Rng) -> Self::Input {
        let day = rng.below(self.n_days);
        self.asked(day, rng.below(self.n_spans))
    }

    fn n_inputs(&self) -> Option<u64> {
        Some(self.n_days * self.n_spans)
    }

    fn nth(&self, index: u64) -> Self::Input {
        self.asked(index / self.n_spans, index % self.n_spans)
    }

    fn prompt(&self, &(date, span): &Self::Input, out: &mut String) {
        out.push_str(match self.how {
            How::Add | How::Subtract => "date ",
            How::Format => "mdy ",
            How::Weekday => "day ",
        });
        push_iso(date, out);
        match self.how {
            How::Add => out.push('+'),
            How::Subtract => out.push('-'),
            How::Format | How::Weekday => return,
        }
        push_uint(out, span);
    }

    fn answer(&self, input: &Self::Input, out: &mut String) {
        let date = self.reached(input);
        match self.how {
            How::Add | How::Subtract => push_iso(date, out),
            How::Format => {
                push_padded(out, date.month, 2);
                out.push('/');
                push_padded(out, date.day, 2);
                out.push('/');
                push_padded(out, date.year, 4);
            }
            How::Weekday => out.push_str(WEEKDAYS[date.weekday()]),
        }
    }

    fn question(&self, &(date, span): &Self::Input, out: &mut String) {
        let mut iso = String::new();
        push_iso(date, &mut iso);
        let days = if span == 1 { "day" } else { "days" };
        let _ = match self.how {
            How::Add => write!(
                out,
                "Which date is {span} {days} after {iso}? Write it as YYYY-MM-DD."
            ),
            How::Subtract => write!(
                out,
                "Which date is {span} {days} before {iso}? Write it as YYYY-MM-DD."
            ),
            How::Format => write!(out, "Write the date {iso} as MM/DD/YYYY."),
            How::Weekday => write!(
                out,
                "Which day of the week is {} {}, {}? Answer mon, tue, wed, thu, fri, sat or sun.",
                MONTHS[date.month as usize - 1],
                date.day,
                date.year
            ),
        };
    }

    fn has_steps(&self) -> bool {
        matches!(self.how, How::Add | How::Subtract)
    }

    fn steps(&self, input: &Self::Input, out: &mut String) {
        for (i, step) in self.sums(input).iter().enumerate() {
            if i > 0 {
                out.push(',');
            }
            push_int(out, step.x);
            out.push(step.op);
            push_uint(out, step.y);
            out.push('=');
            push_int(out, step.result());
        }
    }

    fn reasoning(&self, input: &Self::Input, out: &mut String) {
        for (i, step) in self.sums(input).iter().enumerate() {
            if i > 0 {
                out.push(' ');
            }
            if let Some((year, month)) = step.month {
                let name = MONTHS[month as usize - 1];
                let _ = write!(out, "{name} {year} has {} days. ", step.y);
            }
            let _ = write!(
                out,
                "{} {} {} = {}.",
                step.x,
                step.op,
                step.y,
                step.result()
            );
        }
        let reached = self.reached(input);
        let name = MONTHS[reached.month as usize - 1];
        let _ = write!(
            out,
            " So it is day {} of {name} {}.",
            reached.day, reached.year
        );
    }

    fn choices(&self) -> &[&'static str] {
        match self.how {
            How::Weekday => &WEEKDAYS,
            _ => &[],
        }
    }
}
