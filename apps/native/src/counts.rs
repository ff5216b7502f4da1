//! The counts of one window.

use crate::ids::Ids;
use crate::names::Names;

/// Event types, or devices, of a window that are counted by name.
const MOST_KINDS: usize = 1000;
/// Pages and referrers together.
const MOST_NAMES_BYTES: usize = 1024 * 1024;
/// Of a name in MessagePack beside its text.
const NAME_BYTES: usize = 12;

/// What is counted of an event.
pub struct Counted<'a> {
    pub user: &'a [u8],
    pub session: &'a [u8],
    pub event_type: &'a [u8],
    pub page: &'a [u8],
    pub referrer: &'a [u8],
    pub device: &'a [u8],
    pub duration: u64,
}

#[derive(Default)]
pub struct WindowCounts {
    pub total: u64,
    pub duration: u128,
    pub event_types: Names,
    pub devices: Names,
    pub referrers: Names,
    pub pages: Names,
    pub users: Ids,
    pub sessions: Ids,
}

impl WindowCounts {
    #[inline]
    pub fn add(&mut self, event: &Counted) {
        self.total += 1;
        self.duration += u128::from(event.duration);
        self.event_types.add(event.event_type);
        self.devices.add(event.device);
        self.referrers.add(event.referrer);
        self.pages.add(event.page);
        self.users.add(event.user);
        self.sessions.add(event.session);
    }

    /// Whether Python must take these counts over, because a sketch has to count from now on.
    pub fn is_full(&self, exact_limit: usize) -> bool {
        let exact = [self.users.len(), self.sessions.len(), self.pages.len(), self.referrers.len()];
        let names_bytes = self.pages.text_bytes() + self.referrers.text_bytes() + NAME_BYTES * (exact[2] + exact[3]);
        exact.iter().any(|&each| each > exact_limit)
            || self.event_types.len() > MOST_KINDS
            || self.devices.len() > MOST_KINDS
            || names_bytes > MOST_NAMES_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(events: usize, change: fn(&mut Counted, &'static [u8])) -> WindowCounts {
        let mut counts = WindowCounts::default();
        for number in 0..events {
            let name = format!("{number:0256}").into_bytes().leak();
            let mut event = Counted {
                user: b"u",
                session: b"s",
                event_type: b"t",
                page: b"p",
                referrer: b"r",
                device: b"d",
                duration: 7,
            };
            change(&mut event, name);
            counts.add(&event);
        }
        counts
    }

    #[test]
    fn a_window_is_full_when_something_passes_its_limit() {
        for change in [
            (|event, name| event.user = name) as fn(&mut Counted, &'static [u8]),
            |event, name| event.session = name,
            |event, name| event.page = name,
            |event, name| event.referrer = name,
        ] {
            assert!(!counted(20, change).is_full(20));
            assert!(counted(21, change).is_full(20));
        }
    }

    #[test]
    fn a_window_is_full_with_more_than_a_thousand_kinds() {
        for change in [(|event, name| event.event_type = name) as fn(&mut Counted, &'static [u8]), |event, name| {
            event.device = name
        }] {
            assert!(!counted(1000, change).is_full(20));
            assert!(counted(1001, change).is_full(20));
        }
    }

    #[test]
    fn a_window_is_full_with_more_than_a_mebibyte_of_names() {
        let most = (1024 * 1024) / 268;
        let change: fn(&mut Counted, &'static [u8]) = |event, name| event.page = name;
        assert!(!counted(most, change).is_full(100_000));
        assert!(counted(most + 1, change).is_full(100_000));
    }

    #[test]
    fn durations_may_pass_64_bits() {
        let mut counts = WindowCounts::default();
        for _ in 0..3 {
            let duration = i64::MAX as u64;
            counts.add(&Counted {
                user: b"",
                session: b"",
                event_type: b"",
                page: b"",
                referrer: b"",
                device: b"",
                duration,
            });
        }
        assert_eq!(counts.duration, 3 * (i64::MAX as u128));
    }
}
