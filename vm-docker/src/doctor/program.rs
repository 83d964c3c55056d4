//! Programs that are asked for their versions.

use std::{
    io,
    process::{Output, Stdio},
    time::Duration,
};

use tokio::{process::Command, runtime::Builder, time::timeout};

/// How long a program may take to tell its version.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a program prints that is asked for its version. It is killed when it takes longer than five seconds.
pub(super) fn version(program: &str) -> io::Result<String> {
    let Output { status, stdout, .. } = output(program, &["--version"], PATIENCE)?;
    match status.success() {
        true => Ok(String::from_utf8_lossy(&stdout).into_owned()),
        false => Err(io::Error::other(format!("'{program} --version' fails: {status}"))),
    }
}

fn output(program: &str, arguments: &[&str], limit: Duration) -> io::Result<Output> {
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let mut command = Command::new(program);
        let asked = command.args(arguments).stdin(Stdio::null()).kill_on_drop(true).output();
        let late = || io::Error::new(io::ErrorKind::TimedOut, format!("'{program}' says nothing within {limit:?}"));
        timeout(limit, asked).await.unwrap_or_else(|_| Err(late()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_hangs_is_not_waited_for() {
        let error = output("sleep", &["600"], Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(output("/nonexistent", &[], PATIENCE).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(version("false").unwrap_err().to_string().contains("'false --version' fails"));
    }
}
