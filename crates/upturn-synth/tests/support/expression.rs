//! The value of `6+(4*8)` or `6--4`.

/// `None` where the text is no expression.
pub fn value(text: &str) -> Option<i128> {
    let mut parser = Parser {
        rest: text.as_bytes(),
    };
    let value = parser.sum()?;
    parser.rest.is_empty().then_some(value)
}

struct Parser<'a> {
    rest: &'a [u8],
}

impl Parser<'_> {
    fn take(&mut self, wanted: u8) -> bool {
        let found = self.rest.first() == Some(&wanted);
        if found {
            self.rest = &self.rest[1..];
        }
        found
    }

    fn sum(&mut self) -> Option<i128> {
        let mut value = self.product()?;
        loop {
            if self.take(b'+') {
                value += self.product()?;
            } else if self.take(b'-') {
                value -= self.product()?;
            } else {
                return Some(value);
            }
        }
    }

    fn product(&mut self) -> Option<i128> {
        let mut value = self.atom()?;
        while self.take(b'*') {
            value *= self.atom()?;
        }
        Some(value)
    }

    fn atom(&mut self) -> Option<i128> {
        if self.take(b'-') {
            return Some(-self.atom()?);
        }
        if self.take(b'(') {
            let value = self.sum()?;
            return self.take(b')').then_some(value);
        }
        let n = self.rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let (digits, rest) = self.rest.split_at(n);
        self.rest = rest;
        std::str::from_utf8(digits).ok()?.parse().ok()
    }
}
