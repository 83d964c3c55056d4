//! What runs in the containers that contracts are compared with: compiled by the bench with rustc, out of the standard
//! library alone.

use std::{
    env,
    io::{self, BufReader, Read, Write},
    os::unix::net::UnixStream,
    thread,
};

fn main() -> io::Result<()> {
    match env::args().nth(1).as_deref() {
        Some("pong") => pong(),
        Some(_) => loop {
            thread::park();
        },
        None => contract(),
    }
}

/// Frames without any meaning: after each that comes one goes out, of the lengths that PONG says, in turns.
fn pong() -> io::Result<()> {
    let lengths = env::var("PONG").expect("PONG is set");
    let lengths: Vec<usize> = lengths.split(',').map(|length| length.parse().expect("a length")).collect();
    let mut stream = connect()?;
    let mut reader = BufReader::new(stream.try_clone()?);
    for length in lengths.iter().cycle() {
        if frame(&mut reader).is_err() {
            break;
        }
        stream.write_all(&[&(*length as u32).to_le_bytes()[..], &vec![7; *length]].concat())?;
    }
    Ok(())
}

/// The least that is a contract: greets, and answers its one call with a success. It offers no process for each call.
fn contract() -> io::Result<()> {
    let mut stream = connect()?;
    stream.write_all(&[4, 0, 0, 0, 0x0a, 2, 0x08, 1])?;
    frame(&mut BufReader::new(stream.try_clone()?))?;
    stream.write_all(&[6, 0, 0, 0, 0x12, 2, 0x08, 1, 0x78, 1])?;
    thread::park();
    Ok(())
}

fn connect() -> io::Result<UnixStream> {
    UnixStream::connect(env::var("VM_SOCKET").expect("VM_SOCKET is set"))
}

fn frame(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut content = vec![0; u32::from_le_bytes(length) as usize];
    stream.read_exact(&mut content)?;
    Ok(content)
}
