// SPDX-License-Identifier: GPL-2.0

//! Conditions on the values of columns, such as `rss > 100M or cpu >= 50`.

use procmon::snapshot::Groups;
use regex::Regex;

use super::columns::Column;
use super::render::Side;
use super::row::{Context, Row};

/// The word between comparisons one of which has to be true.
const OR: &str = " or ";

/// The units of numbers: those of bytes, and those of time in seconds.
const UNITS: [(&str, f64); 10] = [
    ("K", 1024.0),
    ("M", 1_048_576.0),
    ("G", 1_073_741_824.0),
    ("T", 1_099_511_627_776.0),
    ("P", 1_125_899_906_842_624.0),
    ("%", 1.0),
    ("s", 1.0),
    ("min", 60.0),
    ("h", 3600.0),
    ("d", 86400.0),
];

/// A condition: comparisons, at least one of which is true.
#[derive(Clone, Debug)]
pub struct Condition(Vec<Comparison>);

/// A comparison of a column's value.
#[derive(Clone, Debug)]
struct Comparison {
    column: &'static Column,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    Number(Operator, f64),
    Text(Operator, String),
    Regex(Operator, Regex),
}

/// An operator.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Operator {
    NotEqual,
    NoMatch,
    NotMore,
    NotLess,
    Equal,
    Less,
    More,
    Match,
}

/// The signs of operators. The longer ones come first, as some begin with others.
const OPERATORS: [(&str, Operator); 9] = [
    ("!=", Operator::NotEqual),
    ("!~", Operator::NoMatch),
    ("<=", Operator::NotMore),
    (">=", Operator::NotLess),
    ("==", Operator::Equal),
    ("=", Operator::Equal),
    ("<", Operator::Less),
    (">", Operator::More),
    ("~", Operator::Match),
];

impl Condition {
    /// Parses comparisons of a column with a value, with ` or ` between them. Numbers may have a
    /// unit.
    pub fn parse(text: &str) -> Result<Self, String> {
        let comparisons = text.split(OR).map(Comparison::parse);
        comparisons.collect::<Result<_, _>>().map(Self)
    }

    /// Returns the columns that are compared.
    pub fn columns(&self) -> impl Iterator<Item = &'static Column> {
        self.0.iter().map(|comparison| comparison.column)
    }

    /// Returns the field groups that the columns need.
    pub fn groups(&self) -> Groups {
        self.columns()
            .fold(Groups::empty(), |groups, column| groups | column.groups)
    }

    /// Returns whether a row fulfils the condition. No comparison with an absent value is true.
    pub fn holds(&self, row: &Row, context: &Context) -> bool {
        self.0
            .iter()
            .any(|comparison| comparison.holds(row, context))
    }
}

impl Comparison {
    fn parse(text: &str) -> Result<Self, String> {
        let is_of_key = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let text = text.trim();
        let end = text.find(|c| !is_of_key(c)).unwrap_or(text.len());
        let (key, rest) = text.split_at(end);
        let column = Column::by_key(key).ok_or_else(|| format!("there is no column {key:?}"))?;
        let rest = rest.trim_start();
        let mut operators = OPERATORS.iter();
        let (sign, operator) = operators
            .find(|(sign, _)| rest.starts_with(sign))
            .ok_or_else(|| format!("expected = != < <= > >= ~ or !~ after {key}"))?;
        let value = rest[sign.len()..].trim();
        let test = Test::new(column, *operator, value)?;
        Ok(Self { column, test })
    }

    fn holds(&self, row: &Row, context: &Context) -> bool {
        let value = self.column.value(row, context);
        if value.is_absent() {
            return false;
        }
        match &self.test {
            Test::Number(operator, number) => value.number().is_some_and(|value| match operator {
                Operator::Equal => value == *number,
                Operator::NotEqual => value != *number,
                Operator::Less => value < *number,
                Operator::NotMore => value <= *number,
                Operator::More => value > *number,
                Operator::NotLess => value >= *number,
                Operator::Match | Operator::NoMatch => false,
            }),
            Test::Text(operator, text) => (value.text() == *text) == (*operator == Operator::Equal),
            Test::Regex(operator, regex) => {
                regex.is_match(&value.text()) == (*operator == Operator::Match)
            }
        }
    }
}

impl Test {
    fn new(column: &Column, operator: Operator, value: &str) -> Result<Self, String> {
        let key = column.key;
        if value.is_empty() {
            return Err(format!("there is nothing to compare {key} with"));
        }
        if matches!(operator, Operator::Match | Operator::NoMatch) {
            let regex = Regex::new(value).map_err(|error| error.to_string())?;
            return Ok(Self::Regex(operator, regex));
        }
        // All numbers, and nothing else, stand on the right.
        if column.side == Side::Right {
            let number = number(value)
                .ok_or_else(|| format!("{key} is compared with a number, not {value:?}"))?;
            return Ok(Self::Number(operator, number));
        }
        if !matches!(operator, Operator::Equal | Operator::NotEqual) {
            return Err(format!("{key} has no order: it takes = != ~ and !~"));
        }
        Ok(Self::Text(operator, value.to_owned()))
    }
}

/// Parses a number with or without a unit.
fn number(text: &str) -> Option<f64> {
    let mut units = UNITS.iter();
    let unit = units.find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)));
    let (digits, factor) = unit.unwrap_or((text, 1.0));
    let number: f64 = digits.trim_end().parse().ok()?;
    number.is_finite().then_some(number * factor)
}

#[cfg(test)]
mod tests {
    use procmon::snapshot::Record;
    use procmon::uapi;

    use super::*;
    use crate::table::columns::COLUMNS;

    fn record() -> Record {
        let mut raw = uapi::procmon_record {
            pid: 7,
            tgid: 7,
            threads: 3,
            state: uapi::PROCMON_STATE_SLEEPING,
            groups: Groups::all().bits(),
            rss_anon: 100 << 20,
            utime: 90_000_000_000,
            nice: -5,
            ..Default::default()
        };
        for (to, from) in raw.comm.iter_mut().zip(b"make or break") {
            *to = std::ffi::c_char::from_ne_bytes([*from]);
        }
        raw.into()
    }

    fn holds(text: &str) -> bool {
        let condition = Condition::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        condition.holds(&Row::of(&record()), &Context::default())
    }

    #[test]
    fn numbers_have_an_order_and_units() {
        for (text, expected) in [
            ("rss > 99M", true),
            ("rss>100M", false),
            ("rss >= 0.1 G", false),
            ("rss >= 102400K", true),
            ("rss = 104857600", true),
            ("rss != 104857600", false),
            ("time > 1min", true),
            ("time < 1.5min", false),
            ("time <= 90s", true),
            ("time<1h", true),
            ("nice < 0", true),
            ("nice < -5", false),
            ("threads == 3", true),
            // Nothing is known of these.
            ("swap = 0", false),
            ("swap != 0", false),
        ] {
            assert_eq!(holds(text), expected, "{text}");
        }
    }

    #[test]
    fn texts_are_equal_or_match() {
        for (text, expected) in [
            ("state = S", true),
            ("state != S", false),
            ("comm ~ ^make", true),
            ("comm !~ ^make", false),
            ("comm = make", false),
            ("pid ~ ^7$", true),
        ] {
            assert_eq!(holds(text), expected, "{text}");
        }
    }

    #[test]
    fn one_of_several_is_enough() {
        assert!(holds("state = R or rss > 1M"));
        assert!(holds("rss > 1M or state = R"));
        assert!(!holds("state = R or rss > 1G"));
    }

    #[test]
    fn mistakes_are_explained() {
        for (text, message) in [
            ("", "there is no column \"\""),
            ("rsss > 1", "there is no column \"rsss\""),
            ("rss", "expected = != < <= > >= ~ or !~ after rss"),
            ("rss >", "there is nothing to compare rss with"),
            ("rss > x", "rss is compared with a number, not \"x\""),
            ("rss > NaN", "rss is compared with a number, not \"NaN\""),
            (
                "rss > 1 K M",
                "rss is compared with a number, not \"1 K M\"",
            ),
            ("user < root", "user has no order: it takes = != ~ and !~"),
            ("rss > 1 or ", "there is no column \"\""),
        ] {
            assert_eq!(Condition::parse(text).unwrap_err(), message, "{text}");
        }
        assert!(
            Condition::parse("comm ~ (")
                .unwrap_err()
                .contains("unclosed")
        );
    }

    #[test]
    fn all_numbers_stand_on_the_right() {
        let record = record();
        let (row, context) = (Row::of(&record), Context::default());
        for column in COLUMNS {
            let value = column.value(&row, &context);
            let is_right = column.side == Side::Right;
            assert!(
                value.is_absent() || value.number().is_some() == is_right,
                "{}",
                column.key
            );
        }
    }
}
