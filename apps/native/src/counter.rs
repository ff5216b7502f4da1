//! The counts of one partition by window, and the order in which its records are counted or judged.

use hashbrown::HashMap;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString, PyTuple};

use crate::batch::Batch;
use crate::counts::{Counted, WindowCounts};
use crate::event::{self, Event};
use crate::names::Names;
use crate::rules::{Limits, NEVER, Progress, Rules};
use crate::shapes::Shapes;
use crate::strings;
use crate::time::Clock;

/// Bytes after a value that may be looked at, so that its end can be read in blocks.
const SLACK_BYTES: usize = 32;

/// Of an object's value; a batch has no larger ones.
const MAX_VALUE_BYTES: usize = 1 << 30;

type Judged<'py> = (i64, bool, i64, Bound<'py, PyAny>, Bound<'py, PyAny>);
type Taken = (i64, bool, Vec<(i64, u64, i64, i64)>, Vec<i64>);

/// The counts of one partition that are not yet drained, by window.
#[pyclass(module = "clickstream_native")]
pub struct Counter {
    rules: Rules,
    exact_limit: usize,
    windows: Windows,
    clock: Clock,
    event: Event,
    shapes: Shapes,
}

#[derive(Default)]
struct Windows {
    slots: Vec<Slot>,
    positions: HashMap<i64, usize>,
    call: u64,
}

struct Slot {
    window: i64,
    counts: WindowCounts,
    /// The last call that counted here, and which of its shares that is.
    call: u64,
    share: usize,
}

/// What a call has counted in a window: events, and the offsets of the first and the last.
struct Share {
    slot: usize,
    window: i64,
    events: u64,
    first: i64,
    last: i64,
}

/// One call of `take`.
struct Call<'a, 'py> {
    limits: Limits,
    judge: &'a Bound<'py, PyAny>,
    progress: Progress,
    shares: Vec<Share>,
    /// The share of the last record.
    current: usize,
}

impl Windows {
    /// The counts of a window, where a record is about to be counted.
    #[inline]
    fn counts_of(&mut self, window: i64, offset: i64, call: &mut Call) -> &mut WindowCounts {
        let known = call.shares.get(call.current).is_some_and(|share| share.window == window);
        if !known {
            call.current = self.share_of(window, offset, &mut call.shares);
        }
        let share = &mut call.shares[call.current];
        share.events += 1;
        share.last = offset;
        &mut self.slots[share.slot].counts
    }

    fn share_of(&mut self, window: i64, offset: i64, shares: &mut Vec<Share>) -> usize {
        let slot = *self.positions.entry(window).or_insert_with(|| {
            self.slots.push(Slot { window, counts: WindowCounts::default(), call: 0, share: 0 });
            self.slots.len() - 1
        });
        let known = &mut self.slots[slot];
        if known.call != self.call {
            known.call = self.call;
            known.share = shares.len();
            shares.push(Share { slot, window, events: 0, first: offset, last: offset });
        }
        known.share
    }

    fn remove(&mut self, window: i64) -> Option<WindowCounts> {
        let position = self.positions.remove(&window)?;
        let removed = self.slots.swap_remove(position);
        if let Some(moved) = self.slots.get(position) {
            self.positions.insert(moved.window, position);
        }
        Some(removed.counts)
    }
}

impl Counter {
    /// Counts the value in `bytes[..end]` of a record, if it is surely to be counted.
    #[inline]
    fn count(&mut self, bytes: &[u8], end: usize, offset: i64, arrived: i64, call: &mut Call) -> Option<()> {
        if end > MAX_VALUE_BYTES {
            return None;
        }
        self.shapes.read(bytes, end, &mut self.event)?;
        let value = &bytes[..end];
        if !strings::is_ascii(value) && str::from_utf8(value).is_err() {
            return None;
        }
        let text = |field| self.event.text(bytes, field);
        let time = self.clock.parse(text(event::TIMESTAMP))?;
        let (window, progress) = self.rules.place(time, arrived, call.progress, &call.limits)?;
        call.progress = progress;
        self.windows.counts_of(window, offset, call).add(&Counted {
            user: text(event::USER),
            session: text(event::SESSION),
            event_type: text(event::EVENT_TYPE),
            page: text(event::PAGE),
            referrer: text(event::REFERRER),
            device: text(event::DEVICE),
            duration: self.event.duration,
        });
        Some(())
    }

    fn judge<'py>(&mut self, record: Bound<'py, PyAny>, offset: i64, call: &mut Call<'_, 'py>) -> PyResult<()> {
        let Progress { highest, ahead, over } = call.progress;
        let answer = call.judge.call1((record, highest, ahead, over))?;
        let (highest, ahead, over, window, event): Judged = answer.extract()?;
        call.progress = Progress { highest, ahead, over };
        if event.is_none() {
            return Ok(());
        }
        let text = |name: &str| Ok::<_, PyErr>(event.getattr(name)?.cast_into::<PyString>()?);
        let [user, session] = [text("user_id")?, text("session_id")?];
        let [event_type, device] = [text("event_type")?, text("device_type")?];
        let [page, referrer] = [text("page_url")?, text("referrer")?];
        let counted = Counted {
            user: user.to_str()?.as_bytes(),
            session: session.to_str()?.as_bytes(),
            event_type: event_type.to_str()?.as_bytes(),
            page: page.to_str()?.as_bytes(),
            referrer: referrer.to_str()?.as_bytes(),
            device: device.to_str()?.as_bytes(),
            duration: event.getattr("duration_ms")?.extract()?,
        };
        self.windows.counts_of(window.extract()?, offset, call).add(&counted);
        Ok(())
    }

    fn take_batch(&mut self, batch: &Batch, py: Python, end_offset: i64, call: &mut Call<'_, '_>) -> PyResult<()> {
        let records = batch.records(py);
        for place in batch.places().iter().filter(|place| place.offset < end_offset) {
            let counted = place.value_bytes.and_then(|size| {
                let (start, size) = (place.value_at as usize, size as usize);
                let bytes = &records[start..records.len().min(start + size + SLACK_BYTES)];
                self.count(bytes, size, place.offset, place.timestamp, call)
            });
            if counted.is_none() {
                let record = Bound::new(call.judge.py(), batch.record(py, place)?)?;
                self.judge(record.into_any(), place.offset, call)?;
            }
        }
        Ok(())
    }

    fn take_objects<'py>(
        &mut self,
        records: &Bound<'py, PyAny>,
        end_offset: i64,
        call: &mut Call<'_, 'py>,
    ) -> PyResult<()> {
        let py = records.py();
        for record in records.try_iter()? {
            let record = record?;
            let offset: i64 = record.getattr(pyo3::intern!(py, "offset"))?.extract()?;
            if offset >= end_offset {
                continue;
            }
            let arrived: i64 = record.getattr(pyo3::intern!(py, "timestamp"))?.extract()?;
            let value = record.getattr(pyo3::intern!(py, "value"))?;
            let counted = if value.is_none() {
                None
            } else {
                let bytes = value.cast::<PyBytes>()?.as_bytes();
                self.count(bytes, bytes.len(), offset, arrived, call)
            };
            if counted.is_none() {
                self.judge(record, offset, call)?;
            }
        }
        Ok(())
    }
}

#[pymethods]
impl Counter {
    #[new]
    fn new(window_size: i64, max_clock_skew: i64, by_arrival: bool, exact_limit: usize) -> PyResult<Self> {
        let most = crate::time::LAST_MS;
        if !(1..=most).contains(&window_size) {
            return Err(PyValueError::new_err(format!("window_size must be from 1 to {most} ms, not {window_size}")));
        }
        Ok(Self {
            rules: Rules { window_size, max_clock_skew, by_arrival },
            exact_limit,
            windows: Windows::default(),
            clock: Clock::new(),
            event: Event::default(),
            shapes: Shapes::default(),
        })
    }

    #[allow(clippy::too_many_arguments)]
    fn take(
        &mut self,
        records: &Bound<PyAny>,
        end_offset: i64,
        over: i64,
        behind: i64,
        believed_to: i64,
        judge: &Bound<PyAny>,
    ) -> PyResult<Taken> {
        let progress = Progress { highest: NEVER, ahead: false, over };
        let limits = Limits { behind, believed_to };
        let mut call = Call { limits, judge, progress, shares: Vec::new(), current: 0 };
        self.windows.call += 1;
        match records.cast::<Batch>() {
            Ok(batch) => self.take_batch(batch.get(), records.py(), end_offset, &mut call)?,
            Err(_) => self.take_objects(records, end_offset, &mut call)?,
        }
        let is_full = |share: &&Share| self.windows.slots[share.slot].counts.is_full(self.exact_limit);
        let full = call.shares.iter().filter(is_full).map(|share| share.window).collect();
        let shares = call.shares.iter().map(|share| (share.window, share.events, share.first, share.last)).collect();
        Ok((call.progress.highest, call.progress.ahead, shares, full))
    }

    fn drain<'py>(&mut self, py: Python<'py>, window: i64) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let Some(counts) = self.windows.remove(window) else { return Ok(None) };
        let drained = (
            counts.total,
            counts.duration,
            dict_of(py, &counts.event_types)?,
            dict_of(py, &counts.devices)?,
            dict_of(py, &counts.referrers)?,
            dict_of(py, &counts.pages)?,
            PyBytes::new(py, &counts.users.packed()),
            PyBytes::new(py, &counts.sessions.packed()),
        );
        drained.into_pyobject(py).map(Some)
    }

    fn clear(&mut self) {
        self.windows = Windows::default();
    }
}

fn dict_of<'py>(py: Python<'py>, names: &Names) -> PyResult<Bound<'py, PyDict>> {
    let counts = PyDict::new(py);
    for (name, count) in names.iter() {
        let name = str::from_utf8(name).map_err(|error| PyTypeError::new_err(error.to_string()))?;
        counts.set_item(name, count)?;
    }
    Ok(counts)
}
