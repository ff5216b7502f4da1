//! The counted fields of an event, read from JSON text that is surely valid. Everything else is left to Python.

use crate::strings::{self, Span};

/// Of a counted name or id in UTF-8: longer ones are cut by Python.
pub const MAX_NAME_BYTES: usize = 256;

/// The counted strings, in this order.
pub const TIMESTAMP: usize = 0;
pub const USER: usize = 1;
pub const SESSION: usize = 2;
pub const EVENT_TYPE: usize = 3;
pub const PAGE: usize = 4;
pub const REFERRER: usize = 5;
pub const DEVICE: usize = 6;
pub const STRINGS: usize = 7;
pub const DURATION: usize = 7;
/// Any other field, with a string or another value.
pub const UNREAD_STRING: usize = 8;
pub const UNREAD: usize = 9;
const SPANS: usize = 9;
const ALL_FIELDS: u8 = 0xff;

const MAX_DEPTH: u32 = 64;
/// Of a number in an unread field.
const MAX_NUMBER_BYTES: usize = 40;

/// Where the counted fields are. Kept from event to event, so that nothing is allocated.
#[derive(Default)]
pub struct Event {
    pub strings: [Span; SPANS],
    pub duration: u64,
    pub scratch: Vec<u8>,
}

impl Event {
    /// Whether no name has to be cut.
    #[inline]
    pub fn is_short(&self) -> bool {
        self.strings[USER..STRINGS].iter().all(|span| span.len() <= MAX_NAME_BYTES)
    }

    #[inline]
    pub fn text<'a>(&'a self, bytes: &'a [u8], field: usize) -> &'a [u8] {
        self.strings[field].of(bytes, &self.scratch)
    }
}

/// Calls `see` with each field of a valid event, where its value begins and where it ends; a string begins after its
/// opening quote. None if `see` returns that.
pub fn visit(value: &[u8], mut see: impl FnMut(usize, usize, usize) -> Option<()>) -> Option<()> {
    let mut scanner = Scanner { bytes: value, end: value.len(), at: 0 };
    scanner.expect(b'{')?;
    loop {
        let field = field_of(scanner.name()?);
        scanner.space();
        let quoted = scanner.peek()? == b'"';
        let start = scanner.at + usize::from(quoted);
        scanner.unread(&mut Vec::new())?;
        see(field.unwrap_or(if quoted { UNREAD_STRING } else { UNREAD }), start, scanner.at)?;
        scanner.space();
        if scanner.peek()? == b'}' {
            return Some(());
        }
        scanner.at += 1;
    }
}

/// Checks a value of any type; returns the position after it.
pub fn skip(bytes: &[u8], end: usize, start: usize, scratch: &mut Vec<u8>) -> Option<usize> {
    let mut scanner = Scanner { bytes, end, at: start };
    scanner.unread(scratch)?;
    Some(scanner.at)
}

/// Which counted field has this name.
pub fn field_of(name: &[u8]) -> Option<usize> {
    match name {
        b"timestamp" => Some(TIMESTAMP),
        b"user_id" => Some(USER),
        b"session_id" => Some(SESSION),
        b"event_type" => Some(EVENT_TYPE),
        b"page_url" => Some(PAGE),
        b"referrer" => Some(REFERRER),
        b"device_type" => Some(DEVICE),
        b"duration_ms" => Some(DURATION),
        _ => None,
    }
}

/// Reads the event in `bytes[..end]`; None if it is not surely valid. Its UTF-8 is not checked.
pub fn read(bytes: &[u8], end: usize, event: &mut Event) -> Option<()> {
    event.scratch.clear();
    Scanner { bytes, end, at: 0 }.event(event)
}

/// Reads digits without a sign or a leading zero, up to 2^63 - 1; returns the number and the position after it.
#[inline]
pub fn read_duration(bytes: &[u8], end: usize, start: usize) -> Option<(u64, usize)> {
    let mut at = start;
    let mut value: u64 = 0;
    while at < end && bytes[at].is_ascii_digit() {
        value = value.checked_mul(10)?.checked_add(u64::from(bytes[at] - b'0'))?;
        at += 1;
    }
    let fine = at > start && (bytes[start] != b'0' || at == start + 1) && i64::try_from(value).is_ok();
    fine.then_some((value, at))
}

struct Scanner<'a> {
    bytes: &'a [u8],
    end: usize,
    at: usize,
}

impl Scanner<'_> {
    #[inline]
    fn peek(&self) -> Option<u8> {
        if self.at < self.end { Some(self.bytes[self.at]) } else { None }
    }

    #[inline]
    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Option<()> {
        self.space();
        (self.peek()? == byte).then(|| self.at += 1)
    }

    #[inline]
    fn string(&mut self, scratch: &mut Vec<u8>) -> Option<Span> {
        self.expect(b'"')?;
        let (span, after) = strings::read(self.bytes, self.end, self.at, scratch)?;
        self.at = after;
        Some(span)
    }

    /// A field's name, without escapes, and the colon after it.
    fn name(&mut self) -> Option<&[u8]> {
        self.expect(b'"')?;
        let start = self.at;
        let end = strings::plain_end(self.bytes, start);
        if end >= self.end || self.bytes[end] != b'"' {
            return None;
        }
        self.at = end + 1;
        self.expect(b':')?;
        Some(&self.bytes[start..end])
    }

    fn event(&mut self, event: &mut Event) -> Option<()> {
        let mut found: u8 = 0;
        self.expect(b'{')?;
        loop {
            match field_of(self.name()?) {
                None => self.unread(&mut event.scratch)?,
                Some(field) => {
                    if field == DURATION {
                        self.space();
                        (event.duration, self.at) = read_duration(self.bytes, self.end, self.at)?;
                    } else {
                        event.strings[field] = self.string(&mut event.scratch)?;
                    }
                    found |= 1 << field;
                }
            }
            self.space();
            match self.peek()? {
                b',' => self.at += 1,
                b'}' => break,
                _ => return None,
            }
        }
        self.at += 1;
        self.space();
        (self.at == self.end && found == ALL_FIELDS && event.is_short()).then_some(())
    }

    /// A value of any type. Its text is checked and forgotten.
    fn unread(&mut self, scratch: &mut Vec<u8>) -> Option<()> {
        let mut in_object: u64 = 0; // a bit for each level, the innermost is the lowest
        let mut depth = 0;
        loop {
            self.space();
            match self.peek()? {
                opening @ (b'{' | b'[') => {
                    let object = opening == b'{';
                    self.at += 1;
                    self.space();
                    if self.peek()? == if object { b'}' } else { b']' } {
                        self.at += 1;
                    } else {
                        if depth == MAX_DEPTH {
                            return None;
                        }
                        depth += 1;
                        in_object = in_object << 1 | u64::from(object);
                        if object {
                            self.name()?;
                        }
                        continue;
                    }
                }
                _ => self.scalar(scratch)?,
            }
            loop {
                if depth == 0 {
                    return Some(());
                }
                self.space();
                let object = in_object & 1 == 1;
                match self.peek()? {
                    b',' => {
                        self.at += 1;
                        if object {
                            self.name()?;
                        }
                        break;
                    }
                    closing if closing == if object { b'}' } else { b']' } => {
                        self.at += 1;
                        depth -= 1;
                        in_object >>= 1;
                    }
                    _ => return None,
                }
            }
        }
    }

    fn scalar(&mut self, scratch: &mut Vec<u8>) -> Option<()> {
        match self.peek()? {
            b'"' => {
                let kept = scratch.len();
                self.string(scratch)?;
                scratch.truncate(kept);
            }
            b't' => self.literal(b"true")?,
            b'f' => self.literal(b"false")?,
            b'n' => self.literal(b"null")?,
            _ => self.number()?,
        }
        Some(())
    }

    fn literal(&mut self, literal: &[u8]) -> Option<()> {
        self.bytes[self.at..self.end].starts_with(literal).then(|| self.at += literal.len())
    }

    /// A number without an exponent.
    fn number(&mut self) -> Option<()> {
        let start = self.at;
        if self.peek()? == b'-' {
            self.at += 1;
        }
        let first = self.peek()?;
        let digits = self.digits();
        if digits == 0 || (first == b'0' && digits > 1) {
            return None;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return None;
            }
        }
        (self.at - start <= MAX_NUMBER_BYTES).then_some(())
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        self.at - start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: &str = r#"{"event_id":"e","timestamp":"t","user_id":"u","session_id":"s","event_type":"y","page_url":"p","referrer":"r","device_type":"d","duration_ms":12}"#;

    fn read_text(json: &str) -> Option<(Vec<String>, u64)> {
        let mut event = Event::default();
        read(json.as_bytes(), json.len(), &mut event)?;
        let text = |field| String::from_utf8(event.text(json.as_bytes(), field).to_vec()).unwrap();
        Some(((0..STRINGS).map(text).collect(), event.duration))
    }

    fn with(more: &str) -> String {
        format!("{}{more}}}", &USUAL[..USUAL.len() - 1])
    }

    #[test]
    fn the_counted_fields_are_read() {
        let (texts, duration) = read_text(USUAL).unwrap();
        assert_eq!((texts.join(" ").as_str(), duration), ("t u s y p r d", 12));
        assert_eq!(read_text(&USUAL.replace(':', " : ").replace(',', "\n,\t")), Some((texts, duration)));
    }

    #[test]
    fn of_repeated_fields_the_last_one_counts() {
        let (texts, duration) = read_text(&with(r#","user_id":"\u00e9","duration_ms":0,"referrer":"z""#)).unwrap();
        assert_eq!((texts.join(" ").as_str(), duration), ("t é s y p z d", 0));
    }

    #[test]
    fn unread_fields_are_checked() {
        let deep = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        for value in [
            "{}",
            "[]",
            "true",
            "null",
            "-0",
            "1.5",
            r#""\n""#,
            r#"{"a":[{"b":[1,[],{}]},2]}"#,
            " [ 1 , 2 ] ",
            &deep(65),
        ] {
            assert!(read_text(&with(&format!(r#","x":{value}"#))).is_some(), "{value}");
        }
        let long = "1".repeat(41);
        for value in [
            "",
            "01",
            "1.",
            "1e5",
            "-",
            "tru",
            "[1,]",
            "[}",
            r#"{"a"}"#,
            r#"{"a":1,}"#,
            r#""\ud800""#,
            &long,
            &deep(67),
        ] {
            assert!(read_text(&with(&format!(r#","x":{value}"#))).is_none(), "{value}");
        }
    }

    #[test]
    fn what_is_not_surely_valid_is_left() {
        for end in 0..USUAL.len() {
            assert!(read_text(&USUAL[..end]).is_none());
        }
        for (from, to) in [
            ("12", "012"),
            ("12", "-1"),
            ("12", "1.0"),
            ("12", "9223372036854775808"),
            ("12", "1 2"),
            ("12", ""),
            (r#""u""#, "7"),
            (r#""u""#, "null"),
            ("user_id", "user"),
            ("user_id", r"user\u005fid"),
            ("{", "["),
            ("}", "}}"),
            ("}", ",}"),
            (":", "::"),
        ] {
            assert!(read_text(&USUAL.replacen(from, to, 1)).is_none(), "{from} {to}");
        }
        assert!(read_text(&USUAL.replace("12", "9223372036854775807")).is_some());
        assert!(read_text(&USUAL.replace(r#""u""#, &format!("\"{}\"", "u".repeat(256)))).is_some());
        assert!(read_text(&USUAL.replace(r#""u""#, &format!("\"{}\"", "u".repeat(257)))).is_none());
    }

    #[test]
    fn the_value_ends_before_the_bytes_do() {
        let mut event = Event::default();
        let more = format!("{USUAL}\"}}}}");
        assert!(read(more.as_bytes(), USUAL.len(), &mut event).is_some());
        for end in 0..USUAL.len() {
            assert!(read(more.as_bytes(), end, &mut event).is_none());
        }
    }
}
