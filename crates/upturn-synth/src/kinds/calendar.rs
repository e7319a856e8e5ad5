//! The Gregorian calendar, from the year 1 on.

/// A day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Date {
    pub(super) year: u64,
    /// 1..=12
    pub(super) month: u64,
    /// 1..=31
    pub(super) day: u64,
}

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

pub(super) const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

pub(super) fn days_in_month(year: u64, month: u64) -> u64 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 => 28 + u64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days before the first of January of a year, since that of the year 1.
pub(super) fn days_before_year(year: u64) -> u64 {
    let past = year - 1;
    past * 365 + past / 4 - past / 100 + past / 400
}

impl Date {
    /// The date so many days after 1 January of the year 1.
    pub(super) fn from_days(days: u64) -> Self {
        let mut year = days / 366 + 1;
        while days_before_year(year + 1) <= days {
            year += 1;
        }
        let mut day = days - days_before_year(year) + 1;
        let mut month = 1;
        while day > days_in_month(year, month) {
            day -= days_in_month(year, month);
            month += 1;
        }
        Self { year, month, day }
    }

    pub(super) fn days(self) -> u64 {
        let months: u64 = (1..self.month).map(|m| days_in_month(self.year, m)).sum();
        days_before_year(self.year) + months + self.day - 1
    }

    /// Place in `WEEKDAYS`; 1 January of the year 1 was a Monday.
    pub(super) fn weekday(self) -> usize {
        (self.days() % 7) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_days() {
        for (year, month, day, weekday) in [
            (2024, 2, 29, "thu"),
            (2000, 1, 1, "sat"),
            (1900, 3, 1, "thu"),
            (1970, 1, 1, "thu"),
            (2100, 2, 28, "sun"),
        ] {
            let date = Date { year, month, day };
            assert_eq!(WEEKDAYS[date.weekday()], weekday, "{date:?}");
            assert_eq!(Date::from_days(date.days()), date);
        }
        assert_eq!(days_before_year(1970), 719_162);
    }
}
