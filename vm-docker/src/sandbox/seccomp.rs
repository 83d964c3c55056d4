//! The system calls that a contract may make. Everything else fails with EPERM.

use serde_json::{Value, json};

/// What every program needs: memory, threads, clocks, its socket, its own files.
const ALLOWED: &[&str] = &[
    "accept4",
    "access",
    "alarm",
    "arch_prctl",
    "brk",
    "capget",
    "capset",
    "chdir",
    "clock_getres",
    "clock_gettime",
    "clock_nanosleep",
    "close",
    "close_range",
    "connect",
    "dup",
    "dup2",
    "dup3",
    "epoll_create",
    "epoll_create1",
    "epoll_ctl",
    "epoll_pwait",
    "epoll_pwait2",
    "epoll_wait",
    "eventfd2",
    "execve",
    "exit",
    "exit_group",
    "faccessat",
    "faccessat2",
    "fadvise64",
    "fcntl",
    "fork",
    "fstat",
    "fstatfs",
    "futex",
    "getcpu",
    "getcwd",
    "getdents64",
    "getegid",
    "geteuid",
    "getgid",
    "getgroups",
    "getitimer",
    "getpeername",
    "getpgid",
    "getpgrp",
    "getpid",
    "getppid",
    "getpriority",
    "getrandom",
    "getresgid",
    "getresuid",
    "getrlimit",
    "getrusage",
    "getsid",
    "getsockname",
    "getsockopt",
    "gettid",
    "gettimeofday",
    "getuid",
    "ioctl",
    "kill",
    "lseek",
    "lstat",
    "madvise",
    "membarrier",
    "mincore",
    "mmap",
    "mprotect",
    "mremap",
    "munmap",
    "nanosleep",
    "newfstatat",
    "open",
    "openat",
    "pause",
    "pidfd_open",
    "pidfd_send_signal",
    "pipe",
    "pipe2",
    "poll",
    "ppoll",
    "prctl",
    "pread64",
    "preadv",
    "preadv2",
    "prlimit64",
    "pselect6",
    "read",
    "readlink",
    "readlinkat",
    "readv",
    "recvfrom",
    "recvmmsg",
    "recvmsg",
    "restart_syscall",
    "rseq",
    "rt_sigaction",
    "rt_sigpending",
    "rt_sigprocmask",
    "rt_sigqueueinfo",
    "rt_sigreturn",
    "rt_sigsuspend",
    "rt_sigtimedwait",
    "rt_tgsigqueueinfo",
    "sched_getaffinity",
    "sched_getparam",
    "sched_getscheduler",
    "sched_setaffinity",
    "sched_yield",
    "select",
    "sendmmsg",
    "sendmsg",
    "sendto",
    "set_robust_list",
    "set_tid_address",
    "setgid",
    "setgroups",
    "setitimer",
    "setpgid",
    "setsid",
    "setsockopt",
    "setuid",
    "shutdown",
    "sigaltstack",
    "stat",
    "statfs",
    "statx",
    "sysinfo",
    "tgkill",
    "time",
    "timer_create",
    "timer_delete",
    "timer_getoverrun",
    "timer_gettime",
    "timer_settime",
    "timerfd_create",
    "timerfd_gettime",
    "timerfd_settime",
    "times",
    "tkill",
    "umask",
    "uname",
    "vfork",
    "wait4",
    "waitid",
    "write",
    "writev",
];

/// Added where the file system may be written to.
const FILE_SYSTEM: &[&str] = &[
    "chmod",
    "copy_file_range",
    "creat",
    "fallocate",
    "fchdir",
    "fchmod",
    "fchmodat",
    "fdatasync",
    "flock",
    "fsync",
    "ftruncate",
    "getxattr",
    "link",
    "linkat",
    "mkdir",
    "mkdirat",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "rename",
    "renameat",
    "renameat2",
    "rmdir",
    "sendfile",
    "splice",
    "symlink",
    "symlinkat",
    "sync_file_range",
    "truncate",
    "unlink",
    "unlinkat",
    "utimensat",
];

/// Added where the network may be used; the families are listed in [`filter`].
const NETWORK: &[&str] = &["accept", "bind", "listen"];

const EPERM: u32 = 1;
const ENOSYS: u32 = 38;

const AF_UNIX: u32 = 1;
const AF_INET: u32 = 2;
const AF_INET6: u32 = 10;
const AF_NETLINK: u32 = 16;

/// All `CLONE_NEW*` flags: a contract makes threads and processes, but no namespaces.
const NEW_NAMESPACES: u64 = 0x7e02_0080;

/// The filter, as the OCI runtime specification writes it.
pub(crate) fn filter(file_system: bool, network: bool) -> Value {
    let mut names = ALLOWED.to_vec();
    let mut families = vec![AF_UNIX];
    if file_system {
        names.extend(FILE_SYSTEM);
    }
    if network {
        names.extend(NETWORK);
        families.extend([AF_INET, AF_INET6, AF_NETLINK]);
    }

    let mut rules = vec![
        json!({ "names": names, "action": "SCMP_ACT_ALLOW" }),
        json!({
            "names": ["clone"],
            "action": "SCMP_ACT_ALLOW",
            "args": [{ "index": 0, "value": NEW_NAMESPACES, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ" }],
        }),
        // Its flags lie in memory, out of a filter's sight. C libraries fall back to clone.
        json!({ "names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": ENOSYS }),
    ];
    for family in families {
        rules.push(json!({
            "names": ["socket", "socketpair"],
            "action": "SCMP_ACT_ALLOW",
            "args": [{ "index": 0, "value": family, "op": "SCMP_CMP_EQ" }],
        }));
    }
    json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": EPERM,
        "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": rules,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(filter: &Value, name: &str) -> bool {
        filter["syscalls"].as_array().unwrap().iter().any(|rule| {
            rule["action"] == "SCMP_ACT_ALLOW" && rule["names"].as_array().unwrap().iter().any(|entry| entry == name)
        })
    }

    #[test]
    fn what_leads_out_of_a_container_is_not_allowed() {
        for filter in [filter(false, false), filter(true, true)] {
            for name in [
                "add_key",
                "bpf",
                "chroot",
                "init_module",
                "io_uring_setup",
                "kexec_load",
                "keyctl",
                "mount",
                "open_by_handle_at",
                "perf_event_open",
                "personality",
                "pivot_root",
                "process_vm_readv",
                "ptrace",
                "setns",
                "umount2",
                "unshare",
                "userfaultfd",
            ] {
                assert!(!allowed(&filter, name), "{name}");
            }
        }
    }

    #[test]
    fn switches_add_their_calls() {
        let strict = filter(false, false);
        assert!(!allowed(&strict, "bind") && !allowed(&strict, "unlinkat"));
        assert!(allowed(&filter(true, false), "unlinkat"));
        assert!(allowed(&filter(false, true), "bind"));
    }

    #[test]
    fn lists_are_sorted_and_name_each_call_once() {
        for list in [ALLOWED, FILE_SYSTEM, NETWORK] {
            assert!(list.is_sorted_by(|a, b| a < b));
        }
    }
}
