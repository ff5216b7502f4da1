//! Shapes of events: the text between the values, learned from events that were read in full.
//!
//! A producer writes the same fields in the same order, so nearly every event has the shape of an earlier one. What
//! differs in any way is read in full.

use crate::event::{self, DURATION, Event, TIMESTAMP, UNREAD};
use crate::strings::{self, Span};
use crate::time::USUAL_BYTES;

const MOST_SHAPES: usize = 4;
/// After so many events without a known shape others are learned.
const MOST_MISSES: u32 = 10_000;
const LITERAL_BYTES: usize = 32;

#[derive(Default)]
pub struct Shapes {
    known: Vec<Shape>,
    misses: u32,
}

impl Shapes {
    /// As `event::read`.
    #[inline]
    pub fn read(&mut self, bytes: &[u8], end: usize, event: &mut Event) -> Option<()> {
        for position in 0..self.known.len() {
            if self.known[position].read(bytes, end, event).is_some() {
                if position > 0 {
                    self.known.swap(position, position - 1);
                }
                return Some(());
            }
        }
        event::read(bytes, end, event)?;
        self.miss(&bytes[..end]);
        Some(())
    }

    #[cold]
    fn miss(&mut self, value: &[u8]) {
        self.misses += 1;
        if self.misses == MOST_MISSES {
            self.known.clear();
            self.misses = 0;
        }
        if self.known.len() < MOST_SHAPES {
            self.known.extend(Shape::of(value));
        }
    }
}

/// A text, and the value after it.
struct Part {
    text: Literal,
    field: usize,
}

struct Shape {
    parts: Vec<Part>,
    last: Literal,
}

impl Shape {
    /// The shape of a valid event; None if a text is too long.
    fn of(value: &[u8]) -> Option<Self> {
        let mut parts = Vec::new();
        let mut start = 0;
        event::visit(value, |field, value_at, value_end| {
            parts.push(Part { text: Literal::of(&value[start..value_at])?, field });
            start = value_end;
            Some(())
        })?;
        Some(Self { parts, last: Literal::of(&value[start..])? })
    }

    #[inline]
    fn read(&self, bytes: &[u8], end: usize, event: &mut Event) -> Option<()> {
        event.scratch.clear();
        let mut at = 0;
        for part in &self.parts {
            at = part.text.skip(bytes, at)?;
            if part.field == DURATION {
                (event.duration, at) = event::read_duration(bytes, end, at)?;
            } else if part.field == UNREAD {
                at = event::skip(bytes, end, at, &mut event.scratch)?;
            } else if part.field == TIMESTAMP && bytes.get(at + USUAL_BYTES) == Some(&b'"') {
                // Nothing is overlooked: no special byte is part of a time.
                event.strings[TIMESTAMP] = Span::new(at, at + USUAL_BYTES);
                at += USUAL_BYTES + 1;
            } else {
                (event.strings[part.field], at) = strings::read(bytes, end, at, &mut event.scratch)?;
            }
        }
        (self.last.skip(bytes, at)? == end && event.is_short()).then_some(())
    }
}

/// A short text that is compared as a whole.
struct Literal {
    text: [u8; LITERAL_BYTES],
    mask: [u8; LITERAL_BYTES],
    size: usize,
}

impl Literal {
    fn of(text: &[u8]) -> Option<Self> {
        let mut literal = Self { text: [0; LITERAL_BYTES], mask: [0; LITERAL_BYTES], size: text.len() };
        literal.text.get_mut(..text.len())?.copy_from_slice(text);
        literal.mask[..text.len()].fill(0xff);
        Some(literal)
    }

    /// The position after this text, if it is at `at`.
    #[inline]
    fn skip(&self, bytes: &[u8], at: usize) -> Option<usize> {
        let rest = bytes.get(at..)?;
        let same = match rest.first_chunk::<LITERAL_BYTES>() {
            Some(block) => {
                let mut different = 0;
                for ((byte, expected), mask) in block.iter().zip(&self.text).zip(&self.mask) {
                    different |= (byte ^ expected) & mask;
                }
                different == 0
            }
            None => rest.starts_with(&self.text[..self.size]),
        };
        same.then_some(at + self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::STRINGS;

    const USUAL: &str = r#"{"event_id":"e","timestamp":"t","user_id":"u","session_id":"s","event_type":"y","page_url":"p","referrer":"r","device_type":"d","duration_ms":12}"#;

    fn texts(event: &Event, json: &str) -> (String, u64) {
        let text = |field| String::from_utf8(event.text(json.as_bytes(), field).to_vec()).unwrap();
        ((0..STRINGS).map(text).collect::<Vec<_>>().join(" "), event.duration)
    }

    #[test]
    fn an_event_of_a_known_shape_is_read_as_in_full() {
        let shape = Shape::of(USUAL.as_bytes()).unwrap();
        let long = "x".repeat(256);
        for json in [
            USUAL.to_string(),
            USUAL.replace("\"t\"", "\"2024-10-26T10:30:45.123Z\""),
            USUAL.replace("\"t\"", "\"2024-10-26T10:30:45Z\""),
            USUAL.replace("\"u\"", "\"\""),
            USUAL.replace("\"u\"", r#""\ud83d\ude00\n""#),
            USUAL.replace("\"e\"", r#""\"""#),
            USUAL.replace("\"p\"", &format!("\"{long}\"")),
            USUAL.replace("12", "9223372036854775807"),
            USUAL.replace("\"e\"", &format!("\"{long}{long}\"")),
        ] {
            let (mut known, mut full) = (Event::default(), Event::default());
            event::read(json.as_bytes(), json.len(), &mut full).unwrap();
            shape.read(json.as_bytes(), json.len(), &mut known).unwrap();
            assert_eq!(texts(&known, &json), texts(&full, &json));
        }
    }

    #[test]
    fn unread_fields_may_have_any_value() {
        let with = |value: &str| USUAL.replace("\"e\"", value);
        let shape = Shape::of(with(r#"{"a":[1,true]}"#).as_bytes()).unwrap();
        let mut event = Event::default();
        for value in ["7", "-1.5", "null", "[]", r#"{"user_id":"x"}"#, r#""text""#] {
            let json = with(value);
            shape.read(json.as_bytes(), json.len(), &mut event).unwrap();
            assert_eq!(texts(&event, &json), ("t u s y p r d".into(), 12));
        }
        for value in ["", "01", "[1,]", "tru", r#"{"a"}"#] {
            let json = with(value);
            assert!(shape.read(json.as_bytes(), json.len(), &mut event).is_none(), "{json}");
        }
    }

    #[test]
    fn an_event_of_another_shape_is_not_read() {
        let shape = Shape::of(USUAL.as_bytes()).unwrap();
        let mut event = Event::default();
        for end in 0..USUAL.len() {
            assert!(shape.read(&USUAL.as_bytes()[..end], end, &mut event).is_none());
            assert!(shape.read(USUAL.as_bytes(), end, &mut event).is_none());
        }
        for (from, to) in [
            ("u", "v"),
            ("\"u\"", "7"),
            ("\"u\"", r#""\ud83d""#),
            ("\"u\"", "\"\n\""),
            ("12", "012"),
            ("12", "-1"),
            ("}", " }"),
            ("}", "}}"),
            (":", " :"),
            ("{", "["),
            ("12", "\"12\""),
            (r#","referrer":"r""#, ""),
            ("\"u\"", &format!("\"{}\"", "u".repeat(257))),
        ] {
            let json = USUAL.replacen(from, to, 1);
            assert!(shape.read(json.as_bytes(), json.len(), &mut event).is_none(), "{json}");
        }
    }

    #[test]
    fn shapes_are_learned_and_forgotten() {
        let mut shapes = Shapes::default();
        let mut event = Event::default();
        for number in 0..MOST_MISSES {
            let json = USUAL.replace("event_id", &format!("event_id{number}"));
            shapes.read(json.as_bytes(), json.len(), &mut event).unwrap();
            assert_eq!(shapes.known.len(), if number + 1 == MOST_MISSES { 1 } else { 4.min(number as usize + 1) });
        }
        assert!(Shape::of(USUAL.replace("event_id", &"e".repeat(40)).as_bytes()).is_none());
    }
}
