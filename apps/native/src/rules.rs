//! Which window a record belongs to, and whether it is surely counted there.

use crate::time::{FIRST_MS, LAST_MS};

/// Earlier than any time in a record.
pub const NEVER: i64 = -1_000_000_000_000_000;

/// Record timestamps outside of these are left to Python, so that no difference of times passes 64 bits.
const USUAL_MS: std::ops::RangeInclusive<i64> = -100_000_000_000_000_000..=100_000_000_000_000_000;

/// The settings that decide what is counted in which window; sizes in milliseconds.
pub struct Rules {
    pub window_size: i64,
    pub max_clock_skew: i64,
    pub by_arrival: bool,
}

/// What the records so far have made of the watermark.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// The largest believed time.
    pub highest: i64,
    /// Whether a time was later than is believed.
    pub ahead: bool,
    /// Windows that end at this time or before are over.
    pub over: i64,
}

/// What does not change during a call.
pub struct Limits {
    /// How far behind the largest time windows are over.
    pub behind: i64,
    /// Later times are not believed.
    pub believed_to: i64,
}

impl Rules {
    /// The window of a valid event and the progress after it; None if Python has to judge.
    #[inline]
    pub fn place(&self, event_time: i64, arrived: i64, before: Progress, limits: &Limits) -> Option<(i64, Progress)> {
        if !USUAL_MS.contains(&arrived) {
            return None;
        }
        let time = if self.by_arrival { arrived } else { event_time };
        let seen = time.min(arrived);
        let mut after = before;
        if seen > limits.believed_to {
            after.ahead = true;
        } else if seen > before.highest && self.window_of(seen) + self.window_size < LAST_MS {
            after.highest = seen;
        }
        after.over = before.over.max(after.highest - limits.behind);
        let window = self.window_of(time);
        let end = window + self.window_size;
        let fine = time - arrived <= self.max_clock_skew && window >= FIRST_MS && end < LAST_MS && end > after.over;
        fine.then_some((window, after))
    }

    #[inline]
    fn window_of(&self, time: i64) -> i64 {
        time - time.rem_euclid(self.window_size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules { window_size: 30_000, max_clock_skew: 1_000, by_arrival: false };
    const LIMITS: Limits = Limits { behind: 5_000, believed_to: 1_000_000 };
    const BEFORE: Progress = Progress { highest: NEVER, ahead: false, over: NEVER };

    #[test]
    fn a_time_is_rounded_down_to_its_window() {
        let window = |time| RULES.place(time, time, BEFORE, &LIMITS).unwrap().0;
        assert_eq!([window(0), window(29_999), window(30_000)], [0, 0, 30_000]);
        assert_eq!([window(-1), window(-30_000), window(-30_001)], [-30_000, -30_000, -60_000]);
    }

    #[test]
    fn the_smaller_time_raises_the_watermark() {
        let after = |time, arrived| RULES.place(time, arrived, BEFORE, &LIMITS).unwrap().1;
        assert_eq!(after(50_000, 60_000), Progress { highest: 50_000, ahead: false, over: 45_000 });
        assert_eq!(after(50_000, 49_000).highest, 49_000);
        assert_eq!(after(1_000_001, 1_000_001), Progress { ahead: true, ..BEFORE });
    }

    #[test]
    fn what_is_late_or_ahead_is_left_to_python() {
        let late = Progress { over: 30_000, ..BEFORE };
        assert!(RULES.place(29_999, 29_999, late, &LIMITS).is_none());
        assert!(RULES.place(30_000, 30_000, late, &LIMITS).is_some());
        assert!(RULES.place(51_000, 50_000, BEFORE, &LIMITS).is_some());
        assert!(RULES.place(51_001, 50_000, BEFORE, &LIMITS).is_none());
        assert!(RULES.place(FIRST_MS, FIRST_MS, BEFORE, &LIMITS).is_some());
        assert!(RULES.place(LAST_MS - 1, LAST_MS - 1, BEFORE, &LIMITS).is_none());
    }

    #[test]
    fn record_timestamps_may_be_any_number() {
        for arrived in [i64::MIN, i64::MIN + 1, -(1 << 60), 1 << 60, i64::MAX] {
            assert!(RULES.place(0, arrived, BEFORE, &LIMITS).is_none());
            assert!(Rules { by_arrival: true, ..RULES }.place(0, arrived, BEFORE, &LIMITS).is_none());
        }
    }
}
