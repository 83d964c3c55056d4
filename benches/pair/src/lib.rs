//! A contract whose process also answers bare frames, so that calls and frames are compared between the same two processes.

use std::env;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use vm_sdk::{Context, Result, contract, revert};

/// The contract.
#[derive(Debug)]
pub struct Pair;

#[contract]
impl Pair {
    /// Adds one to the number under `key` and returns it; starts at 1. One read and one write.
    pub fn count(cx: &mut Context, key: &[u8]) -> Result<u64> {
        let count = cx.get::<u64>(key)?.unwrap_or_default() + 1;
        cx.put(key, &count)?;
        Ok(count)
    }

    /// Connects to the socket `bare.sock` beside the host's, and answers each frame that comes there by one of these lengths, in
    /// turns, without any meaning, until the other side hangs up.
    #[view]
    pub fn answer(_cx: &Context, first: u32, second: u32) -> Result<()> {
        match Self::answer_frames([first, second]) {
            Ok(()) => Ok(()),
            Err(error) => revert!("{error}"),
        }
    }

    fn answer_frames(lengths: [u32; 2]) -> io::Result<()> {
        let host = env::var_os("VM_SOCKET").map(PathBuf::from).unwrap_or_default();
        let mut stream = UnixStream::connect(host.with_file_name("bare.sock"))?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let answers = lengths.map(|length| [&length.to_le_bytes()[..], &vec![7; length as usize]].concat());
        let mut content = Vec::new();
        for answer in answers.iter().cycle() {
            let mut length = [0; 4];
            match reader.read_exact(&mut length) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                read => read?,
            }
            content.resize(u32::from_le_bytes(length) as usize, 0);
            reader.read_exact(&mut content)?;
            stream.write_all(answer)?;
        }
        Ok(())
    }
}
