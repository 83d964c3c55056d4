//! What runs in the containers that contracts are compared with: compiled by the bench with rustc, out of the standard
//! library alone.

use std::{
    env,
    io::{self, BufReader, Read, Write},
    os::unix::net::UnixStream,
    thread,
};

fn main() -> io::Result<()> {
    let _connection = if env::args().len() == 1 { Some(contract()?) } else { None };
    loop {
        thread::park();
    }
}

/// The least that is a contract: greets, and answers its one call with a success. It offers no process for each call.
fn contract() -> io::Result<UnixStream> {
    let mut stream = UnixStream::connect(env::var("VM_SOCKET").expect("VM_SOCKET is set"))?;
    stream.write_all(&[4, 0, 0, 0, 0x0a, 2, 0x08, 1])?;
    frame(&mut BufReader::new(stream.try_clone()?))?;
    stream.write_all(&[6, 0, 0, 0, 0x12, 2, 0x08, 1, 0x78, 1])?;
    Ok(stream)
}

fn frame(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut content = vec![0; u32::from_le_bytes(length) as usize];
    stream.read_exact(&mut content)?;
    Ok(content)
}
