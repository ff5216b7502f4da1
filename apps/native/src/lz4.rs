//! The LZ4 frame format: any number of frames, one after the other, as liblz4 reads them. It only differs for a match at
//! offset 0, which the format forbids: liblz4 makes arbitrary bytes of it.

use lz4_flex::block::{decompress_into, decompress_into_with_dict};
use xxhash_rust::xxh32::xxh32;

const MAGIC: u32 = 0x184d_2204;
const SKIPPABLE: u32 = 0x184d_2a50;
const RAW_BLOCK: u32 = 1 << 31;
const DICTIONARY_BYTES: usize = 64 * 1024;

#[derive(Debug, PartialEq)]
pub enum Error {
    /// It unpacks to more than is allowed.
    TooLarge,
    Corrupt(String),
}

impl Error {
    fn corrupt(why: &str) -> Self {
        Self::Corrupt(why.into())
    }
}

struct Frame {
    linked: bool,
    block_checksums: bool,
    content_checksum: bool,
    content_bytes: Option<u64>,
    block_bytes: usize,
}

/// Unpacks all frames into `buffer`, which is only made larger; returns how many bytes.
pub fn unpack(packed: &[u8], most_bytes: usize, buffer: &mut Vec<u8>) -> Result<usize, Error> {
    let mut input = Input { left: packed };
    let mut written = 0;
    loop {
        let magic = input.u32()?;
        if magic & !0xf == SKIPPABLE {
            let size = input.u32()? as usize;
            input.take(size)?;
        } else if magic == MAGIC {
            written = unpack_frame(&mut input, written, most_bytes, buffer)?;
        } else {
            return Err(Error::corrupt("no LZ4 frame"));
        }
        if input.left.is_empty() {
            return Ok(written);
        }
    }
}

/// Unpacks a frame after the first `written` bytes; returns how many bytes there are then.
fn unpack_frame(input: &mut Input, begin: usize, most_bytes: usize, buffer: &mut Vec<u8>) -> Result<usize, Error> {
    let frame = input.header()?;
    let mut written = begin;
    loop {
        let size = input.u32()?;
        if size == 0 {
            break;
        }
        let (raw, size) = (size & RAW_BLOCK != 0, (size & !RAW_BLOCK) as usize);
        if size > frame.block_bytes {
            return Err(Error::corrupt("an LZ4 block is larger than its frame allows"));
        }
        let block = input.take(size)?;
        if frame.block_checksums && input.u32()? != xxh32(block, 0) {
            return Err(Error::corrupt("an LZ4 block has a wrong checksum"));
        }
        written = if raw {
            append(block, written, most_bytes, buffer)?
        } else {
            decompress(block, &frame, begin, written, most_bytes, buffer)?
        };
    }
    let content = &buffer[begin..written];
    if frame.content_bytes.is_some_and(|expected| expected != content.len() as u64) {
        return Err(Error::corrupt("an LZ4 frame has not the size that it says"));
    }
    if frame.content_checksum && input.u32()? != xxh32(content, 0) {
        return Err(Error::corrupt("an LZ4 frame has a wrong checksum"));
    }
    Ok(written)
}

fn append(block: &[u8], written: usize, most_bytes: usize, buffer: &mut Vec<u8>) -> Result<usize, Error> {
    let end = written + block.len();
    if end > most_bytes {
        return Err(Error::TooLarge);
    }
    make_room(buffer, end);
    buffer[written..end].copy_from_slice(block);
    Ok(end)
}

/// Unpacks a block of the frame that began at `begin`, after the first `written` bytes; returns how many there are then.
fn decompress(
    block: &[u8],
    frame: &Frame,
    begin: usize,
    written: usize,
    most_bytes: usize,
    buffer: &mut Vec<u8>,
) -> Result<usize, Error> {
    make_room(buffer, written + frame.block_bytes);
    let (before, after) = buffer.split_at_mut(written);
    let after = &mut after[..frame.block_bytes];
    let unpacked = if frame.linked {
        decompress_into_with_dict(block, after, &before[begin.max(written.saturating_sub(DICTIONARY_BYTES))..])
    } else {
        decompress_into(block, after)
    };
    let end = written + unpacked.map_err(|error| Error::Corrupt(format!("an LZ4 block is corrupt: {error}")))?;
    if end > most_bytes { Err(Error::TooLarge) } else { Ok(end) }
}

fn make_room(buffer: &mut Vec<u8>, size: usize) {
    if buffer.len() < size {
        buffer.resize(size.max(2 * buffer.len()), 0);
    }
}

struct Input<'a> {
    left: &'a [u8],
}

impl<'a> Input<'a> {
    fn take(&mut self, size: usize) -> Result<&'a [u8], Error> {
        let (taken, left) =
            self.left.split_at_checked(size).ok_or_else(|| Error::corrupt("an LZ4 frame is truncated"))?;
        self.left = left;
        Ok(taken)
    }

    fn array<const SIZE: usize>(&mut self) -> Result<[u8; SIZE], Error> {
        self.take(SIZE).map(|taken| taken.try_into().expect("so many bytes were taken"))
    }

    fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_le_bytes)
    }

    /// What follows the magic number.
    fn header(&mut self) -> Result<Frame, Error> {
        let described = self.left;
        let [flags, sizes] = self.array()?;
        if flags >> 6 != 1 || flags & 0b10 != 0 || sizes & 0b1000_1111 != 0 || sizes >> 4 < 4 {
            return Err(Error::corrupt("an LZ4 frame's header is not of version 1"));
        }
        let content_bytes = if flags & 0b1000 == 0 { None } else { Some(u64::from_le_bytes(self.array()?)) };
        if flags & 1 != 0 {
            self.take(4)?; // a dictionary's number: what needs it can't be unpacked
        }
        let size = described.len() - self.left.len();
        let [checksum] = self.array()?;
        if (xxh32(&described[..size], 0) >> 8) as u8 != checksum {
            return Err(Error::corrupt("an LZ4 frame's header has a wrong checksum"));
        }
        Ok(Frame {
            linked: flags & 0b10_0000 == 0,
            block_checksums: flags & 0b1_0000 != 0,
            content_checksum: flags & 0b100 != 0,
            content_bytes,
            block_bytes: 1 << (8 + 2 * (sizes >> 4)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of blocks, each raw or not, without checksums but the header's.
    fn frame(flags: u8, blocks: &[(bool, &[u8])]) -> Vec<u8> {
        let described = [0x40 | flags, 0x40];
        let mut frame = MAGIC.to_le_bytes().to_vec();
        frame.extend(described);
        frame.push((xxh32(&described, 0) >> 8) as u8);
        for (raw, block) in blocks {
            let size = block.len() as u32 | if *raw { RAW_BLOCK } else { 0 };
            frame.extend(size.to_le_bytes());
            frame.extend(*block);
        }
        frame.extend([0; 4]);
        frame
    }

    fn unpacked(packed: &[u8], most_bytes: usize) -> Result<Vec<u8>, Error> {
        let mut buffer = Vec::new();
        let size = unpack(packed, most_bytes, &mut buffer)?;
        Ok(buffer[..size].to_vec())
    }

    const INDEPENDENT: u8 = 0x20;
    /// "abcd", eight bytes from four before, "efghi".
    const BLOCK: &[u8] = b"\x44abcd\x04\0\x50efghi";
    const LINKED: &[u8] = b"\x00\x05\0\x50jklmn";

    #[test]
    fn blocks_are_joined() {
        let packed = frame(INDEPENDENT, &[(false, BLOCK), (true, b"raw"), (false, BLOCK)]);
        assert_eq!(unpacked(&packed, 1000).unwrap(), b"abcdabcdabcdefghirawabcdabcdabcdefghi");
    }

    #[test]
    fn linked_blocks_copy_from_those_before() {
        assert_eq!(unpacked(&frame(0, &[(true, b"-abcde"), (false, LINKED)]), 1000).unwrap(), b"-abcdeabcdjklmn");
        assert!(unpacked(&frame(INDEPENDENT, &[(true, b"-abcde"), (false, LINKED)]), 1000).is_err());
        let two = [frame(0, &[(true, b"-abcde")]), frame(0, &[(false, LINKED)])].concat();
        assert!(unpacked(&two, 1000).is_err(), "frames are not linked");
    }

    const LETTERS: &[u8] = b"\xa0abcdefghij";

    #[test]
    fn the_limit_holds_for_all_blocks_together() {
        for packed in
            [frame(INDEPENDENT, &[(true, b"12345"), (true, b"67890")]), frame(INDEPENDENT, &[(false, LETTERS)])]
        {
            assert_eq!(unpacked(&packed, 10).unwrap().len(), 10);
            assert_eq!(unpacked(&packed, 9), Err(Error::TooLarge));
        }
    }

    #[test]
    fn a_frame_that_is_cut_off_or_changed_is_corrupt() {
        let packed = frame(INDEPENDENT, &[(false, BLOCK)]);
        for size in 0..packed.len() {
            assert!(matches!(unpacked(&packed[..size], 1000), Err(Error::Corrupt(_))));
        }
        for at in 0..7 {
            let mut changed = packed.clone();
            changed[at] ^= 0x80;
            assert!(unpacked(&changed, 1000).is_err());
        }
    }
}
