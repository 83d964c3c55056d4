//! The host's end of a container's socket.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    sync::Arc,
    time::Duration,
};

use rustix::net::RecvFlags;
use vm_container_protocol::{ContractFrame, FrameError, FrameReader, FrameWriter, HostFrame};
use vm_core::Interrupt;

/// How long a read or write waits before it looks whether it was interrupted.
const SLICE: Duration = Duration::from_millis(50);

/// Frames to and from a container. Waiting ends with the interrupt of the call that it is in.
#[derive(Debug)]
pub(crate) struct Connection {
    reader: FrameReader<Half>,
    writer: FrameWriter<Half>,
}

impl Connection {
    pub(crate) fn new(stream: UnixStream, interrupt: &Interrupt) -> io::Result<Self> {
        stream.set_nonblocking(false)?;
        let stream = Arc::new(stream);
        Ok(Self {
            reader: FrameReader::new(Half::new(stream.clone(), interrupt)),
            writer: FrameWriter::new(Half::new(stream, interrupt)),
        })
    }

    /// Has further waiting end with another interrupt.
    pub(crate) fn interrupt_by(&mut self, interrupt: &Interrupt) {
        self.reader.get_mut().interrupt = interrupt.clone();
        self.writer.get_mut().interrupt = interrupt.clone();
    }

    /// Waits for a frame; `None` if the container closed the connection.
    pub(crate) fn receive(&mut self) -> Result<Option<ContractFrame>, FrameError> {
        self.reader.receive()
    }

    pub(crate) fn send(&mut self, frame: impl Into<HostFrame>) -> Result<(), FrameError> {
        self.writer.send(&frame.into())
    }

    /// True while the other side is there and silent, as it must be between calls.
    pub(crate) fn is_idle(&mut self) -> bool {
        let mut byte = [0_u8; 1];
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        let stream = &self.reader.get_mut().stream;
        let silent = matches!(
            rustix::net::recv(stream, &mut byte, flags),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR)
        );
        silent && !self.reader.has_buffered()
    }
}

/// True for the error of a wait that was interrupted.
pub(crate) fn was_interrupted(error: &FrameError) -> bool {
    matches!(error, FrameError::Io(error) if error.kind() == io::ErrorKind::TimedOut)
}

/// One direction. Both share the socket, but its two time-outs are apart.
#[derive(Debug)]
struct Half {
    stream: Arc<UnixStream>,
    interrupt: Interrupt,
    /// The time-out that is set on the socket.
    timeout: Option<Duration>,
}

impl Half {
    fn new(stream: Arc<UnixStream>, interrupt: &Interrupt) -> Self {
        Self { stream, interrupt: interrupt.clone(), timeout: None }
    }

    /// Repeats what waits at most a slice until it is done or interrupted.
    fn wait(
        &mut self,
        set: fn(&UnixStream, Option<Duration>) -> io::Result<()>,
        mut once: impl FnMut(&UnixStream) -> io::Result<usize>,
    ) -> io::Result<usize> {
        loop {
            let left = self.interrupt.remaining();
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let timeout = Some(left.min(SLICE));
            if self.timeout != timeout {
                set(&self.stream, timeout)?;
                self.timeout = timeout;
            }
            match once(&self.stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }
}

impl Read for Half {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.wait(UnixStream::set_read_timeout, |mut stream| stream.read(buffer))
    }
}

impl Write for Half {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.wait(UnixStream::set_write_timeout, |mut stream| stream.write(buffer))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use vm_container_protocol::{Hello, Stop};

    use super::*;

    fn pair(limit: Duration) -> (Connection, UnixStream, Interrupt) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let interrupt = Interrupt::after(limit);
        (Connection::new(ours, &interrupt).unwrap(), theirs, interrupt)
    }

    #[test]
    fn waiting_for_a_frame_ends_at_the_deadline() {
        let (mut connection, _theirs, _) = pair(Duration::from_millis(20));
        assert!(was_interrupted(&connection.receive().unwrap_err()));
    }

    #[test]
    fn waiting_for_a_frame_ends_when_the_flag_is_raised() {
        let (mut connection, _theirs, interrupt) = pair(Duration::from_secs(60));
        interrupt.raise();
        assert!(was_interrupted(&connection.receive().unwrap_err()));
    }

    #[test]
    fn writing_to_who_does_not_read_ends_at_the_deadline() {
        let (mut connection, _theirs, _) = pair(Duration::from_millis(100));
        let error = loop {
            let value = vm_container_protocol::Value { value: Some(vec![0; 1 << 20]) };
            if let Err(error) = connection.send(value) {
                break error;
            }
        };
        assert!(was_interrupted(&error), "{error}");
    }

    #[test]
    fn a_frame_may_come_in_pieces_over_many_slices() {
        let (mut connection, mut theirs, _) = pair(Duration::from_secs(60));
        let mut writer = FrameWriter::new(Vec::new());
        let hello = ContractFrame::from(Hello::new("view a()", "test"));
        writer.send(&hello).unwrap();
        let bytes = std::mem::take(writer.get_mut());
        let (start, end) = bytes.split_at(3);
        theirs.write_all(start).unwrap();
        std::thread::scope(|scope| {
            let received = scope.spawn(|| connection.receive().unwrap());
            // Two slices pass before the rest comes.
            std::thread::park_timeout(SLICE * 2);
            theirs.write_all(end).unwrap();
            assert_eq!(received.join().unwrap(), Some(hello));
        });
    }

    #[test]
    fn only_a_silent_open_connection_is_idle() {
        let (mut connection, theirs, _) = pair(Duration::from_secs(60));
        assert!(connection.is_idle());
        (&theirs).write_all(b"x").unwrap();
        assert!(!connection.is_idle());

        let (mut connection, theirs, _) = pair(Duration::from_secs(60));
        connection.send(Stop {}).unwrap();
        assert!(connection.is_idle());
        drop(theirs);
        assert!(!connection.is_idle());
    }
}
