//! Frames: the length of a message as a 32-bit little-endian number, then the message.

use std::io::{self, BufReader, Read, Write};

use prost::Message;
use thiserror::Error;

/// Longest message, in bytes, that either side sends or accepts: 16 MiB.
pub const MAX_FRAME: usize = 16 << 20;

/// Bytes that a message may have beyond twice what its known part needs: fields that a newer library sends, and numbers that are written
/// longer than they need to be.
const SLACK: usize = 4096;

/// Buffers that grew beyond this are given back after use.
const KEPT_BUFFER: usize = 64 << 10;

/// A frame could not be sent or received.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The stream failed, or a time-out that was set on it ran out.
    #[error("stream of frames: {0}")]
    Io(#[from] io::Error),
    /// The stream ended inside a frame.
    #[error("stream ended inside a frame: {missing} of {length} bytes are missing")]
    Truncated {
        /// Length of what was being read: 4 for a length, else the message's.
        length: usize,
        /// How much of it did not come.
        missing: usize,
    },
    /// The message is longer than [`MAX_FRAME`].
    #[error("frame of {length} bytes; the limit is {MAX_FRAME}")]
    TooLong {
        /// Its length, in bytes.
        length: usize,
    },
    /// The message is mostly made of what is not known: nothing that it says needs so many bytes.
    #[error("frame of {length} bytes, of which {known} say something that is known")]
    Padded {
        /// Length of the message, in bytes.
        length: usize,
        /// What its known part needs, in bytes.
        known: usize,
    },
    /// The bytes are no such message.
    #[error("frame of {length} bytes cannot be decoded: {source}")]
    Decode {
        /// Length of the message, in bytes.
        length: usize,
        /// What is wrong with it.
        source: prost::DecodeError,
    },
}

/// Receives frames.
#[derive(Debug)]
pub struct FrameReader<R> {
    stream: BufReader<R>,
    message: Vec<u8>,
}

impl<R: Read> FrameReader<R> {
    /// Frames that come through `stream`.
    pub fn new(stream: R) -> Self {
        Self { stream: BufReader::new(stream), message: Vec::new() }
    }

    /// The underlying stream. Reading from it directly loses what is buffered.
    pub fn get_mut(&mut self) -> &mut R {
        self.stream.get_mut()
    }

    /// True if bytes have been received that no frame was made of yet.
    pub fn has_buffered(&self) -> bool {
        !self.stream.buffer().is_empty()
    }

    /// Waits for the next frame; `None` if the stream ended between two frames.
    ///
    /// Memory grows with the bytes that arrive, not with the length that is announced.
    ///
    /// # Errors
    ///
    /// The stream failed or ended inside a frame, or the frame is too long or no `M`. The reader is of
    /// no use afterwards.
    pub fn receive<M: Message + Default>(&mut self) -> Result<Option<M>, FrameError> {
        let mut prefix = [0; 4];
        match self.fill(4)? {
            0 => return Ok(None),
            4 => prefix.copy_from_slice(&self.message),
            read => {
                return Err(FrameError::Truncated { length: 4, missing: 4 - read });
            }
        }
        let length = u32::from_le_bytes(prefix) as usize;
        if length > MAX_FRAME {
            return Err(FrameError::TooLong { length });
        }
        let read = self.fill(length)?;
        if read < length {
            return Err(FrameError::Truncated { length, missing: length - read });
        }
        let message = M::decode(self.message.as_slice()).map_err(|source| FrameError::Decode { length, source })?;
        let known = message.encoded_len();
        if length > known.saturating_mul(2).saturating_add(SLACK) {
            return Err(FrameError::Padded { length, known });
        }
        self.message.clear();
        self.message.shrink_to(KEPT_BUFFER);
        Ok(Some(message))
    }

    /// Reads up to `length` bytes into `message`; fewer only at the end of the stream.
    fn fill(&mut self, length: usize) -> io::Result<usize> {
        self.message.clear();
        self.stream.by_ref().take(length as u64).read_to_end(&mut self.message)
    }
}

/// Sends frames.
#[derive(Debug)]
pub struct FrameWriter<W> {
    stream: W,
    queued: Vec<u8>,
}

impl<W: Write> FrameWriter<W> {
    /// Sends frames through `stream`.
    pub fn new(stream: W) -> Self {
        Self { stream, queued: Vec::new() }
    }

    /// The underlying stream. Queued frames have not been written to it.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.stream
    }

    /// Queues a frame that the other side need not see before the next one that is sent. A long queue
    /// is written out.
    ///
    /// # Errors
    ///
    /// The message is longer than [`MAX_FRAME`] (nothing is queued), or the stream failed.
    pub fn queue<M: Message>(&mut self, message: &M) -> Result<(), FrameError> {
        let length = message.encoded_len();
        if length > MAX_FRAME {
            return Err(FrameError::TooLong { length });
        }
        let prefix = u32::try_from(length).map_err(|_| FrameError::TooLong { length })?;
        self.queued.reserve(4 + length);
        self.queued.extend_from_slice(&prefix.to_le_bytes());
        message.encode(&mut self.queued).map_err(|_| FrameError::TooLong { length })?;
        if self.queued.len() > KEPT_BUFFER { self.flush() } else { Ok(()) }
    }

    /// Sends a frame, after those that are queued, in one write.
    ///
    /// # Errors
    ///
    /// As [`queue`](Self::queue).
    pub fn send<M: Message>(&mut self, message: &M) -> Result<(), FrameError> {
        self.queue(message)?;
        self.flush()
    }

    /// Writes out what is queued.
    ///
    /// # Errors
    ///
    /// The stream failed. What was queued is lost.
    pub fn flush(&mut self) -> Result<(), FrameError> {
        let written = self.stream.write_all(&self.queued).and_then(|()| self.stream.flush());
        self.queued.clear();
        self.queued.shrink_to(KEPT_BUFFER);
        Ok(written?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ContractFrame, Get, Put, Return, Status};
    use proptest::prelude::*;

    fn written(frames: &[ContractFrame]) -> Vec<u8> {
        let mut writer = FrameWriter::new(Vec::new());
        for frame in frames {
            writer.queue(frame).unwrap();
        }
        writer.flush().unwrap();
        std::mem::take(writer.get_mut())
    }

    fn read_all(bytes: &[u8]) -> Result<Vec<ContractFrame>, FrameError> {
        let mut reader = FrameReader::new(bytes);
        let mut frames = Vec::new();
        while let Some(frame) = reader.receive()? {
            frames.push(frame);
        }
        Ok(frames)
    }

    #[test]
    fn a_frame_has_these_bytes() {
        let frame = ContractFrame::from(Get { key: b"ab".to_vec() });
        assert_eq!(written(&[frame]), [6, 0, 0, 0, 0x1a, 4, 0x0a, 2, b'a', b'b']);
    }

    #[test]
    fn a_length_over_the_limit_is_refused_before_the_message_is_read() {
        let bytes = (MAX_FRAME as u32 + 1).to_le_bytes();
        let error = read_all(&bytes).unwrap_err();
        assert!(matches!(error, FrameError::TooLong { length } if length == MAX_FRAME + 1), "{error}");
    }

    #[test]
    fn an_announced_length_alone_takes_no_memory() {
        let mut reader = FrameReader::new([0, 0, 0, 1, 7].as_slice());
        let error = reader.receive::<ContractFrame>().unwrap_err();
        assert!(matches!(error, FrameError::Truncated { missing: 0xff_ffff, .. }), "{error}");
        assert!(reader.message.capacity() < 1024);
    }

    #[test]
    fn a_message_over_the_limit_is_not_sent() {
        let mut writer = FrameWriter::new(Vec::new());
        let long = ContractFrame::from(Return { status: Status::Success.into(), output: vec![0; MAX_FRAME] });
        assert!(matches!(writer.send(&long), Err(FrameError::TooLong { .. })));
        writer.flush().unwrap();
        assert!(writer.get_mut().is_empty());
    }

    /// Operations are priced by what they say.
    #[test]
    fn a_message_full_of_unknown_fields_is_refused() {
        let padded = |bytes: usize| {
            // Field 100 of type bytes, after a known one.
            let mut message = vec![0x1a, 4, 0x0a, 2, b'a', b'b', 0xa2, 0x06];
            prost::encoding::encode_varint(bytes as u64, &mut message);
            message.resize(message.len() + bytes, 7);
            [&(message.len() as u32).to_le_bytes()[..], &message].concat()
        };
        assert_eq!(read_all(&padded(SLACK)).unwrap().len(), 1, "a newer library's");
        assert!(matches!(read_all(&padded(SLACK + 100)), Err(FrameError::Padded { known: 6, .. })));
    }

    #[test]
    fn garbage_is_an_error() {
        let error = read_all(&[3, 0, 0, 0, 0xff, 0xff, 0xff]).unwrap_err();
        assert!(matches!(error, FrameError::Decode { length: 3, .. }), "{error}");
    }

    proptest! {
        #[test]
        fn what_is_sent_is_received(pairs in proptest::collection::vec((any::<Vec<u8>>(), any::<Vec<u8>>()), 0..20)) {
            let frames: Vec<_> =
                pairs.into_iter().map(|(key, value)| ContractFrame::from(Put { key, value })).collect();
            prop_assert_eq!(read_all(&written(&frames)).unwrap(), frames);
        }

        #[test]
        fn no_bytes_panic(bytes in any::<Vec<u8>>()) {
            let _ = read_all(&bytes);
        }

        #[test]
        fn a_cut_stream_is_noticed(value in any::<Vec<u8>>(), cut in any::<prop::sample::Index>()) {
            let bytes = written(&[ContractFrame::from(Put { key: vec![1], value })]);
            let cut = 1 + cut.index(bytes.len() - 1);
            let error = read_all(&bytes[..cut]).unwrap_err();
            let truncated = matches!(error, FrameError::Truncated { .. });
            prop_assert!(truncated, "{error}");
        }
    }
}
