//! RFC 3339 timestamps as `clickstream_core.timestamps` reads them. Leap seconds and errors are left to Python.

pub const FIRST_MS: i64 = -62_135_596_800_000;
pub const LAST_MS: i64 = 253_402_300_800_000;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
const MINUTE_BYTES: usize = "2024-10-26T10:30".len();
pub const USUAL_BYTES: usize = "2024-10-26T10:30:45.123Z".len();

/// Parses timestamps, and remembers the last minute: a batch has few of them.
pub struct Clock {
    minute: [u8; MINUTE_BYTES],
    start: i64,
}

impl Clock {
    pub fn new() -> Self {
        Self { minute: *b"1970-01-01T00:00", start: 0 }
    }

    /// Milliseconds since the epoch; None if the text is none, or a leap second.
    #[inline]
    pub fn parse(&mut self, text: &[u8]) -> Option<i64> {
        if let Ok(usual) = <&[u8; USUAL_BYTES]>::try_from(text)
            && let Some(rest) = usual_rest(usual)
        {
            if usual[..MINUTE_BYTES] != self.minute {
                self.start = parse_any(text)? - rest;
                self.minute.copy_from_slice(&usual[..MINUTE_BYTES]);
            }
            return Some(self.start + rest);
        }
        parse_any(text)
    }
}

/// Seconds and milliseconds of the usual form, whatever its minute.
#[inline]
fn usual_rest(text: &[u8; USUAL_BYTES]) -> Option<i64> {
    if text[16] != b':' || text[19] != b'.' || text[23] != b'Z' {
        return None;
    }
    let digit = |at: usize| text[at].wrapping_sub(b'0');
    let digits = [17, 18, 20, 21, 22].map(digit);
    if digits.iter().any(|&each| each > 9) || digits[0] > 5 {
        return None;
    }
    let [tens, ones, a, b, c] = digits.map(i64::from);
    Some((tens * 10 + ones) * 1000 + a * 100 + b * 10 + c)
}

fn parse_any(text: &[u8]) -> Option<i64> {
    let mut rest = Text { left: text };
    let year = rest.number(4)?;
    rest.one_of(b"-")?;
    let month = rest.number(2)?;
    rest.one_of(b"-")?;
    let day = rest.number(2)?;
    rest.one_of(b"Tt ")?;
    let hour = rest.number(2)?;
    rest.one_of(b":")?;
    let minute = rest.number(2)?;
    rest.one_of(b":")?;
    let second = rest.number(2)?;
    let milliseconds = if rest.one_of(b".").is_some() { rest.fraction()? } else { 0 };
    let offset = rest.offset()?;
    if !rest.left.is_empty() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let time = days_since_epoch(year, month, day)? * DAY_MS
        + (hour * 60 + minute - offset) * MINUTE_MS
        + second * 1000
        + milliseconds;
    (time >= FIRST_MS).then_some(time)
}

struct Text<'a> {
    left: &'a [u8],
}

impl Text<'_> {
    fn number(&mut self, digits: usize) -> Option<i64> {
        let (text, left) = self.left.split_at_checked(digits)?;
        self.left = left;
        text.iter().try_fold(0, |value, &digit| digit.is_ascii_digit().then(|| value * 10 + i64::from(digit - b'0')))
    }

    fn one_of(&mut self, allowed: &[u8]) -> Option<u8> {
        let (&first, left) = self.left.split_first()?;
        allowed.contains(&first).then(|| {
            self.left = left;
            first
        })
    }

    /// At least one digit; those beyond milliseconds are cut off.
    fn fraction(&mut self) -> Option<i64> {
        let digits = self.left.iter().take_while(|each| each.is_ascii_digit()).count();
        let (text, left) = self.left.split_at(digits);
        self.left = left;
        let digit = |at: usize| text.get(at).map_or(0, |&each| i64::from(each - b'0'));
        (digits > 0).then(|| digit(0) * 100 + digit(1) * 10 + digit(2))
    }

    /// The UTC offset in minutes.
    fn offset(&mut self) -> Option<i64> {
        let sign = match self.one_of(b"Zz+-")? {
            b'+' => 1,
            b'-' => -1,
            _ => return Some(0),
        };
        let hour = self.number(2)?;
        let _ = self.one_of(b":");
        let minute = self.number(2)?;
        (hour <= 23 && minute <= 59).then_some(sign * (hour * 60 + minute))
    }
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar; None if there is no such day from year 1 on.
/// Years begin in March here, so that the leap day is the last (H. Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms").
fn days_since_epoch(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_in_month = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        _ => return None,
    };
    if year < 1 || day < 1 || day > days_in_month {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Option<i64> {
        Clock::new().parse(text.as_bytes())
    }

    #[test]
    fn the_usual_form_is_read() {
        assert_eq!(time("1970-01-01T00:00:00.000Z"), Some(0));
        assert_eq!(time("2024-10-26T10:30:45.123Z"), Some(1_729_938_645_123));
        assert_eq!(time("0001-01-01T00:00:00.000Z"), Some(FIRST_MS));
        assert_eq!(time("9999-12-31T23:59:59.999Z"), Some(LAST_MS - 1));
    }

    #[test]
    fn all_forms_of_one_time_are_equal() {
        for text in [
            "2024-10-26T10:30:45.123Z",
            "2024-10-26t10:30:45.123999999999z",
            "2024-10-26 19:30:45.123+09:00",
            "2024-10-26T19:30:45.123+0900",
            "2024-10-26T00:30:45.1230-10:00",
        ] {
            assert_eq!(time(text), Some(1_729_938_645_123), "{text}");
        }
        assert_eq!(time("2024-10-26T10:30:45Z"), Some(1_729_938_645_000));
        assert_eq!(time("2024-10-26T10:30:45.1Z"), Some(1_729_938_645_100));
    }

    #[test]
    fn a_minute_is_remembered_and_forgotten() {
        let mut clock = Clock::new();
        assert_eq!(clock.parse(b"2024-10-26T10:30:45.123Z"), Some(1_729_938_645_123));
        assert_eq!(clock.parse(b"2024-10-26T10:30:00.001Z"), Some(1_729_938_600_001));
        assert_eq!(clock.parse(b"2024-10-26T10:99:00.001Z"), None);
        assert_eq!(clock.parse(b"2024-10-26T10:31:00.001Z"), Some(1_729_938_660_001));
        assert_eq!(clock.parse(b"2024-10-26T10:30:00.001Z"), Some(1_729_938_600_001));
    }

    #[test]
    fn every_day_of_eight_hundred_years_follows_the_one_before() {
        let mut expected = days_since_epoch(1600, 1, 1).unwrap();
        for year in 1600..2400 {
            for month in 1..=12 {
                for day in (1..=31).filter_map(|day| days_since_epoch(year, month, day)) {
                    assert_eq!(day, expected);
                    expected += 1;
                }
            }
        }
        assert_eq!(expected, days_since_epoch(2400, 1, 1).unwrap());
    }

    #[test]
    fn what_is_no_time_is_not_read() {
        for text in [
            "",
            "2024-10-26",
            "2024-10-26T10:30:45.123",
            "2024-10-26T10:30:45.Z",
            "2024-10-26T10:30:45,123Z",
            "2024-10-26T10:30:60.000Z",
            "2024-10-26T23:59:60Z",
            "2024-10-26T24:00:00.000Z",
            "2024-02-30T10:30:45.123Z",
            "2023-02-29T10:30:45.123Z",
            "1900-02-29T10:30:45.123Z",
            "0000-01-01T00:00:00.000Z",
            "0001-01-01T00:00:00.000+00:01",
            "2024-13-01T10:30:45.123Z",
            "2024-00-01T10:30:45.123Z",
            "2024-10-26T10:30:45.123+24:00",
            "2024-10-26T10:30:45.123+09:60",
            "2024-10-26T10:30:45.123+09",
            "2024-10-26T10:30:45.123ZZ",
            "+024-10-26T10:30:45.123Z",
            "2024-10-26T10:30:4a.123Z",
            "2024-10-26T10:30:45.1a3Z",
            "2024-10-26_10:30:45.123Z",
        ] {
            assert_eq!(time(text), None, "{text}");
        }
    }
}
