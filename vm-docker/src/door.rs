//! Where a container's process comes in: its socket, who may connect, and the greeting.

use std::{
    fs, io,
    os::unix::{
        fs::{PermissionsExt, chown},
        net::UnixStream,
    },
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::net::{UnixListener, unix::UCred};
use vm_container_protocol::{Hello, PROTOCOL_VERSION, contract_frame::Kind};
use vm_core::Interrupt;

use crate::{
    DockerError,
    cgroup::ControlGroup,
    connection::Connection,
    folder::{file_error, make_folder},
};

/// Name of a container's socket in its folder, as the protocol has it.
pub(crate) const SOCKET_NAME: &str = "contract.sock";

/// Most bytes of an interface: some thousand methods.
const INTERFACE_LIMIT: usize = 256 << 10;

/// Most bytes of the library's name and version.
const SDK_LIMIT: usize = 256;

/// A socket that only the user of one container can connect to, until its process has.
pub(crate) struct Door {
    listener: UnixListener,
    path: PathBuf,
    user: u32,
}

impl Door {
    /// Makes the socket in a folder of its own.
    pub(crate) fn open(folder: &Path, user: u32) -> Result<Self, DockerError> {
        make_folder(folder)?;
        let path = folder.join(SOCKET_NAME);
        let listen = || -> io::Result<UnixListener> {
            let listener = UnixListener::bind(&path)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
            chown(&path, Some(user), Some(user))?;
            Ok(listener)
        };
        match listen() {
            Ok(listener) => Ok(Self { listener, path, user }),
            Err(source) => Err(file_error(&path, source)),
        }
    }

    /// Waits for as many connections of the process of the container `id` as it says that it makes, `most` at most, each with
    /// its greeting within `limit`. After that the socket is gone.
    pub(crate) async fn admit(
        self,
        id: &str,
        most: u32,
        limit: Duration,
    ) -> Result<(Hello, Vec<Connection>), DockerError> {
        let (first, hello) = self.welcome(id, limit).await?;
        let asked = hello.concurrency.max(1);
        if asked > most {
            return Err(DockerError::Protocol(format!(
                "it wants to take {asked} calls at a time; VM_CONCURRENCY allows {most}"
            )));
        }
        let mut connections = vec![first];
        for number in 2..=asked {
            let (connection, again) = self.welcome(id, limit).await?;
            if again != hello {
                return Err(DockerError::Protocol(format!("the greeting of its connection {number} is another one")));
            }
            connections.push(connection);
        }
        // Nobody else is to connect.
        let _ = fs::remove_file(&self.path);
        Ok((hello, connections))
    }

    async fn welcome(&self, id: &str, limit: Duration) -> Result<(Connection, Hello), DockerError> {
        let stream = self.accept(id).await.map_err(|source| file_error(&self.path, source))?;
        let greeted = tokio::task::spawn_blocking(move || greet(stream, limit)).await;
        greeted.unwrap_or(Err(DockerError::NotRunning))
    }

    /// A connection of the container's process. Whoever else connects is turned away.
    async fn accept(&self, id: &str) -> io::Result<UnixStream> {
        loop {
            let (stream, _) = self.listener.accept().await?;
            let peer = stream.peer_cred()?;
            if is_peer(&peer, self.user, id) {
                return stream.into_std();
            }
            tracing::warn!(container = id, user = peer.uid(), process = peer.pid(), "a stranger was turned away");
        }
    }
}

/// True if a peer of a socket is this user and one of the container's processes, which has the number zero, or none, where it
/// cannot be seen (another process name space).
fn is_peer(peer: &UCred, user: u32, id: &str) -> bool {
    let process = peer.pid().filter(|process| *process != 0);
    peer.uid() == user && process.is_none_or(|process| ControlGroup::of(id).holds(process))
}

/// Waits for the first frame of a connection.
fn greet(stream: UnixStream, limit: Duration) -> Result<(Connection, Hello), DockerError> {
    let connection = Connection::new(stream, &Interrupt::after(limit));
    let mut connection = connection.map_err(|source| DockerError::Frame(source.into()))?;
    let hello = match connection.receive()?.map(|frame| frame.kind) {
        None => return Err(DockerError::HungUp),
        Some(Some(Kind::Hello(hello))) => hello,
        Some(_) => return Err(DockerError::Protocol("its first frame is not Hello".into())),
    };
    for (what, length, limit) in
        [("interface", hello.interface.len(), INTERFACE_LIMIT), ("sdk", hello.sdk.len(), SDK_LIMIT)]
    {
        if length > limit {
            return Err(DockerError::Protocol(format!("its {what} has {length} bytes; the limit is {limit}")));
        }
    }
    match hello.protocol {
        PROTOCOL_VERSION => Ok((connection, hello)),
        found => Err(DockerError::Version { found }),
    }
}

#[cfg(test)]
mod tests {
    use vm_container_protocol::{ContractFrame, FrameWriter};

    use super::*;

    fn greeting(hello: Hello) -> Result<(Connection, Hello), DockerError> {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let writing = std::thread::spawn(move || FrameWriter::new(theirs).send(&ContractFrame::from(hello)));
        let greeted = greet(ours, Duration::from_secs(30));
        writing.join().unwrap().unwrap();
        greeted
    }

    #[test]
    fn what_a_greeting_says_is_bounded() {
        let text = |length| "x".repeat(length);
        greeting(Hello::new(text(INTERFACE_LIMIT), text(SDK_LIMIT))).unwrap();
        for (hello, refusal) in [
            (Hello::new(text(INTERFACE_LIMIT + 1), "a"), "its interface has 262145 bytes; the limit is 262144"),
            (Hello::new("", text(SDK_LIMIT + 1)), "its sdk has 257 bytes; the limit is 256"),
        ] {
            let error = greeting(hello).err().unwrap().to_string();
            assert!(error.contains(refusal), "{error}");
        }
        let other = Hello { protocol: PROTOCOL_VERSION + 1, ..Hello::new("", "") };
        assert!(matches!(greeting(other).err(), Some(DockerError::Version { .. })));
    }
}
