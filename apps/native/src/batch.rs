//! A record batch as a sequence of records.

use std::sync::Mutex;

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PySlice, PyString};

use crate::lz4::{self, Error};
use crate::walk::{self, Codec, HEADER_BYTES, Place};

pyo3::create_exception!(clickstream_native, TooLarge, PyValueError, "The batch unpacks to more than is allowed.");

/// Buffers that are kept, of so many bytes at most.
const KEPT_BUFFERS: usize = 4;
const KEPT_BYTES: usize = 4 * 1024 * 1024;

static BUFFERS: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// A batch's unpacked records; the buffer is used again for a later batch.
struct Unpacked {
    buffer: Vec<u8>,
    size: usize,
}

impl Unpacked {
    fn new(packed: &[u8], most_bytes: usize) -> Result<Self, Error> {
        let buffer = BUFFERS.lock().ok().and_then(|mut kept| kept.pop()).unwrap_or_default();
        let mut unpacked = Self { buffer, size: 0 };
        unpacked.size = lz4::unpack(packed, most_bytes, &mut unpacked.buffer)?;
        Ok(unpacked)
    }
}

impl Drop for Unpacked {
    fn drop(&mut self) {
        if self.buffer.len() <= KEPT_BYTES
            && let Ok(mut kept) = BUFFERS.lock()
            && kept.len() < KEPT_BUFFERS
        {
            kept.push(std::mem::take(&mut self.buffer));
        }
    }
}

/// A record batch of format 2, uncompressed or LZ4, unpacked and walked.
#[pyclass(frozen, module = "clickstream_native")]
pub struct Batch {
    fetched: Py<PyBytes>,
    start: usize,
    end: usize,
    unpacked: Option<Unpacked>,
    places: Vec<Place>,
}

impl Batch {
    pub fn records<'a>(&'a self, py: Python<'a>) -> &'a [u8] {
        match &self.unpacked {
            Some(unpacked) => &unpacked.buffer[..unpacked.size],
            None => &self.fetched.as_bytes(py)[self.start..self.end],
        }
    }

    pub fn places(&self) -> &[Place] {
        &self.places
    }

    pub fn record(&self, py: Python, place: &Place) -> PyResult<Record> {
        let records = self.records(py);
        let bytes = |text: &[u8]| PyBytes::new(py, text).unbind();
        let (key, headers) = walk::rest(records, place).map_err(PyValueError::new_err)?;
        let header = |(name, value): (&str, Option<&[u8]>)| (PyString::new(py, name).unbind(), value.map(bytes));
        Ok(Record {
            offset: place.offset,
            timestamp: place.timestamp,
            key: key.map(bytes),
            value: place.value_bytes.map(|size| bytes(&records[place.value_at as usize..][..size as usize])),
            headers: headers.into_iter().map(header).collect(),
        })
    }
}

#[pymethods]
impl Batch {
    #[new]
    fn new(
        py: Python,
        fetched: Py<PyBytes>,
        start: usize,
        end: usize,
        first_offset: i64,
        most_bytes: usize,
    ) -> PyResult<Self> {
        let bytes = fetched.as_bytes(py);
        let batch = bytes.get(start..end).ok_or_else(|| {
            PyValueError::new_err(format!("bytes {start} to {end} are not within {} bytes", bytes.len()))
        })?;
        let header = walk::header(batch).map_err(PyValueError::new_err)?;
        let unpacked = match header.codec {
            Codec::None => None,
            Codec::Lz4 => Some(Unpacked::new(&batch[HEADER_BYTES..], most_bytes).map_err(|error| match error {
                Error::TooLarge => TooLarge::new_err(format!("the batch unpacks to more than {most_bytes} bytes")),
                Error::Corrupt(why) => PyValueError::new_err(why),
            })?),
        };
        let mut this = Self { fetched, start: start + HEADER_BYTES, end, unpacked, places: Vec::new() };
        let records = this.records(py);
        // The smallest record has seven bytes, whatever the header promises.
        let mut places = Vec::with_capacity(header.records.min(records.len() / 7));
        walk::walk(records, &header, first_offset, &mut places).map_err(PyValueError::new_err)?;
        this.places = places;
        Ok(this)
    }

    fn __len__(&self) -> usize {
        self.places.len()
    }

    fn __getitem__<'py>(&self, index: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = index.py();
        if let Ok(slice) = index.cast::<PySlice>() {
            let slice = slice.indices(self.places.len() as isize)?;
            let positions = (0..slice.slicelength as isize).map(|number| slice.start + number * slice.step);
            let records = positions.map(|position| self.record(py, &self.places[position as usize]));
            return records.collect::<PyResult<Vec<_>>>()?.into_bound_py_any(py);
        }
        let index: isize = index.extract()?;
        let position = if index < 0 { index + self.places.len() as isize } else { index };
        let place = usize::try_from(position).ok().and_then(|position| self.places.get(position));
        self.record(py, place.ok_or_else(|| PyIndexError::new_err("batch index out of range"))?)?.into_bound_py_any(py)
    }
}

/// A record of a batch.
#[pyclass(frozen, get_all, module = "clickstream_native")]
pub struct Record {
    offset: i64,
    timestamp: i64,
    key: Option<Py<PyBytes>>,
    value: Option<Py<PyBytes>>,
    headers: Vec<(Py<PyString>, Option<Py<PyBytes>>)>,
}
