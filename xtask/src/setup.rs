//! What the other tasks need on the machine: protoc, containerd, runc.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;
use crate::terminal::{self, Step};

/// Options of `cargo xtask setup`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Leave containerd and runc alone
    #[arg(long)]
    no_containers: bool,
}

/// Whether contracts can run in containers on this machine.
#[derive(Debug)]
pub(crate) enum Containers {
    /// They can, with these programs.
    Ready {
        /// Path of containerd.
        containerd: PathBuf,
        /// Path of runc.
        runc: PathBuf,
    },
    /// They cannot.
    Absent {
        /// Why, and what to do about it.
        why: String,
    },
}

/// What happens where containers ought to work on this machine, and do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// It goes on without them, with a warning.
    Wished,
    /// It fails: what would show that they are broken shall not be skipped.
    Required,
}

impl Need {
    /// What comes of an error on the way to containers. An interruption is none to go on after.
    pub(crate) fn weigh(self, error: anyhow::Error, consequence: &str) -> Result<()> {
        if self == Self::Required || process::interrupted().is_some() {
            return Err(error.context(format!("{consequence}; with --no-containers it goes on without them")));
        }
        terminal::warn(&format!("{consequence}: {error:#}"));
        Ok(())
    }
}

/// Sets up and reports.
pub(crate) fn run(args: &Args) -> Result<()> {
    let containers = containers(args.no_containers, Need::Wished)?;
    println!("rustc       {}", version("rustc", &["--version"]));
    println!("rustfmt     {}", version("cargo", &["fmt", "--version"]));
    println!("clippy      {}", version("cargo", &["clippy", "--version"]));
    println!("cc          {}", version("cc", &["--version"]));
    println!("protoc      {} (from the crate protoc-bin-vendored)", protoc()?.display());
    match containers {
        Containers::Ready { containerd, runc } => {
            println!("containerd  {}", containerd.display());
            println!("runc        {}", runc.display());
        }
        Containers::Absent { why } => println!("containers  unavailable: {why}"),
    }
    Ok(())
}

/// For commands that build without xtask: `PROTOC=$(cargo xtask protoc) cargo install --path vm-host --features docker`.
pub(crate) fn print_protoc() -> Result<()> {
    println!("{}", protoc()?.display());
    Ok(())
}

/// The protobuf compiler that build scripts use.
pub(crate) fn protoc() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("PROTOC") {
        return Ok(path.into());
    }
    protoc_bin_vendored::protoc_bin_path().context("no protoc for this platform; install it and set PROTOC to its path")
}

/// Finds containerd and runc; installs them where that is this task's business: as root on a
/// Debian-like system. Says why containers are unavailable otherwise.
pub(crate) fn containers(declined: bool, need: Need) -> Result<Containers> {
    if declined {
        return Ok(absent("switched off by --no-containers"));
    }
    if !cfg!(target_os = "linux") {
        return Ok(absent("containers need Linux"));
    }
    let root = rustix::process::geteuid().is_root();
    let found = match find_both() {
        None if can_install() => install("apt-get", find_both, need)?,
        found => found,
    };
    Ok(match found {
        Some((containerd, runc)) if root => Containers::Ready { containerd, runc },
        Some(_) => absent(
            "containerd needs root; run the same command as root, e.g. \
             sudo env \"PATH=$PATH\" cargo xtask demo",
        ),
        None => {
            absent(&format!("containerd and runc are not installed; run as root: {}", System::read().install_command()))
        }
    })
}

fn absent(why: &str) -> Containers {
    Containers::Absent { why: why.to_owned() }
}

/// True as root on a Debian-like system, where packages are this task's business.
pub(crate) fn can_install() -> bool {
    rustix::process::geteuid().is_root() && System::read() == System::Debian
}

/// Has apt learn which packages there are.
pub(crate) fn refresh() -> Result<()> {
    process::succeed(Command::new("apt-get").args(["-o", "Dpkg::Use-Pty=0", "update"]))
}

/// Installs both, and finds them then. `None` where that goes wrong and they are only wished for.
fn install(apt: &str, find: fn() -> Option<(PathBuf, PathBuf)>, need: Need) -> Result<Option<(PathBuf, PathBuf)>> {
    let step = Step::new("installing containerd and runc with apt-get (not found on this machine)");
    let run = |args: &[&str]| {
        process::succeed(
            Command::new(apt)
                .args(["-o", "Dpkg::Use-Pty=0", "-o", "DPkg::Lock::Timeout=120"])
                .args(args)
                .env("DEBIAN_FRONTEND", "noninteractive"),
        )
    };
    let installed =
        run(&["update"]).and_then(|()| run(&["install", "-y", "--no-install-recommends", "containerd", "runc"]));
    let found = installed.and_then(|()| {
        find().with_context(|| {
            format!(
                "{apt} has installed the packages, and not both programs are in PATH or a folder for system programs"
            )
        })
    });
    match found {
        Ok(found) => {
            step.done();
            Ok(Some(found))
        }
        Err(error) => need.weigh(error, "containerd and runc cannot be installed").map(|()| None),
    }
}

/// containerd and runc, if both are installed.
pub(crate) fn find_both() -> Option<(PathBuf, PathBuf)> {
    Some((find("containerd")?, find("runc")?))
}

fn find(program: &str) -> Option<PathBuf> {
    folders().map(|dir| dir.join(program)).find(|file| file.is_file())
}

/// Where programs are looked for, also by what is started: `PATH`, and where root has programs that another user's `PATH` leaves out.
pub(crate) fn path() -> Result<OsString> {
    std::env::join_paths(folders()).context("PATH cannot be read")
}

fn folders() -> impl Iterator<Item = PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let named: Vec<_> = std::env::split_paths(&path).collect();
    let more = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    let more = more.into_iter().filter(|folder| !named.contains(folder)).collect::<Vec<_>>();
    named.into_iter().chain(more)
}

fn version(program: &str, args: &[&str]) -> String {
    match process::output(Command::new(program).args(args)) {
        Ok(text) => text.lines().next().unwrap_or_default().to_owned(),
        Err(_) => "not found".to_owned(),
    }
}

/// Systems whose way to install packages is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum System {
    Debian,
    Fedora,
    Suse,
    Arch,
    Alpine,
    Other,
}

impl System {
    fn read() -> Self {
        let release =
            ["/etc/os-release", "/usr/lib/os-release"].iter().find_map(|file| fs::read_to_string(Path::new(file)).ok());
        Self::from_os_release(&release.unwrap_or_default())
    }

    /// `ID` and `ID_LIKE` of os-release(5), most specific first.
    fn from_os_release(text: &str) -> Self {
        let field = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
                .unwrap_or_default()
                .trim_matches(['"', '\''])
        };
        let ids = [field("ID"), field("ID_LIKE")].join(" ");
        ids.split_whitespace()
            .find_map(|id| match id {
                "debian" | "ubuntu" => Some(Self::Debian),
                "fedora" | "rhel" | "centos" => Some(Self::Fedora),
                "suse" | "opensuse" => Some(Self::Suse),
                "arch" => Some(Self::Arch),
                "alpine" => Some(Self::Alpine),
                _ => None,
            })
            .unwrap_or(Self::Other)
    }

    fn install_command(self) -> &'static str {
        match self {
            Self::Debian => "apt-get update && apt-get install -y containerd runc",
            Self::Fedora => "dnf install -y containerd runc",
            Self::Suse => "zypper install -y containerd runc",
            Self::Arch => "pacman -S --needed containerd runc",
            Self::Alpine => "apk add containerd runc",
            Self::Other => "your package manager's command for the packages containerd and runc",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_are_known_by_id_or_by_what_they_are_like() {
        let debian = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\nVERSION_ID=\"12\"\n";
        let mint = "NAME=\"Linux Mint\"\nID=linuxmint\nID_LIKE=\"ubuntu debian\"\n";
        let rocky = "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n";
        assert_eq!(System::from_os_release(debian), System::Debian);
        assert_eq!(System::from_os_release(mint), System::Debian);
        assert_eq!(System::from_os_release(rocky), System::Fedora);
        assert_eq!(System::from_os_release("ID=nixos\n"), System::Other);
        assert_eq!(System::from_os_release(""), System::Other);
    }

    #[test]
    fn declining_containers_says_so() {
        let Containers::Absent { why } = containers(true, Need::Required).unwrap() else {
            panic!("containers were declined")
        };
        assert!(why.contains("--no-containers"));
    }

    #[test]
    fn what_cannot_be_installed_is_an_error_where_it_is_needed() {
        let both = || Some(("containerd".into(), "runc".into()));
        assert!(install("false", both, Need::Wished).unwrap().is_none());
        let error = install("false", both, Need::Required).unwrap_err();
        assert!(format!("{error:#}").contains("cannot be installed; with --no-containers"), "{error:#}");
        assert!(install("true", both, Need::Required).unwrap().is_some());
        // apt is content, and they are not there all the same.
        assert!(install("true", || None, Need::Wished).unwrap().is_none());
        let error = install("true", || None, Need::Required).unwrap_err();
        let told = format!("{error:#}");
        assert!(told.contains("cannot be installed; with --no-containers") && told.contains("not both"), "{told}");
    }

    /// As after `su`, which leaves out where Debian has runc.
    #[test]
    fn what_is_started_finds_what_was_found_here() {
        let path = path().unwrap();
        let folders: Vec<_> = std::env::split_paths(&path).collect();
        let named = std::env::var_os("PATH").unwrap();
        assert!(folders.starts_with(&std::env::split_paths(&named).collect::<Vec<_>>()));
        for folder in ["/usr/local/sbin", "/usr/sbin", "/sbin"] {
            assert_eq!(folders.iter().filter(|found| found.as_os_str() == folder).count(), 1, "{folder}: {folders:?}");
        }
    }

    #[test]
    fn protoc_comes_with_xtask() {
        assert!(protoc().unwrap().is_file());
    }
}
