//! The number that a written answer gives, found without a model.
//!
//! The last number counts; inside the last `\boxed{…}` where there is one with a number in it.
//! Read are signs (`-5`, `−5`), currencies (`$5`, `-$5`, `€ 5`), thousands (`1,234`, `1{,}234`,
//! narrow and non-breaking spaces), decimals, powers of ten (`1.5e3`, `2 \times 10^{6}`), percent,
//! fractions (`3/4`, `1 3/4`, `\frac{3}{4}`, `¾`) and the digits of other scripts. A comma separates
//! thousands and nothing else: `3,14` is two numbers. A sign counts where no number or closing
//! bracket stands before it, so that `7-4` ends in 4.

/// A number as it was written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AnswerNumber {
    /// Its value without the percent sign: 50 for `50%`.
    pub value: f64,
    /// Whether a percent sign or the word follows.
    pub percent: bool,
}

impl AnswerNumber {
    /// Whether both say the same: equal to a relative 1e-9. A percentage equals the number it is
    /// written with (`50%` and 50) and the share it means (`50%` and 0.5).
    #[must_use]
    pub fn matches(&self, other: &AnswerNumber) -> bool {
        let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * a.abs().max(b.abs());
        near(self.value, other.value)
            || (self.percent && !other.percent && near(self.value / 100.0, other.value))
            || (other.percent && !self.percent && near(self.value, other.value / 100.0))
    }
}

/// The number of an answer; `None` where it has none.
///
/// ```
/// use upturn_metrics::answer_number;
/// let value = |text| answer_number(text).map(|n| n.value);
/// assert_eq!(value("So 3 + 4 = 7 apples, or $1,234.50 in all."), Some(1234.5));
/// assert_eq!(value(r"Thus \boxed{-\frac{3}{4}}, for 12 cases"), Some(-0.75));
/// assert_eq!(value("none"), None);
/// ```
#[must_use]
pub fn answer_number(text: &str) -> Option<AnswerNumber> {
    boxed(text)
        .and_then(last_number)
        .or_else(|| last_number(text))
}

/// What the last `\boxed{…}` holds, where its braces close.
fn boxed(text: &str) -> Option<&str> {
    let at = text.rfind("\\boxed")? + "\\boxed".len();
    let inside = text[at..].trim_start().strip_prefix('{')?;
    let mut depth = 1;
    for (i, c) in inside.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(&inside[..i]);
        }
    }
    None
}

fn last_number(text: &str) -> Option<AnswerNumber> {
    let chars: Vec<char> = text.chars().map(ascii_digit).collect();
    let mut last = None;
    let mut at = 0;
    while at < chars.len() {
        match Reader::new(&chars, at).number() {
            Some((number, end)) => {
                last = Some(number);
                at = end.max(at + 1);
            }
            None => at += 1,
        }
    }
    last
}

/// A decimal digit of another script as the ASCII one; other characters as they are.
fn ascii_digit(c: char) -> char {
    const ZEROS: [u32; 8] = [0x660, 0x6f0, 0x966, 0x9e6, 0xa66, 0xae6, 0xe50, 0xff10];
    let code = c as u32;
    let found = ZEROS
        .iter()
        .find(|zero| (**zero..**zero + 10).contains(&code));
    found.map_or(c, |zero| char::from_digit(code - zero, 10).unwrap_or(c))
}

fn is_currency(c: char) -> bool {
    matches!(c, '$' | '¢' | '£' | '¤' | '¥' | '₩' | '€' | '₹' | '₽' | '₿')
}

/// A vulgar fraction of one character.
fn vulgar(c: char) -> Option<f64> {
    Some(match c {
        '½' => 0.5,
        '⅓' => 1.0 / 3.0,
        '⅔' => 2.0 / 3.0,
        '¼' => 0.25,
        '¾' => 0.75,
        '⅕' => 0.2,
        '⅖' => 0.4,
        '⅗' => 0.6,
        '⅘' => 0.8,
        '⅙' => 1.0 / 6.0,
        '⅚' => 5.0 / 6.0,
        '⅛' => 0.125,
        '⅜' => 0.375,
        '⅝' => 0.625,
        '⅞' => 0.875,
        _ => return None,
    })
}

/// Reads one number from a place on.
struct Reader<'a> {
    chars: &'a [char],
    start: usize,
    at: usize,
}

impl<'a> Reader<'a> {
    fn new(chars: &'a [char], start: usize) -> Self {
        Reader {
            chars,
            start,
            at: start,
        }
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn is_digit(&self, at: usize) -> bool {
        self.chars.get(at).is_some_and(char::is_ascii_digit)
    }

    /// Steps over `word` if it stands here.
    fn take(&mut self, word: &str) -> bool {
        let n = word.chars().count();
        let here = self.chars.get(self.at..self.at + n);
        let found = here.is_some_and(|here| here.iter().copied().eq(word.chars()));
        if found {
            self.at += n;
        }
        found
    }

    fn skip_spaces(&mut self) {
        while self.peek().is_some_and(|c| c == ' ' || c == '\u{a0}') {
            self.at += 1;
        }
    }

    /// A number that starts here, and where it ends.
    fn number(mut self) -> Option<(AnswerNumber, usize)> {
        if !self.may_start() {
            return None;
        }
        let mut negative = self.sign();
        self.currency();
        negative ^= self.sign();
        let value = self.fraction_command().or_else(|| self.plain())?;
        let value = self.power(value);
        let percent = self.percent();
        let value = if negative { -value } else { value };
        Some((AnswerNumber { value, percent }, self.at))
    }

    /// Whether a number can start here: not in a word (`x2`), nor inside another number.
    fn may_start(&self) -> bool {
        let Some(before) = self.start.checked_sub(1).map(|i| self.chars[i]) else {
            return true;
        };
        if self.is_digit(self.start) {
            !(before.is_ascii_alphanumeric() || before == '_')
        } else if self.chars[self.start] == '.' {
            !(before.is_ascii_alphanumeric() || before == '.' || before == ')')
        } else {
            true
        }
    }

    /// A minus sign before a number (true), or a plus sign; not where something to subtract
    /// from stands before it.
    fn sign(&mut self) -> bool {
        let Some(c) = self.peek() else {
            return false;
        };
        if !matches!(c, '-' | '−' | '–' | '+') {
            return false;
        }
        let before = self.at.checked_sub(1).map(|i| self.chars[i]);
        if before.is_some_and(|b| b.is_alphanumeric() || matches!(b, ')' | ']' | '}' | '%')) {
            return false;
        }
        self.at += 1;
        c != '+'
    }

    fn currency(&mut self) {
        let before = self.at;
        self.take("\\");
        if !self.peek().is_some_and(is_currency) {
            self.at = before;
            return;
        }
        self.at += 1;
        self.skip_spaces();
    }

    /// `\frac{a}{b}` and its kin.
    fn fraction_command(&mut self) -> Option<f64> {
        let before = self.at;
        let found = ["\\frac", "\\dfrac", "\\tfrac", "\\cfrac"]
            .iter()
            .any(|word| self.take(word));
        let value = found
            .then(|| Some((self.in_braces()?, self.in_braces()?)))
            .flatten()
            .filter(|(_, below)| *below != 0.0)
            .map(|(above, below)| above / below);
        if value.is_none() {
            self.at = before;
        }
        value
    }

    fn in_braces(&mut self) -> Option<f64> {
        self.skip_spaces();
        if !self.take("{") {
            return None;
        }
        self.skip_spaces();
        let negative = matches!(self.peek(), Some('-' | '−'));
        self.at += usize::from(negative);
        let value = self.decimal()?;
        self.skip_spaces();
        let value = if negative { -value } else { value };
        self.take("}").then_some(value)
    }

    /// A decimal number, a fraction `a/b`, or both as a mixed number.
    fn plain(&mut self) -> Option<f64> {
        if let Some(part) = self.peek().and_then(vulgar) {
            self.at += 1;
            return Some(part);
        }
        let whole = self.decimal()?;
        if let Some(part) = self.peek().and_then(vulgar) {
            self.at += 1;
            return Some(whole + part);
        }
        if let Some(part) = self.fraction_command() {
            return Some(whole + part);
        }
        let after_whole = self.at;
        if let Some(below) = self.over() {
            return Some(whole / below);
        }
        // A mixed number: `1 3/4`.
        if self.take(" ")
            && let Some(above) = self.decimal()
            && let Some(below) = self.over()
            && above < below
            && whole.fract() == 0.0
        {
            return Some(whole + above / below);
        }
        self.at = after_whole;
        Some(whole)
    }

    /// What follows `/`, where it is one number that is not 0 and no further `/` (a date) follows.
    fn over(&mut self) -> Option<f64> {
        if self.start > 0 && self.chars[self.start - 1] == '/' {
            return None;
        }
        let before = self.at;
        let below = self
            .take("/")
            .then(|| self.decimal())
            .flatten()
            .filter(|below| *below != 0.0);
        let is_date = self.peek() == Some('/') && self.is_digit(self.at + 1);
        if below.is_none() || is_date {
            self.at = before;
            return None;
        }
        below
    }

    /// Digits with thousands, a decimal point and an exponent.
    fn decimal(&mut self) -> Option<f64> {
        let mut text = String::new();
        while self.is_digit(self.at) {
            text.push(self.chars[self.at]);
            self.at += 1;
        }
        if (1..=3).contains(&text.len()) {
            while let Some(step) = self.thousands() {
                text.extend(&self.chars[self.at + step..self.at + step + 3]);
                self.at += step + 3;
            }
        }
        if self.peek() == Some('.') && self.is_digit(self.at + 1) {
            text.push('.');
            self.at += 1;
            while self.is_digit(self.at) {
                text.push(self.chars[self.at]);
                self.at += 1;
            }
        }
        if text.is_empty() {
            return None;
        }
        if matches!(self.peek(), Some('e' | 'E')) {
            let signed = matches!(self.chars.get(self.at + 1), Some('+' | '-'));
            let digits = self.at + 1 + usize::from(signed);
            let mut end = digits;
            while self.is_digit(end) {
                end += 1;
            }
            let in_word = self.chars.get(end).is_some_and(char::is_ascii_alphabetic);
            if end > digits && end - digits <= 4 && !in_word {
                text.extend(&self.chars[self.at..end]);
                self.at = end;
            }
        }
        text.parse().ok()
    }

    /// Length of a separator that stands here with just three digits after it.
    fn thousands(&self) -> Option<usize> {
        let separators: [&[char]; 7] = [
            &[','],
            &['{', ',', '}'],
            &['\\', ','],
            &['\u{a0}'],
            &['\u{202f}'],
            &['\u{2009}'],
            &['٬'],
        ];
        let rest = &self.chars[self.at..];
        let step = separators.iter().find(|s| rest.starts_with(s))?.len();
        let three = (0..3).all(|i| self.is_digit(self.at + step + i));
        (three && !self.is_digit(self.at + step + 3)).then_some(step)
    }

    /// `× 10^n`.
    fn power(&mut self, value: f64) -> f64 {
        let before = self.at;
        self.skip_spaces();
        let times = ["\\times", "\\cdot", "×", "*"].iter().any(|w| self.take(w));
        self.skip_spaces();
        if times && self.take("10^") {
            let braces = self.take("{");
            let negative = self.take("-") || self.take("−");
            let digits = self.at;
            while self.is_digit(self.at) && self.at - digits < 4 {
                self.at += 1;
            }
            let text: String = self.chars[digits..self.at].iter().collect();
            if let Ok(exponent) = text.parse::<i32>()
                && (!braces || self.take("}"))
            {
                return value * 10f64.powi(if negative { -exponent } else { exponent });
            }
        }
        self.at = before;
        value
    }

    fn percent(&mut self) -> bool {
        let before = self.at;
        self.skip_spaces();
        let found = ["%", "\\%", "٪", "％", "percent", "per cent"]
            .iter()
            .any(|word| self.take(word));
        if !found {
            self.at = before;
        }
        found
    }
}
