// SPDX-License-Identifier: GPL-2.0-only

//! Conditions on the values of columns, such as `rss > 100M or cpu >= 50`.

use procmon::snapshot::Groups;
use regex::Regex;

use super::columns::Column;
use super::row::{Context, Row};
use super::units::Units;

/// The word between comparisons one of which has to be true.
const OR: &str = " or ";

/// Reason why a text is no condition.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Mistake {
    /// The unit of a number does not fit the column.
    #[error("{0}")]
    Unit(String),
    #[error("{0}")]
    Other(String),
}

impl From<String> for Mistake {
    fn from(message: String) -> Self {
        Self::Other(message)
    }
}

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
    /// unit of the column.
    pub fn parse(text: &str) -> Result<Self, Mistake> {
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
    fn parse(text: &str) -> Result<Self, Mistake> {
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
    fn new(column: &Column, operator: Operator, value: &str) -> Result<Self, Mistake> {
        let key = column.key;
        if value.is_empty() {
            return Err(format!("there is nothing to compare {key} with").into());
        }
        if matches!(operator, Operator::Match | Operator::NoMatch) {
            let regex = Regex::new(value).map_err(|error| error.to_string())?;
            return Ok(Self::Regex(operator, regex));
        }
        if !column.kind.is_text() {
            return Ok(Self::Number(operator, number(column, value)?));
        }
        if !matches!(operator, Operator::Equal | Operator::NotEqual) {
            return Err(format!("{key} has no order: it takes = != ~ and !~").into());
        }
        Ok(Self::Text(operator, value.to_owned()))
    }
}

/// Parses a number, with or without a unit that fits the column.
fn number(column: &Column, text: &str) -> Result<f64, Mistake> {
    let key = column.key;
    let digits = text.trim_end_matches(|c: char| c.is_alphabetic() || c == '%');
    let unit = &text[digits.len()..];
    let number = digits.trim_end().parse().ok();
    let number: f64 = number
        .filter(|number: &f64| number.is_finite())
        .ok_or_else(|| format!("{key} is compared with a number, not {text:?}"))?;
    let units = Units::of(column.kind);
    let factor = units.factor(unit).ok_or_else(|| {
        Mistake::Unit(format!(
            "the unit {unit:?} does not fit {key}, which is {units}"
        ))
    })?;
    Ok(number * factor)
}

#[cfg(test)]
mod tests {
    use procmon::snapshot::Record;
    use procmon::uapi;

    use super::*;
    use crate::table::columns::COLUMNS;
    use crate::table::value::Kind;

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

    fn mistake(text: &str) -> String {
        Condition::parse(text).unwrap_err().to_string()
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
                "rss > 1e999",
                "rss is compared with a number, not \"1e999\"",
            ),
            (
                "rss > 1 K M",
                "rss is compared with a number, not \"1 K M\"",
            ),
            ("user < root", "user has no order: it takes = != ~ and !~"),
            ("rss > 1 or ", "there is no column \"\""),
        ] {
            assert_eq!(mistake(text), message, "{text}");
        }
        assert!(mistake("comm ~ (").contains("unclosed"));
    }

    #[test]
    fn a_unit_fits_its_column() {
        const BYTES: &str = "a number of bytes: K, M, G, T and P do";
        const PLAIN: &str = "a plain number: no unit does";
        const TIME: &str = "an amount of time: s, min, h and d do";

        for (text, unit, column, quantity) in [
            ("rss > 5min", "min", "rss", BYTES),
            ("swap<5 s", "s", "swap", BYTES),
            ("vsize > 5k", "k", "vsize", BYTES),
            ("vsize > 5 MiB", "MiB", "vsize", BYTES),
            (
                "read-rate > 10%",
                "%",
                "read-rate",
                "a number of bytes per second: K, M, G, T and P do",
            ),
            ("cpu > 3G", "G", "cpu", "a percentage: % does"),
            ("mem >= 1.5d", "d", "mem", "a percentage: % does"),
            ("time > 10M", "M", "time", TIME),
            ("age = 2m", "m", "age", TIME),
            ("threads > 1K", "K", "threads", PLAIN),
            ("nice = -5%", "%", "nice", PLAIN),
            ("vcs-rate > 1h", "h", "vcs-rate", PLAIN),
            ("rss > 1M or rss < 1h", "h", "rss", BYTES),
        ] {
            let message = format!("the unit {unit:?} does not fit {column}, which is {quantity}");
            let error = Condition::parse(text).unwrap_err();
            assert_eq!(error, Mistake::Unit(message), "{text}");
        }
    }

    #[test]
    fn each_kind_of_number_takes_its_units() {
        for column in COLUMNS {
            let fitting: &[&str] = match column.kind {
                Kind::Bytes | Kind::BytesRate => &["K", "M", "G", "T", "P"],
                Kind::Percent => &["%"],
                Kind::Time => &["s", "min", "h", "d"],
                Kind::Number | Kind::Count | Kind::Rate => &[],
                Kind::Moment | Kind::Word | Kind::Name | Kind::Arguments => continue,
            };
            let key = column.key;
            assert!(Condition::parse(&format!("{key} > 5")).is_ok(), "{key}");
            for unit in ["K", "M", "G", "T", "P", "%", "s", "min", "h", "d"] {
                let result = Condition::parse(&format!("{key} > 5{unit}"));
                assert_eq!(result.is_ok(), fitting.contains(&unit), "{key} {unit}");
            }
        }
    }
}
