//! The contract that the tests run: the container protocol written out by hand, with the standard library alone. `world.rs`
//! compiles it with rustc when the tests start.

#[cfg(target_arch = "x86_64")]
#[path = "probe/system.rs"]
mod system;
#[path = "probe/wire.rs"]
mod wire;

use std::{
    env, fs,
    io::{self, Read, Write},
    net::{TcpStream, UdpSocket},
    os::unix::net::{UnixListener, UnixStream},
    process::{self, Command},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

#[cfg(target_arch = "x86_64")]
use system::{FAMILIES, FORBIDDEN, NAME_SPACES, system_call};
use wire::{bytes, field, fields, number, packed, varint};

/// What `ContractFrame` and `HostFrame` call their messages.
mod number {
    pub const HELLO: u64 = 1;
    pub const RETURN: u64 = 2;
    pub const GET: u64 = 3;
    pub const PUT: u64 = 4;
    pub const SCAN: u64 = 6;
    pub const EMIT: u64 = 7;
    pub const CALL_CONTRACT: u64 = 8;
    pub const GAS_LEFT: u64 = 9;
    pub const CHARGE: u64 = 10;
    pub const LOG: u64 = 11;
    pub const ADDRESS_OF: u64 = 12;
    pub const GET_MANY: u64 = 13;
    pub const CALL: u64 = 15;
    pub const HOST_CALL: u64 = 1;
    pub const HOST_STOP: u64 = 2;
}

const SUCCESS: u64 = 1;
const REVERT: u64 = 2;
const TRAP: u64 = 3;

/// Calls that this process has taken.
static CALLS: AtomicU32 = AtomicU32::new(0);

/// What this process drew at random when it began.
static DRAWN: OnceLock<[u8; 8]> = OnceLock::new();

fn main() -> io::Result<()> {
    match env::args().nth(1).as_deref() {
        None => {}
        Some("exit") => {
            eprintln!("cannot begin:\nno such thing");
            process::exit(5)
        }
        // Connects to the socket of somebody else; succeeds if it is turned away.
        Some("connect") => {
            let mut stream = UnixStream::connect(env::args().nth(2).expect("a path"))?;
            process::exit(stream.read(&mut [0])? as i32)
        }
        Some("hog") => hog(),
        Some("uid") => {
            print!("{}", uids(&fs::read_to_string("/proc/self/status")?));
            return Ok(());
        }
        Some(_) => loop {
            thread::park();
        },
    }
    let mut drawn = [0; 8];
    fs::File::open("/dev/urandom")?.read_exact(&mut drawn)?;
    DRAWN.get_or_init(|| drawn);
    let path = env::var("VM_SOCKET").expect("VM_SOCKET is set");
    let concurrency = env::var("PROBE_CONCURRENCY").map_or(1, |number| number.parse().expect("a number"));
    let connect = |_| Ok(Host { stream: UnixStream::connect(&path)?, call: 0, stopped: false });
    let mut hosts = (0..concurrency).map(connect).collect::<io::Result<Vec<_>>>()?;
    let interface = env::var("PROBE_INTERFACE").unwrap_or_default();
    let fresh = u64::from(env::var_os("PROBE_FRESH").is_some());
    for (at, host) in hosts.iter_mut().enumerate() {
        let sdk = if env::var_os("PROBE_DIFFERS").is_some() { format!("probe {at}") } else { "probe 1.0".into() };
        let hello = [varint(1, 1), bytes(2, interface.as_bytes()), bytes(3, sdk.as_bytes()), varint(5, concurrency), varint(4, fresh)];
        host.send(number::HELLO, &hello.concat())?;
    }
    thread::scope(|scope| {
        let threads: Vec<_> = hosts.into_iter().map(|host| scope.spawn(|| serve(host))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("no thread panics"))
    })
}

/// The users that a process runs as.
fn uids(status: &str) -> &str {
    status.lines().find_map(|line| line.strip_prefix("Uid:")).expect("a process has users").trim()
}

/// Takes memory without end.
fn hog() -> ! {
    let mut memory = Vec::new();
    loop {
        memory.push(vec![1_u8; 1 << 20]);
    }
}

/// One call after the other, on one connection.
fn serve(mut host: Host) -> io::Result<()> {
    loop {
        let (kind, call) = host.receive()?;
        if kind != number::HOST_CALL {
            continue;
        }
        host.stopped = false;
        host.call = number(&call, 8);
        CALLS.fetch_add(1, Ordering::Relaxed);
        let method = String::from_utf8(field(&call, 2)).expect("a method is UTF-8");
        let (status, output) = run(&mut host, &method, field(&call, 3), &call)?;
        host.send(number::RETURN, &[varint(1, status), bytes(2, &output)].concat())?;
        if method == "exit_after" {
            process::exit(3);
        }
        if method == "chatter" {
            host.send(number::GAS_LEFT, &[])?;
        }
        if method == "ahead" {
            host.call += 1;
            host.send(number::GAS_LEFT, &[])?;
        }
    }
}

fn run(host: &mut Host, method: &str, input: Vec<u8>, call: &[u8]) -> io::Result<(u64, Vec<u8>)> {
    let output = match method {
        "init" | "exit_after" | "chatter" | "ahead" => Vec::new(),
        "upgrade" => [field(call, 4), b">".to_vec(), field(call, 5)].concat(),
        "echo" => input,
        "revert" => return Ok((REVERT, input)),
        "trap" => return Ok((TRAP, b"index out of bounds".to_vec())),
        // All that do not fit are as many as do.
        "calls" => vec![u8::try_from(CALLS.load(Ordering::Relaxed)).unwrap_or(u8::MAX)],
        "environment" => field(call, 6),
        "count" => {
            let count = host.get(b"n")?.and_then(|value| value.first().copied()).unwrap_or(0) + 1;
            host.put(b"n", &[count])?;
            host.send(number::EMIT, &[bytes(1, b"Counted"), bytes(2, &[count])].concat())?;
            vec![count]
        }
        "put_then_revert" => {
            host.put(b"n", &input)?;
            return Ok((REVERT, b"changed my mind".to_vec()));
        }
        // Reads state twice, and calls another contract in the middle.
        "around" => {
            let before = host.get(b"n")?.unwrap_or_default();
            let called = host.call(&input, "poke", &before)?;
            let after = host.get(b"n")?.unwrap_or_default();
            [before, called, after].concat()
        }
        "forward" => host.call(&input, "echo", b"hello")?,
        // Calls the first of these contracts with the names of the others, and so on: how many they are.
        "chain" => {
            let (first, rest) = match input.iter().position(|byte| *byte == b' ') {
                Some(at) => (&input[..at], &input[at + 1..]),
                None => (&input[..], &[][..]),
            };
            let below = if first.is_empty() { b"0".to_vec() } else { host.call(first, "chain", rest)? };
            match String::from_utf8_lossy(&below).parse::<u32>() {
                Ok(below) => (below + 1).to_string().into_bytes(),
                Err(_) => below,
            }
        }
        // The same after a call of the first one.
        "meet_and_chain" => {
            host.call(b"meet", "echo", b"")?;
            host.call(&input, "chain", b"")?
        }
        // Writes, and then does the same.
        "put_and_chain" => {
            host.put(b"n", &[77])?;
            host.call(&input, "chain", b"killer")?
        }
        "again" => host.call(&input, "count", b"")?,
        "scan" => {
            for key in [b"b", b"a", b"c"] {
                host.put(key, b"x")?;
            }
            let range = [bytes(1, b"a"), bytes(2, b"c"), varint(3, 10)].concat();
            host.ask(number::SCAN, &range)?
        }
        "get_many" => {
            host.put(b"a", b"1")?;
            host.put(b"c", b"")?;
            host.ask(number::GET_MANY, &bytes(1, &packed([&b"a"[..], b"b", b"c"])))?
        }
        "get_cut" => host.ask(number::GET_MANY, &bytes(1, &packed([&b"a"[..], b"b"])[..9]))?,
        "get_too_many" => host.ask(number::GET_MANY, &bytes(1, &packed([&b""[..]; 1001])))?,
        // One long value, a thousand times.
        "get_much" => {
            host.put(b"big", &vec![1; 1 << 20])?;
            host.ask(number::GET_MANY, &bytes(1, &packed([&b"big"[..]; 1000])))?
        }
        // Writes 2,500 entries and reads them page by page: the lengths of the pages.
        "pages" => {
            for n in 0..2_500_u32 {
                host.put(&n.to_be_bytes(), b"x")?;
            }
            let (mut start, mut pages) = (Vec::new(), Vec::new());
            loop {
                let page = host.ask(number::SCAN, &bytes(1, &start))?;
                pages.push(fields(&page, 1).to_string());
                start = field(&page, 2);
                if start.is_empty() {
                    break pages.join(" ").into_bytes();
                }
            }
        }
        "nap" => {
            let milliseconds = String::from_utf8_lossy(&input).parse().expect("a number");
            thread::sleep(Duration::from_millis(milliseconds));
            Vec::new()
        }
        // Does something else in every process.
        "random" => {
            let mut random = [0; 8];
            fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
            host.get(b"n")?;
            host.put(b"random", &random)?;
            Vec::new()
        }
        // The same in all calls of a process.
        "drawn" => DRAWN.get().expect("it was drawn").to_vec(),
        "oom_score" => fs::read("/proc/self/oom_score_adj")?,
        // The call of that name, as musl's fork makes it.
        #[cfg(target_arch = "x86_64")]
        "fork" => {
            let child = system_call(57, 0);
            if child == 0 {
                system_call(231, 0);
            }
            vec![u8::from(child > 0)]
        }
        "isolation" => env::var("VM_ISOLATION").unwrap_or_default().into_bytes(),
        "gas" => host.ask(number::GAS_LEFT, &[])?,
        "charge" => {
            host.send(number::CHARGE, &varint(1, u64::MAX))?;
            host.ask(number::GAS_LEFT, &[])?
        }
        "address" => host.ask(number::ADDRESS_OF, &bytes(1, &input))?,
        "long_topic" => {
            host.send(number::EMIT, &bytes(1, &[b'x'; 256]))?;
            Vec::new()
        }
        "spin" => loop {
            std::hint::spin_loop();
        },
        "spend" => loop {
            host.get(b"n")?;
            if host.stopped {
                return Ok((SUCCESS, b"ignored".to_vec()));
            }
        },
        "spend_and_ignore" => loop {
            host.get(b"n")?;
        },
        "exit" => process::exit(7),
        // After so many milliseconds.
        "hang_up" => {
            thread::sleep(Duration::from_millis(String::from_utf8_lossy(&input).parse().unwrap_or(0)));
            host.stream.shutdown(std::net::Shutdown::Both)?;
            loop {
                thread::park();
            }
        }
        "log" => {
            host.send(number::LOG, &[varint(1, 2), bytes(2, &input)].concat())?;
            Vec::new()
        }
        "garbage" => {
            host.stream.write_all(&[3, 0, 0, 0, 0xff, 0xff, 0xff])?;
            Vec::new()
        }
        "empty_frame" => {
            host.stream.write_all(&[0, 0, 0, 0])?;
            Vec::new()
        }
        "oversized" => {
            host.stream.write_all(&(17_u32 << 20).to_le_bytes())?;
            Vec::new()
        }
        "hello_again" => {
            host.send(number::HELLO, &varint(1, 1))?;
            Vec::new()
        }
        "bad_status" => return Ok((9, Vec::new())),
        "flood" => loop {
            host.send(number::LOG, &bytes(2, b"flood"))?;
        },
        "flood_unread" => {
            host.put(b"big", &vec![1; 1 << 20])?;
            loop {
                host.send(number::GET, &bytes(1, b"big"))?;
            }
        }
        "hog" => hog(),
        // The signal that ends a child that does so.
        "child_hog" => {
            use std::os::unix::process::ExitStatusExt;
            let ended = Command::new("/contract").arg("hog").status()?;
            format!("{:?}", ended.signal()).into_bytes()
        }
        "threads" => {
            let mut threads = 0_u64;
            while thread::Builder::new().spawn(thread::park).is_ok() {
                threads += 1;
            }
            threads.to_string().into_bytes()
        }
        "forks" => {
            let mut children = Vec::new();
            while let Ok(child) = Command::new("/contract").arg("child").spawn() {
                children.push(child);
            }
            let count = children.len();
            for child in &mut children {
                child.kill()?;
                child.wait()?;
            }
            count.to_string().into_bytes()
        }
        "files" => {
            [
                "/file",
                "/tmp/file",
                "/run/vm/file",
                "/dev/file",
                "/contract",
                "/proc/self/oom_score_adj",
                "/proc/sys/kernel/hostname",
            ]
            .map(|path| format!("{path}={}", number_of(fs::write(path, "1"))))
            .join(" ")
            .into_bytes()
        }
        // How much fits into files of /tmp.
        // One byte behind the longest file, which takes no room in /tmp.
        "far" => {
            let mut file = fs::File::create("/tmp/far")?;
            io::Seek::seek(&mut file, io::SeekFrom::Start(1 << 20))?;
            // The signal for it does not end the first process of a name space.
            let refused = file.write(&[7]).err().and_then(|error| error.raw_os_error());
            format!("{refused:?}").into_bytes()
        }
        "fill" => {
            let mut written = 0_u64;
            for n in 0..10_000 {
                let mut file = fs::File::create(format!("/tmp/{n}"))?;
                while let Ok(length) = file.write(&[7; 4096]) {
                    written += length as u64;
                }
                if fs::write("/tmp/last", "x").is_err() {
                    break;
                }
            }
            written.to_string().into_bytes()
        }
        "open_files" => {
            let files: Vec<_> = (0..10_000).map_while(|_| fs::File::open("/proc/self/stat").ok()).collect();
            files.len().to_string().into_bytes()
        }
        // What of these can be read from.
        "secrets" => {
            let paths = [
                "/proc/kcore",
                "/proc/keys",
                "/proc/timer_list",
                "/proc/interrupts",
                "/proc/1/environ",
                "/proc/2/status",
                "/sys/kernel",
                "/etc/passwd",
                "/dev/mem",
                "/dev/full",
                "/dev/tty",
            ];
            let read = |path: &&str| fs::File::open(path).is_ok_and(|mut file| matches!(file.read(&mut [0; 16]), Ok(1..)));
            paths.into_iter().filter(read).collect::<Vec<_>>().join(" ").into_bytes()
        }
        "devices" => {
            let mut names: Vec<_> = fs::read_dir("/dev")?
                .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
                .collect();
            names.sort();
            names.join(" ").into_bytes()
        }
        "interfaces" => {
            let text = fs::read_to_string("/proc/net/dev")?;
            let names = text.lines().filter_map(|line| Some(line.split_once(':')?.0.trim()));
            names.collect::<Vec<_>>().join(" ").into_bytes()
        }
        "abstract" => {
            use std::os::linux::net::SocketAddrExt;
            let address = std::os::unix::net::SocketAddr::from_abstract_name(&input)?;
            number_of(UnixStream::connect_addr(&address)).to_string().into_bytes()
        }
        // One name for each kind of name space that a process has.
        "namespaces" => {
            let kinds = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"];
            let link = |kind: &str| fs::read_link(format!("/proc/self/ns/{kind}")).map(|path| path.display().to_string());
            kinds.map(|kind| link(kind).unwrap_or_default()).join(" ").into_bytes()
        }
        "print" => {
            println!("{}", String::from_utf8_lossy(&input));
            eprintln!("error: {}", String::from_utf8_lossy(&input));
            Vec::new()
        }
        "print_much" => {
            for n in 0..1_000 {
                println!("line {n}");
            }
            Vec::new()
        }
        // Computes for so many milliseconds.
        "compute" => {
            let limit = Duration::from_millis(String::from_utf8_lossy(&input).parse().expect("a number"));
            let start = Instant::now();
            while start.elapsed() < limit {
                std::hint::spin_loop();
            }
            Vec::new()
        }
        // A thread goes on when the call has ended.
        "leave_spinning" => {
            thread::spawn(|| loop {
                std::hint::spin_loop();
            });
            Vec::new()
        }
        // Line feeds without end, for so many milliseconds: how many could be written.
        "print_feeds" => {
            let limit = Duration::from_millis(String::from_utf8_lossy(&input).parse().expect("a number"));
            let (start, mut written) = (Instant::now(), 0);
            while start.elapsed() < limit {
                written += io::stderr().write(&[b'\n'; 4096])?;
            }
            written.to_string().into_bytes()
        }
        "network" => format!(
            "tcp={} udp={} unix={}",
            number_of(TcpStream::connect("127.0.0.1:1")),
            number_of(UdpSocket::bind("127.0.0.1:0")),
            number_of(UnixListener::bind("/run/vm/second.sock")),
        )
        .into_bytes(),
        #[cfg(target_arch = "x86_64")]
        "system_calls" => FORBIDDEN
            .map(|(name, number, argument)| format!("{name}={}", system_call(number, argument)))
            .join(" ")
            .into_bytes(),
        #[cfg(target_arch = "x86_64")]
        "sockets" => FAMILIES
            .map(|(name, family)| format!("{name}={}", system_call(41, family)))
            .join(" ")
            .into_bytes(),
        // New name spaces, by a process that begins in them.
        #[cfg(target_arch = "x86_64")]
        "clones" => {
            let clone = |(name, flags): (&str, i64)| {
                let child = system_call(56, flags | 17);
                if child == 0 {
                    system_call(231, 0);
                }
                format!("{name}={child}")
            };
            let cloned = NAME_SPACES.map(clone).join(" ");
            format!("{cloned} clone3={}", system_call(435, 0)).into_bytes()
        }
        // Whether a program of the image has the mark of its owner's rights, and the users that it has then.
        "set_user" => {
            use std::os::unix::fs::PermissionsExt;
            let marked = fs::metadata("/opt/program")?.permissions().mode() & 0o4000 != 0;
            let told = Command::new("/opt/program").arg("uid").output()?;
            format!("{marked} {}", String::from_utf8_lossy(&told.stdout)).into_bytes()
        }
        "who" => fs::read_to_string("/proc/self/status")?.into_bytes(),
        "reconnect" => number_of(UnixStream::connect("/run/vm/contract.sock")).to_string().into_bytes(),
        other => return Ok((REVERT, format!("no method '{other}'").into_bytes())),
    };
    Ok((SUCCESS, output))
}

/// The number of an operation's error; 0 if it succeeded.
fn number_of<T>(result: io::Result<T>) -> i32 {
    result.err().map_or(0, |error| error.raw_os_error().unwrap_or(-1))
}

struct Host {
    stream: UnixStream,
    /// The number of the call.
    call: u64,
    stopped: bool,
}

impl Host {
    fn send(&mut self, kind: u64, message: &[u8]) -> io::Result<()> {
        let mut frame = bytes(kind, message);
        if self.call > 0 {
            frame.extend(varint(number::CALL, self.call));
        }
        let length = u32::try_from(frame.len()).expect("a frame is short");
        self.stream.write_all(&[&length.to_le_bytes()[..], &frame].concat())
    }

    /// The next frame's kind and message.
    fn receive(&mut self) -> io::Result<(u64, Vec<u8>)> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let mut frame = vec![0; u32::from_le_bytes(length) as usize];
        self.stream.read_exact(&mut frame)?;
        let kind = u64::from(frame[0] >> 3);
        Ok((kind, field(&frame, kind)))
    }

    fn ask(&mut self, kind: u64, message: &[u8]) -> io::Result<Vec<u8>> {
        self.send(kind, message)?;
        let (kind, answer) = self.receive()?;
        self.stopped |= kind == number::HOST_STOP;
        Ok(answer)
    }

    fn get(&mut self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let answer = self.ask(number::GET, &bytes(1, key))?;
        Ok((!answer.is_empty()).then(|| field(&answer, 1)))
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        self.send(number::PUT, &[bytes(1, key), bytes(2, value)].concat())
    }

    /// The output of another contract, or its status in angle brackets.
    fn call(&mut self, name: &[u8], method: &str, input: &[u8]) -> io::Result<Vec<u8>> {
        let request = [bytes(1, name), bytes(3, method.as_bytes()), bytes(4, input)].concat();
        let answer = self.ask(number::CALL_CONTRACT, &request)?;
        let status = answer.get(1).copied().unwrap_or(0);
        let output = field(&answer, 2);
        Ok(if u64::from(status) == SUCCESS { output } else { [b"<".to_vec(), vec![b'0' + status], output].concat() })
    }
}
