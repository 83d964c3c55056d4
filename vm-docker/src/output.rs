//! What a contract's process writes to its standard output and error becomes events of `tracing`.

use std::{
    collections::VecDeque,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tokio::{
    io::AsyncReadExt,
    net::unix::pipe,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use vm_core::ContractName;

use crate::{DockerError, container::ExitWatch, folder::file_error};

/// Longest line, in bytes; what is longer is cut into several.
const LINE_LIMIT: usize = 4096;

/// Most lines of one stream that are told in a second; the rest is counted.
const LINES_PER_SECOND: u32 = 100;

/// Most bytes of one stream that are read in a second, 512 KiB: who writes more waits. All lines that are told in a second fit.
const BYTES_PER_SECOND: usize = 512 << 10;

const SECOND: Duration = Duration::from_secs(1);

/// Most bytes that are read at once.
const READ: usize = 64 << 10;

/// Lines that an error about a start shows, and characters of each.
const SHOWN: (usize, usize) = (5, 200);

/// How long after the end of the process its last words may take to arrive.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Which calls a container is at, or which it was at last.
#[derive(Clone, Default)]
pub(crate) struct CallLabel(Arc<Mutex<Calls>>);

#[derive(Default)]
struct Calls {
    running: Vec<(Option<ContractName>, u64)>,
    last: (Option<ContractName>, u64),
}

impl CallLabel {
    /// A call of `contract` in a transaction begins.
    pub(crate) fn begin(&self, contract: Option<&ContractName>, transaction: u64) {
        self.calls().running.push((contract.cloned(), transaction));
    }

    /// It has ended.
    pub(crate) fn end(&self, contract: Option<&ContractName>, transaction: u64) {
        let mut calls = self.calls();
        let ended = |call: &(Option<ContractName>, u64)| call.0.as_ref() == contract && call.1 == transaction;
        if let Some(at) = calls.running.iter().position(ended) {
            calls.last = calls.running.swap_remove(at);
        }
    }

    /// Where several calls run, what they have in common: perhaps the contract, and perhaps the transaction, else 0.
    fn get(&self) -> (Option<ContractName>, u64) {
        let calls = self.calls();
        let Some(((contract, transaction), others)) = calls.running.split_first() else { return calls.last.clone() };
        let contract = contract.clone().filter(|name| others.iter().all(|other| other.0.as_ref() == Some(name)));
        (contract, if others.iter().all(|other| other.1 == *transaction) { *transaction } else { 0 })
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The last lines of both streams of a container.
#[derive(Clone, Default)]
pub(crate) struct LastLines(Arc<Mutex<VecDeque<String>>>);

impl LastLines {
    fn add(&self, line: &str) {
        let mut lines = self.lines();
        if lines.len() == SHOWN.0 {
            lines.pop_front();
        }
        lines.push_back(line.chars().take(SHOWN.1).collect());
    }

    fn lines(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is read of a container.
pub(crate) struct Following {
    lines: LastLines,
    readers: Vec<JoinHandle<()>>,
}

impl Following {
    /// The last lines of a process that has ended: on one line, the oldest first.
    pub(crate) async fn last_words(self) -> String {
        for reader in self.readers {
            // It ends soon after the process. What is late is in the log.
            let _ = timeout(LAST_WORDS * 2, reader).await;
        }
        let lines: Vec<_> = self.lines.lines().iter().cloned().collect();
        lines.join("; ")
    }
}

/// The two pipes of a container, made before it is.
pub(crate) struct Output {
    pub(crate) stdout: PathBuf,
    pub(crate) stderr: PathBuf,
    readers: [(&'static str, pipe::Receiver); 2],
}

impl Output {
    /// Makes the pipes in a folder that the container does not see.
    pub(crate) fn create(folder: &Path) -> Result<Self, DockerError> {
        let make = |name: &str| -> Result<(PathBuf, pipe::Receiver), DockerError> {
            let path = folder.join(name);
            let made = mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).map_err(io::Error::from);
            // Open for writing, too: else it would end before containerd has opened it.
            let opened = made.and_then(|()| pipe::OpenOptions::new().read_write(true).open_receiver(&path));
            opened.map(|reader| (path.clone(), reader)).map_err(|source| file_error(&path, source))
        };
        let (stdout, out) = make("stdout")?;
        let (stderr, err) = make("stderr")?;
        Ok(Self { stdout, stderr, readers: [("stdout", out), ("stderr", err)] })
    }

    /// Tells what is written, until the process has ended.
    pub(crate) fn follow(self, container: &str, label: &CallLabel, exit: &ExitWatch) -> Following {
        let lines = LastLines::default();
        let readers = self.readers.map(|(stream, reader)| {
            let tell = Tell { container: container.to_owned(), stream, label: label.clone(), last: lines.clone() };
            tokio::spawn(follow(reader, tell, exit.clone()))
        });
        Following { lines, readers: readers.into() }
    }
}

async fn follow(mut reader: pipe::Receiver, tell: Tell, mut exit: ExitWatch) {
    let (mut lines, mut budget) = (Lines::default(), Budget::default());
    let mut buffer = vec![0; READ];
    let mut ended = false;
    loop {
        let read = if ended {
            timeout(LAST_WORDS, reader.read(&mut buffer)).await.unwrap_or(Ok(0))
        } else {
            tokio::select! {
                read = reader.read(&mut buffer) => read,
                _ = exit.ended() => {
                    ended = true;
                    continue;
                }
            }
        };
        match read {
            Ok(0) | Err(_) => break,
            Ok(length) => {
                let pause = budget.read(length, Instant::now());
                let bytes = buffer.get(..length).unwrap_or_default();
                if budget.left > 0 {
                    lines.feed(bytes, |line| budget.spend(&tell, line));
                } else {
                    budget.skip(lines.count(bytes));
                }
                if let Some(pause) = pause {
                    tokio::select! {
                        () = sleep(pause) => {}
                        // The rest is short: what the pipe holds.
                        _ = exit.ended() => {}
                    }
                }
            }
        }
    }
    lines.finish(&mut |line| budget.spend(&tell, line));
    budget.settle(&tell);
}

/// Where a line comes from.
struct Tell {
    container: String,
    stream: &'static str,
    label: CallLabel,
    last: LastLines,
}

impl Tell {
    fn line(&self, line: &str) {
        self.last.add(line);
        let (contract, transaction) = self.label.get();
        let contract = contract.as_ref().map_or("", ContractName::as_str);
        let (container, stream) = (self.container.as_str(), self.stream);
        tracing::info!(target: "vm::contract", contract, transaction, container, stream, "{line}");
    }
}

/// How many lines may still be told in this second, and how many bytes read.
struct Budget {
    begun: Instant,
    left: u32,
    bytes: usize,
    /// Lines that were not told.
    dropped: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { begun: Instant::now(), left: LINES_PER_SECOND, bytes: BYTES_PER_SECOND, dropped: 0 }
    }
}

impl Budget {
    /// So many bytes were read; how long to wait before more are.
    fn read(&mut self, bytes: usize, now: Instant) -> Option<Duration> {
        if now.saturating_duration_since(self.begun) >= SECOND {
            *self = Self { begun: now, dropped: self.dropped, ..Self::default() };
        }
        // Reading has its price, however little there is to read.
        self.bytes = self.bytes.saturating_sub(bytes.max(LINE_LIMIT));
        (self.bytes == 0).then(|| SECOND.saturating_sub(now.saturating_duration_since(self.begun)))
    }

    fn spend(&mut self, tell: &Tell, line: &[u8]) {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                self.settle(tell);
                tell.line(&printable(line));
            }
            None => self.skip(1),
        }
    }

    fn skip(&mut self, lines: usize) {
        self.dropped = self.dropped.saturating_add(lines as u64);
    }

    /// Tells how many lines were not told.
    fn settle(&mut self, tell: &Tell) {
        if self.dropped > 0 {
            tell.line(&format!("({} more lines)", self.dropped));
            self.dropped = 0;
        }
    }
}

/// Cuts bytes into lines.
#[derive(Default)]
struct Lines(Vec<u8>);

impl Lines {
    fn feed(&mut self, bytes: &[u8], mut tell: impl FnMut(&[u8])) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (content, ends) = part.strip_suffix(b"\n").map_or((part, false), |content| (content, true));
            for piece in content.chunks(LINE_LIMIT) {
                let room = LINE_LIMIT.saturating_sub(self.0.len());
                let (now, later) = piece.split_at(room.min(piece.len()));
                self.0.extend_from_slice(now);
                if self.0.len() >= LINE_LIMIT {
                    self.finish(&mut tell);
                }
                self.0.extend_from_slice(later);
            }
            if ends {
                self.finish(&mut tell);
            }
        }
    }

    /// As `feed`, for lines that nobody sees: how many there are. Costs little for each, since a contract decides how many they are.
    fn count(&mut self, bytes: &[u8]) -> usize {
        let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at.saturating_add(1));
        let (whole, rest) = bytes.split_at(end);
        let mut lines = whole.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
        if let Some(first) = whole.first() {
            // What was begun before ends here.
            lines = lines.saturating_add(usize::from(*first == b'\n' && !self.0.is_empty()));
            self.0.clear();
        }
        let room = LINE_LIMIT.saturating_sub(self.0.len());
        self.0.extend_from_slice(rest.get(..room).unwrap_or(rest));
        lines
    }

    /// The last line may lack its end.
    fn finish(&mut self, tell: &mut impl FnMut(&[u8])) {
        if !self.0.is_empty() {
            tell(&self.0);
        }
        self.0.clear();
    }
}

/// Nothing that a contract writes can pretend to be a line of its own, or move a terminal's cursor.
fn printable(line: &[u8]) -> String {
    String::from_utf8_lossy(line).chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_belongs_to_what_the_calls_have_in_common() {
        let (a, b): (ContractName, ContractName) = ("a".parse().unwrap(), "b".parse().unwrap());
        let label = CallLabel::default();
        label.begin(Some(&a), 7);
        label.end(Some(&a), 7);
        assert_eq!(label.get(), (Some(a.clone()), 7), "the last one");
        label.begin(Some(&a), 8);
        assert_eq!(label.get(), (Some(a.clone()), 8));
        label.begin(Some(&a), 9);
        assert_eq!(label.get(), (Some(a.clone()), 0), "one contract, two transactions");
        label.begin(Some(&b), 8);
        label.end(Some(&a), 9);
        assert_eq!(label.get(), (None, 8), "one transaction, two contracts");
    }

    /// Whatever is written: what is told of it does not matter.
    #[test]
    fn who_writes_without_end_is_read_at_a_bounded_rate_in_every_second() {
        let mut budget = Budget::default();
        let (begun, mut now, mut read) = (budget.begun, budget.begun, 0);
        while now < begun + SECOND * 10 {
            read += READ;
            let pause = budget.read(READ, now);
            assert!(pause.is_none_or(|pause| !pause.is_zero() && pause <= SECOND), "{pause:?}");
            now += pause.unwrap_or_default() + Duration::from_micros(100);
        }
        assert!((9 * BYTES_PER_SECOND..=11 * BYTES_PER_SECOND).contains(&read), "{read}");
        assert!(LINES_PER_SECOND as usize * (LINE_LIMIT + 1) <= BYTES_PER_SECOND);
        let (now, mut reads) = (now + SECOND, 1);
        while budget.read(1, now).is_none() {
            reads += 1;
        }
        assert_eq!(reads, BYTES_PER_SECOND / LINE_LIMIT, "single bytes are not read without a pause either");
    }

    #[test]
    fn lines_that_are_only_counted_are_as_many_and_the_next_one_is_whole() {
        let pieces = [&b"\n\n\n"[..], b"a", b"b\n", b"c\n\nd", b"\ne", b"f", b"g\n\n", b"last"];
        let (mut fed, mut counted, mut told) = (Lines::default(), Lines::default(), Vec::new());
        let mut count = 0;
        for piece in pieces {
            fed.feed(piece, |line| told.push(line.to_vec()));
            count += counted.count(piece);
        }
        assert_eq!((count, &counted.0), (told.len(), &fed.0));
        counted.count(&[b'x'; 2 * LINE_LIMIT]);
        assert_eq!(counted.0.len(), LINE_LIMIT, "what is kept of a line is bounded");
    }

    #[test]
    fn bytes_become_lines_of_bounded_length() {
        let mut told = Vec::new();
        let mut lines = Lines::default();
        for piece in [&b"on"[..], b"e\n\ntw", b"o\x1b[2J\n", &[b'x'; LINE_LIMIT + 1], b"\nrest"] {
            lines.feed(piece, |line| told.push(printable(line)));
        }
        lines.finish(&mut |line| told.push(printable(line)));
        let long = "x".repeat(LINE_LIMIT);
        let last = LastLines::default();
        told.iter().for_each(|line| last.add(line));
        last.add("one more");
        assert_eq!(*last.lines(), ["two\u{fffd}[2J", &"x".repeat(200), "x", "rest", "one more"]);
        assert_eq!(told, ["one", "two\u{fffd}[2J", &long, "x", "rest"]);
    }
}
