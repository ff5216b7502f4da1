//! Strings in JSON text. `end` is where the text ends; the bytes may go on, so that blocks can be read beyond it.

const BLOCK: usize = 16;

/// A string's contents: a range of the text, or of the scratch buffer if it was unescaped.
#[derive(Clone, Copy, Default)]
pub struct Span {
    pub start: usize,
    pub end: usize,
    pub unescaped: bool,
}

/// The position of the first quote, backslash or control character at or after `at`; `bytes.len()` if there is none.
#[inline]
pub fn plain_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(block) = bytes.get(at..).and_then(|rest| rest.first_chunk::<BLOCK>()) {
        let found = special(block);
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += BLOCK;
    }
    while at < bytes.len() && !is_special(bytes[at]) {
        at += 1;
    }
    at
}

#[inline]
fn is_special(byte: u8) -> bool {
    byte == b'"' || byte == b'\\' || byte < 0x20
}

/// The byte at each special one is not 0. The loop becomes a few vector instructions.
#[inline]
fn special(block: &[u8; BLOCK]) -> u128 {
    let mut marks = [0; BLOCK];
    for (mark, &byte) in marks.iter_mut().zip(block) {
        *mark = if is_special(byte) { 0xff } else { 0 };
    }
    u128::from_le_bytes(marks)
}

/// Reads the string whose first character is at `start`; returns it and the position after its closing quote.
/// None if it is not valid, or contains half a surrogate pair.
#[inline]
pub fn read(bytes: &[u8], end: usize, start: usize, scratch: &mut Vec<u8>) -> Option<(Span, usize)> {
    let at = plain_end(bytes, start);
    if at >= end {
        return None;
    }
    match bytes[at] {
        b'"' => Some((Span { start, end: at, unescaped: false }, at + 1)),
        b'\\' => unescape(&bytes[..end], start, at, scratch),
        _ => None,
    }
}

/// As `read`, from the first backslash on.
fn unescape(text: &[u8], start: usize, mut at: usize, scratch: &mut Vec<u8>) -> Option<(Span, usize)> {
    let begin = scratch.len();
    scratch.extend_from_slice(&text[start..at]);
    loop {
        match *text.get(at)? {
            b'"' => return Some((Span { start: begin, end: scratch.len(), unescaped: true }, at + 1)),
            b'\\' => at = read_escape(text, at + 1, scratch)?,
            _ => return None,
        }
        let next = plain_end(text, at);
        scratch.extend_from_slice(&text[at..next]);
        at = next;
    }
}

/// Appends the character of the escape after its backslash, at `at`; returns the position after it.
fn read_escape(text: &[u8], at: usize, scratch: &mut Vec<u8>) -> Option<usize> {
    let plain = match *text.get(at)? {
        escaped @ (b'"' | b'\\' | b'/') => escaped,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'u' => {
            let (character, after) = read_code_point(text, at + 1)?;
            scratch.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            return Some(after);
        }
        _ => return None,
    };
    scratch.push(plain);
    Some(at + 1)
}

fn read_code_point(text: &[u8], at: usize) -> Option<(char, usize)> {
    let unit = read_unit(text, at)?;
    if !(0xd800..=0xdbff).contains(&unit) {
        return Some((char::from_u32(unit)?, at + 4)); // None for the second half of a pair
    }
    let low = read_unit(text, at + 6)?;
    if text[at + 4..at + 6] != *b"\\u" || !(0xdc00..=0xdfff).contains(&low) {
        return None;
    }
    Some((char::from_u32(0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00))?, at + 10))
}

fn read_unit(text: &[u8], at: usize) -> Option<u32> {
    text.get(at..at + 4)?.iter().try_fold(0, |unit, &digit| Some(unit << 4 | char::from(digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(json: &str) -> Option<String> {
        let mut scratch = Vec::new();
        let bytes = json.as_bytes();
        let (span, after) = read(bytes, bytes.len(), 1, &mut scratch)?;
        assert_eq!(after, bytes.len());
        let source = if span.unescaped { &scratch } else { bytes };
        Some(String::from_utf8(source[span.start..span.end].to_vec()).unwrap())
    }

    #[test]
    fn plain_text_of_any_length_is_read() {
        for length in 0..100 {
            let plain = "ab한c".chars().cycle().take(length).collect::<String>();
            assert_eq!(text(&format!("\"{plain}\"")), Some(plain));
        }
    }

    #[test]
    fn escapes_are_replaced() {
        assert_eq!(text(r#""a\"\\\/\b\f\n\r\t\u00e9\uD83D\ude00z""#).unwrap(), "a\"\\/\u{8}\u{c}\n\r\té😀z");
        assert_eq!(text(r#""\u0000""#).unwrap(), "\0");
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
