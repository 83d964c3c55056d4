//! System calls that no library makes.

/// Calls that lead out of a sandbox, or to parts of the kernel that a contract has no use for: name, number, first argument.
/// Where no filter is, an unprivileged process may make the first five.
pub const FORBIDDEN: [(&str, i64, i64); 25] = [
    ("unshare", 272, 0x1000_0000),
    ("personality", 135, 0xffff_ffff),
    ("inotify_init1", 294, 0),
    ("msgget", 68, 0),
    ("userfaultfd", 323, 0),
    ("add_key", 248, 0),
    ("bpf", 321, 0),
    ("chroot", 161, 0),
    ("delete_module", 176, 0),
    ("fanotify_init", 300, 0),
    ("io_uring_setup", 425, 0),
    ("keyctl", 250, 0),
    ("mknod", 133, 0),
    ("mount", 165, 0),
    ("open_by_handle_at", 304, 0),
    ("open_tree", 428, 0),
    ("perf_event_open", 298, 0),
    ("pivot_root", 155, 0),
    ("process_vm_readv", 310, 0),
    ("ptrace", 101, 0),
    ("reboot", 169, 0),
    ("setns", 308, 0),
    ("settimeofday", 164, 0),
    ("shmget", 29, 0),
    ("umount2", 166, 0),
];

/// Name spaces, by the flags of `clone`.
pub const NAME_SPACES: [(&str, i64); 8] = [
    ("user", 0x1000_0000),
    ("user+all", 0x7e02_0000),
    ("mnt", 0x0002_0000),
    ("cgroup", 0x0200_0000),
    ("uts", 0x0400_0000),
    ("ipc", 0x0800_0000),
    ("pid", 0x2000_0000),
    ("net", 0x4000_0000),
];

/// Families of sockets that lead out of a container.
pub const FAMILIES: [(&str, i64); 6] =
    [("inet", 2), ("inet6", 10), ("netlink", 16), ("packet", 17), ("alg", 38), ("vsock", 40)];

/// Makes a system call; a negative result is the number of its error.
pub fn system_call(number: i64, argument: i64) -> i64 {
    let result;
    // SAFETY: none of the calls that are made touches memory of this process.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") argument,
            in("rsi") 0,
            out("rcx") _,
            out("r11") _,
        );
    }
    result
}
