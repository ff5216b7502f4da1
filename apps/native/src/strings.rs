//! Strings in JSON text. `end` is where the text ends; the bytes may go on, so that blocks can be read beyond it.

const WORD: usize = 8;
/// Seven bytes that are not special.
const PLAIN: u64 = repeated(b'a') << 8;

/// A string's contents: a range of the text, or of the scratch buffer if it was unescaped.
#[derive(Clone, Copy, Default)]
pub struct Span {
    start: u32,
    end: u32,
}

/// A bit of `start`: no value has 2 GiB.
const UNESCAPED: u32 = 1 << 31;

impl Span {
    #[inline]
    pub fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32 }
    }

    #[inline]
    pub fn len(self) -> usize {
        (self.end - (self.start & !UNESCAPED)) as usize
    }

    #[inline]
    pub fn of<'a>(self, text: &'a [u8], scratch: &'a [u8]) -> &'a [u8] {
        let source = if self.start & UNESCAPED == 0 { text } else { scratch };
        &source[(self.start & !UNESCAPED) as usize..self.end as usize]
    }
}

/// The position of the first quote, backslash or control character at or after `at`; `bytes.len()` if there is none.
#[inline(always)]
pub fn plain_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(&word) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        let found = special(u64::from_le_bytes(word));
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += WORD;
    }
    while at < bytes.len() && special(u64::from(bytes[at]) | PLAIN) == 0 {
        at += 1;
    }
    at
}

/// The highest bit of the first special byte is set, and none before it. What follows may be wrong.
#[inline(always)]
fn special(word: u64) -> u64 {
    let less = |word: u64, than: u8| word.wrapping_sub(repeated(than)) & !word;
    let quote = less(word ^ repeated(b'"'), 1);
    let backslash = less(word ^ repeated(b'\\'), 1);
    (quote | backslash | less(word, 0x20)) & repeated(0x80)
}

const fn repeated(byte: u8) -> u64 {
    u64::from_le_bytes([byte; WORD])
}

/// As in the standard library, which looks at the last bytes one by one.
#[inline]
pub fn is_ascii(value: &[u8]) -> bool {
    let Some(&last) = value.last_chunk() else { return value.is_ascii() };
    let words = value.as_chunks::<WORD>().0.iter();
    words.fold(u64::from_le_bytes(last), |seen, &word| seen | u64::from_le_bytes(word)) & repeated(0x80) == 0
}

/// Reads the string whose first character is at `start`; returns it and the position after its closing quote.
/// None if it is not valid, or contains half a surrogate pair.
#[inline(always)]
pub fn read(bytes: &[u8], end: usize, start: usize, scratch: &mut Vec<u8>) -> Option<(Span, usize)> {
    let at = plain_end(bytes, start);
    if at >= end {
        return None;
    }
    match bytes[at] {
        b'"' => Some((Span::new(start, at), at + 1)),
        b'\\' => unescape(&bytes[..end], start, at, scratch),
        _ => None,
    }
}

/// As `read`, from the first backslash on.
#[cold]
fn unescape(text: &[u8], start: usize, mut at: usize, scratch: &mut Vec<u8>) -> Option<(Span, usize)> {
    let begin = scratch.len();
    scratch.extend_from_slice(&text[start..at]);
    loop {
        match *text.get(at)? {
            b'\\' => at = read_escape(text, at + 1, scratch)?,
            b'"' => {
                let span = Span::new(begin, scratch.len());
                return Some((Span { start: span.start | UNESCAPED, ..span }, at + 1));
            }
            _ => {
                let next = plain_end(text, at);
                if next == at {
                    return None;
                }
                scratch.extend_from_slice(&text[at..next]);
                at = next;
            }
        }
    }
}

/// Appends the character of the escape after its backslash, at `at`; returns the position after it.
#[inline]
fn read_escape(text: &[u8], at: usize, scratch: &mut Vec<u8>) -> Option<usize> {
    let plain = match *text.get(at)? {
        b'u' => return read_code_point(text, at + 1, scratch),
        escaped @ (b'"' | b'\\' | b'/') => escaped,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        _ => return None,
    };
    scratch.push(plain);
    Some(at + 1)
}

#[inline]
fn read_code_point(text: &[u8], at: usize, scratch: &mut Vec<u8>) -> Option<usize> {
    let unit = read_unit(text, at)?;
    let last = 0x80 | (unit & 0x3f) as u8;
    match unit {
        0..0x80 => scratch.push(unit as u8),
        0x80..0x800 => scratch.extend_from_slice(&[0xc0 | (unit >> 6) as u8, last]),
        0xd800..0xdc00 => {
            let low = read_unit(text, at + 6)?;
            if text[at + 4..at + 6] != *b"\\u" || !(0xdc00..0xe000).contains(&low) {
                return None;
            }
            let pair = char::from_u32(0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00))?;
            scratch.extend_from_slice(pair.encode_utf8(&mut [0; 4]).as_bytes());
            return Some(at + 10);
        }
        0xdc00..0xe000 => return None, // the second half of a pair
        _ => scratch.extend_from_slice(&[0xe0 | (unit >> 12) as u8, 0x80 | (unit >> 6 & 0x3f) as u8, last]),
    }
    Some(at + 4)
}

/// Four hexadecimal digits.
#[inline]
fn read_unit(text: &[u8], at: usize) -> Option<u32> {
    let digits: &[u8; 4] = text.get(at..)?.first_chunk()?;
    let unit = digits.iter().fold(0, |unit, &digit| unit << 4 | HEXADECIMAL[usize::from(digit)]);
    (unit < NO_DIGIT).then_some(unit)
}

const NO_DIGIT: u32 = 0x10000;
const HEXADECIMAL: [u32; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut byte = 0;
    while byte < 256 {
        if let Some(value) = (byte as u8 as char).to_digit(16) {
            values[byte] = value;
        }
        byte += 1;
    }
    values
};

#[cfg(test)]
mod tests {
    use super::*;

    fn text(json: &str) -> Option<String> {
        let mut scratch = Vec::new();
        let bytes = json.as_bytes();
        let (span, after) = read(bytes, bytes.len(), 1, &mut scratch)?;
        assert_eq!(after, bytes.len());
        let text = span.of(bytes, &scratch);
        assert_eq!(span.len(), text.len());
        Some(String::from_utf8(text.to_vec()).unwrap())
    }

    #[test]
    fn plain_text_of_any_length_is_read() {
        for length in 0..100 {
            let plain = "ab한c".chars().cycle().take(length).collect::<String>();
            assert_eq!(text(&format!("\"{plain}\"")), Some(plain));
        }
    }

    #[test]
    fn a_byte_that_is_not_ascii_is_found_at_every_place() {
        for length in 0..100 {
            assert!(is_ascii(&vec![0x7f; length]));
            for at in 0..length {
                let mut bytes = vec![0; length];
                bytes[at] = 0x80;
                assert!(!is_ascii(&bytes), "{length} {at}");
            }
        }
    }

    #[test]
    fn escapes_are_replaced() {
        assert_eq!(text(r#""a\"\\\/\b\f\n\r\t\u00e9\uD83D\ude00z""#).unwrap(), "a\"\\/\u{8}\u{c}\n\r\té😀z");
        assert_eq!(text(r#""\u0000""#).unwrap(), "\0");
    }

    #[test]
    fn every_special_byte_is_found_at_every_place() {
        for length in 0..40 {
            for at in 0..length {
                for byte in 0..=255 {
                    let mut bytes = vec![if at % 2 == 0 { b'~' } else { 0xc3 }; length];
                    bytes[at] = byte;
                    let expected = if byte == b'"' || byte == b'\\' || byte < 0x20 { at } else { length };
                    assert_eq!(plain_end(&bytes, 0), expected, "{bytes:?}");
                }
            }
        }
    }

    #[test]
    fn every_character_is_unescaped() {
        for character in '\0'..=char::MAX {
            let escaped: String =
                character.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect();
            assert_eq!(text(&format!("\"{escaped}\"")), Some(character.to_string()));
        }
    }

    #[test]
    fn what_is_not_valid_is_not_read() {
        for json in [
            r#"""#,
            r#""a"#,
            r#""a\"#,
            r#""\u12"#,
            r#""\u12"x"#,
            r#""\x""#,
            r#""\u12g4""#,
            "\"a\nb\"",
            "\"a\\n\u{1f}\"",
            r#""\ud83d""#,
            r#""\ud83dx""#,
            r#""\ud83d\n12345""#,
            r#""\ud83d\ud83d""#,
            r#""\ude00""#,
            r#""\u+123""#,
        ] {
            assert_eq!(text(json), None, "{json}");
        }
    }

    #[test]
    fn a_string_ends_before_the_text_does() {
        assert!(read(b"\"abc\",\"\"\"\"", 4, 1, &mut Vec::new()).is_none());
        assert!(read(b"\"abc\",\"\"\"\"", 5, 1, &mut Vec::new()).is_some());
        assert!(read(b"\"ab\\n\",\"\"\"\"", 5, 1, &mut Vec::new()).is_none());
    }
}
