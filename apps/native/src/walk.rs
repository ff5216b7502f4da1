//! The records of a batch of format 2: their places in it, every length checked.
//! https://kafka.apache.org/documentation/#recordbatch

pub const HEADER_BYTES: usize = 61;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Codec {
    None,
    Lz4,
}

#[derive(Debug)]
pub struct Header {
    pub base_offset: i64,
    pub codec: Codec,
    /// Instead of the records' own.
    pub append_time: Option<i64>,
    pub first_timestamp: i64,
    pub records: usize,
}

/// Reads the header at the start of `batch`. Its CRC was checked before.
pub fn header(batch: &[u8]) -> Result<Header, String> {
    let header = batch.first_chunk::<HEADER_BYTES>().ok_or_else(|| format!("a batch of {} bytes", batch.len()))?;
    let i64_at = |at: usize| i64::from_be_bytes(header[at..at + 8].try_into().expect("eight bytes"));
    let i32_at = |at: usize| i32::from_be_bytes(header[at..at + 4].try_into().expect("four bytes"));
    let (format, attributes) = (header[16], header[22]);
    if format != 2 {
        return Err(format!("a batch of format {format}, not 2"));
    }
    let codec = match attributes & 7 {
        0 => Codec::None,
        3 => Codec::Lz4,
        codec => return Err(format!("a batch with codec {codec}, not 0 or 3")),
    };
    Ok(Header {
        base_offset: i64_at(0),
        codec,
        append_time: (attributes & 8 != 0).then(|| i64_at(35)),
        first_timestamp: i64_at(27),
        records: usize::try_from(i32_at(57)).unwrap_or(0),
    })
}

/// A record, and where it is in the bytes of all records.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub offset: i64,
    pub timestamp: i64,
    /// Where the key's length is.
    pub key_at: u32,
    pub value_at: u32,
    pub value_bytes: Option<u32>,
}

/// Appends the places of the records from `first_offset` on.
pub fn walk(records: &[u8], header: &Header, first_offset: i64, places: &mut Vec<Place>) -> Result<(), String> {
    if u32::try_from(records.len()).is_err() {
        return Err(format!("a batch of {} bytes", records.len()));
    }
    let mut reader = Reader { bytes: records, at: 0 };
    for _ in 0..header.records {
        let place = reader.record(header)?;
        if place.offset >= first_offset {
            places.push(place);
        }
    }
    match records.len() - reader.at {
        0 => Ok(()),
        left => Err(format!("{left} bytes are left after all records")),
    }
}

/// A record's key and its headers.
pub type Rest<'a> = (Option<&'a [u8]>, Vec<(&'a str, Option<&'a [u8]>)>);

/// Reads what a place does not contain, of a record that was walked before.
pub fn rest<'a>(records: &'a [u8], place: &Place) -> Result<Rest<'a>, String> {
    let mut reader = Reader { bytes: records, at: place.key_at as usize };
    let key = reader.nullable()?;
    reader.nullable()?;
    let mut headers = Vec::new();
    for _ in 0..reader.varint()? {
        headers.push(reader.header()?);
    }
    Ok((key, headers))
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn record(&mut self, header: &Header) -> Result<Place, String> {
        let length = self.varint()?;
        let start = self.at;
        self.varint()?; // attributes, unused
        let timestamp_delta = self.varint()?;
        let offset = header.base_offset.wrapping_add(self.varint()?);
        let key_at = self.at as u32;
        self.nullable()?;
        let value = self.nullable()?.map(<[u8]>::len);
        let value_at = (self.at - value.unwrap_or(0)) as u32;
        let headers = self.varint()?;
        if headers < 0 {
            return Err(format!("a record with {headers} headers"));
        }
        for _ in 0..headers {
            self.header()?;
        }
        let read = self.at - start;
        if i64::try_from(read) != Ok(length) {
            return Err(format!("a record of {length} bytes, of which {read} are used"));
        }
        Ok(Place {
            offset,
            timestamp: header.append_time.unwrap_or_else(|| header.first_timestamp.wrapping_add(timestamp_delta)),
            key_at,
            value_at,
            value_bytes: value.map(|bytes| bytes as u32),
        })
    }

    fn header(&mut self) -> Result<(&'a str, Option<&'a [u8]>), String> {
        let name = self.nullable()?.ok_or("a header without a name")?;
        let name = str::from_utf8(name).map_err(|error| format!("a header's name is not UTF-8: {error}"))?;
        Ok((name, self.nullable()?))
    }

    /// Bytes after their length, which is negative for none.
    #[inline]
    fn nullable(&mut self) -> Result<Option<&'a [u8]>, String> {
        let length = self.varint()?;
        if length < 0 {
            return Ok(None);
        }
        let left = &self.bytes[self.at..];
        let size = usize::try_from(length).unwrap_or(usize::MAX);
        let taken = left.get(..size).ok_or_else(|| format!("{length} bytes are promised and {} left", left.len()))?;
        self.at += size;
        Ok(Some(taken))
    }

    /// A zigzag number of up to ten bytes; what does not fit in 64 bits is cut off.
    #[inline(always)]
    fn varint(&mut self) -> Result<i64, String> {
        match self.bytes.get(self.at) {
            Some(&byte) if byte < 0x80 => {
                self.at += 1;
                Ok(of_zigzag(byte.into()))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<i64, String> {
        let mut value = 0;
        for shift in (0..70).step_by(7) {
            let byte = *self.bytes.get(self.at).ok_or("the records are truncated")?;
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(of_zigzag(value));
            }
        }
        Err("a number of more than ten bytes".into())
    }
}

#[inline]
fn of_zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn varint(bytes: &[u8]) -> Option<(i64, usize)> {
        let mut reader = Reader { bytes, at: 0 };
        reader.varint().ok().map(|number| (number, reader.at))
    }

    #[test]
    fn numbers_have_up_to_ten_bytes() {
        assert_eq!(varint(&[0]), Some((0, 1)));
        assert_eq!(varint(&[1, 9]), Some((-1, 1)));
        assert_eq!(varint(&[0x80, 1]), Some((64, 2)));
        assert_eq!(varint(&[0x80, 0x80, 0]), Some((0, 3)));
        let ten = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        assert_eq!(varint(&ten), Some((i64::MIN, 10)));
        assert_eq!(varint(&[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]), Some((i64::MAX, 10)));
        assert_eq!(varint(&[0x80; 10]), None);
        for size in 0..10 {
            assert_eq!(varint(&ten[..size]), None);
        }
    }

    fn batch(records: i32, attributes: u8, payload: &[u8]) -> Vec<u8> {
        let mut batch = vec![0; HEADER_BYTES];
        batch[7] = 100; // base offset
        batch[16] = 2;
        batch[22] = attributes;
        batch[34] = 50; // first timestamp
        batch[42] = 90; // maximal timestamp
        batch[57..].copy_from_slice(&records.to_be_bytes());
        batch.extend_from_slice(payload);
        batch
    }

    fn walked(batch: &[u8], first_offset: i64) -> Result<Vec<Place>, String> {
        let mut places = Vec::new();
        walk(&batch[HEADER_BYTES..], &header(batch)?, first_offset, &mut places)?;
        Ok(places)
    }

    const RECORD: [u8; 12] = [22, 0, 4, 2, 2, b'k', 4, b'v', b'w', 2, 0, 1];

    #[test]
    fn a_record_is_found() {
        let place = walked(&batch(1, 0, &RECORD), 0).unwrap()[0];
        assert_eq!((place.offset, place.timestamp), (101, 52));
        assert_eq!((place.value_at, place.value_bytes), (7, Some(2)));
        assert_eq!(rest(&RECORD, &place).unwrap(), (Some(&b"k"[..]), vec![("", None)]));
        assert_eq!(walked(&batch(1, 8, &RECORD), 101).unwrap()[0].timestamp, 90);
        assert!(walked(&batch(1, 0, &RECORD), 102).unwrap().is_empty());
    }

    #[test]
    fn no_batch_of_one_changed_byte_panics() {
        let payload = [RECORD, RECORD].concat();
        for at in 0..payload.len() {
            for byte in 0..=255 {
                let mut changed = payload.clone();
                changed[at] = byte;
                if let Ok(places) = walked(&batch(2, 0, &changed), 0) {
                    for place in places {
                        rest(&changed, &place).unwrap();
                    }
                }
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        for size in 0..RECORD.len() {
            assert!(walked(&batch(1, 0, &RECORD[..size]), 0).is_err());
        }
        for (records, payload) in [(0, &RECORD[..]), (2, &RECORD[..]), (1, &[RECORD, RECORD].concat())] {
            assert!(walked(&batch(records, 0, payload), 0).is_err());
        }
        assert!(walked(&batch(-1, 0, b""), 0).unwrap().is_empty());
        assert!(header(&batch(0, 0, b"")[..60]).is_err());
        assert_eq!(header(&batch(0, 3, b"")).unwrap().codec, Codec::Lz4);
        assert!(header(&batch(0, 4, b"")).is_err());
    }
}
