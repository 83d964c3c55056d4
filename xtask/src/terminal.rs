//! What a person sees: steps with their duration, on stderr, coloured only on a terminal.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

/// A step that takes a while; says how long it took when it is done.
#[derive(Debug)]
pub(crate) struct Step {
    title: String,
    started: Instant,
}

impl Step {
    /// Announces a step.
    pub(crate) fn new(title: impl Into<String>) -> Self {
        let title = title.into();
        eprintln!("{} {title}", cyan("==>"));
        Self { title, started: Instant::now() }
    }

    /// Says that the step is done.
    pub(crate) fn done(self) {
        eprintln!("{} {} ({})", green("  ✓"), self.title, duration(self.started.elapsed()));
    }
}

/// Says something that the reader must not miss.
pub(crate) fn warn(text: &str) {
    eprintln!("{} {text}", yellow("warning:"));
}

/// A duration as a person would say it: `0.4 s`, `12 s`, `3 min 20 s`.
pub(crate) fn duration(duration: Duration) -> String {
    match duration.as_secs() {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        seconds @ 10..60 => format!("{seconds} s"),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

pub(crate) fn red(text: &str) -> String {
    paint("31;1", text)
}

pub(crate) fn green(text: &str) -> String {
    paint("32", text)
}

fn yellow(text: &str) -> String {
    paint("33;1", text)
}

fn cyan(text: &str) -> String {
    paint("36;1", text)
}

fn paint(code: &str, text: &str) -> String {
    if stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        format!("\x1b[{code}m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        assert_eq!(duration(Duration::from_millis(420)), "0.4 s");
        assert_eq!(duration(Duration::from_secs(12)), "12 s");
        assert_eq!(duration(Duration::from_secs(200)), "3 min 20 s");
    }
}
