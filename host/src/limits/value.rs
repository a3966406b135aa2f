//! How a limit's value is written in a config file and printed.

use serde::{Deserialize, Deserializer, de};
use std::fmt;
use std::time::Duration;

/// A number of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(u64);

impl Size {
    pub const fn bytes(bytes: u64) -> Self {
        Size(bytes)
    }

    pub const fn kib(kib: u64) -> Self {
        Size(kib << 10)
    }

    pub const fn mib(mib: u64) -> Self {
        Size(mib << 20)
    }

    pub const fn gib(gib: u64) -> Self {
        Size(gib << 30)
    }

    pub const fn get(self) -> u64 {
        self.0
    }

    /// The same number for code that counts in `usize`, saturating on targets
    /// where that is smaller.
    pub fn to_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_string_in_units())
    }
}

/// What a limit can be: a count, a size or a time.
pub trait LimitValue: Sized {
    /// What a config file may say, for messages.
    const EXPECTED: &'static str;

    fn parse(text: &str) -> Option<Self>;

    /// A bare integer, where that has a meaning.
    fn from_count(count: u64) -> Option<Self>;

    fn to_string_in_units(&self) -> String;
}

impl LimitValue for u64 {
    const EXPECTED: &'static str = "a whole number such as `1000`";

    fn parse(_: &str) -> Option<Self> {
        None
    }

    fn from_count(count: u64) -> Option<Self> {
        Some(count)
    }

    fn to_string_in_units(&self) -> String {
        self.to_string()
    }
}

impl LimitValue for Size {
    const EXPECTED: &'static str = "a size such as `\"64 KiB\"`, `\"1 MiB\"` or `\"2 GiB\"`";

    fn parse(text: &str) -> Option<Self> {
        let (number, unit) = split_unit(text)?;
        let factor = match unit {
            "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return None,
        };
        number.checked_mul(factor).map(Size)
    }

    fn from_count(_: u64) -> Option<Self> {
        None
    }

    fn to_string_in_units(&self) -> String {
        for (unit, shift) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] {
            if self.0 != 0 && self.0.trailing_zeros() >= shift {
                return format!("{} {unit}", self.0 >> shift);
            }
        }
        format!("{} B", self.0)
    }
}

/// A clock can be added to without an overflow.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

impl LimitValue for Duration {
    const EXPECTED: &'static str =
        "a time such as `\"250ms\"`, `\"10s\"`, `\"5m\"` or `\"1h\"`, at most a year";

    fn parse(text: &str) -> Option<Self> {
        let (number, unit) = split_unit(text)?;
        let time = match unit {
            "ms" => Some(Duration::from_millis(number)),
            "s" => Some(Duration::from_secs(number)),
            "m" => number.checked_mul(60).map(Duration::from_secs),
            "h" => number.checked_mul(3600).map(Duration::from_secs),
            _ => None,
        };
        time.filter(|time| *time <= LONGEST)
    }

    fn from_count(_: u64) -> Option<Self> {
        None
    }

    fn to_string_in_units(&self) -> String {
        let ms = self.as_millis();
        match ms {
            0 => "0s".into(),
            ms if ms % 3_600_000 == 0 => format!("{}h", ms / 3_600_000),
            ms if ms % 60_000 == 0 => format!("{}m", ms / 60_000),
            ms if ms % 1_000 == 0 => format!("{}s", ms / 1_000),
            ms => format!("{ms}ms"),
        }
    }
}

/// Reads one limit of a config file.
pub(super) fn deserialize<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: LimitValue,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Count(u64),
        Text(String),
    }
    let expected = || de::Error::custom(format!("expected {}", T::EXPECTED));
    let value = match Written::deserialize(deserializer).map_err(|_| expected())? {
        Written::Count(count) => T::from_count(count),
        Written::Text(text) => T::parse(&text),
    };
    value.map(Some).ok_or_else(expected)
}

/// `"64 KiB"` and `"64KiB"` as the number and the unit.
fn split_unit(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    Some((text[..end].parse().ok()?, text[end..].trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_print_as_they_are_written() {
        for text in ["0 B", "17 B", "64 KiB", "1 MiB", "3 GiB"] {
            assert_eq!(Size::parse(text).unwrap().to_string(), text);
        }
        for text in ["0s", "250ms", "10s", "5m", "2h"] {
            assert_eq!(Duration::parse(text).unwrap().to_string_in_units(), text);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "KiB", "10", "10 KB", "-1 B", "18446744073709551615 GiB", "1e3 B"] {
            assert_eq!(Size::parse(text), None, "{text}");
        }
        for text in ["", "s", "10", "10 sec", "1.5s", "99999999999999999999s"] {
            assert_eq!(Duration::parse(text), None, "{text}");
        }
    }
}
