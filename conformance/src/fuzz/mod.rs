//! Modules that nobody wrote, on all engines of the build: random ones by wasm-smith, dense expressions, and the sample contracts
//! with random bytes of their code changed. Each is deployed and called as contracts are, with budgets that run out in the middle and gas
//! in slices of different sizes, beside a contract that it can call; every receipt has to be the same on every machine.
//!
//! `cargo xtask fuzz wasm` is how to run it.

mod case;
mod expression;
mod machine;
mod module;
mod mutant;
mod random;
mod report;
mod shape;

use std::io;
use std::time::{Duration, Instant};

pub use case::Case;
pub use report::{Difference, Report};

use crate::folder;
use machine::Machines;

/// Runs cases with consecutive seeds on all cores: the first `cases`, and further ones until `time` is over.
///
/// `progress` is called now and then with the number of cases so far.
///
/// # Errors
/// When a machine or a thread cannot be started, or a thread dies.
pub fn run(seed: u64, cases: u64, time: Duration, progress: &(dyn Fn(u64) + Sync)) -> io::Result<Report> {
    #[allow(clippy::disallowed_methods, reason = "how long to go on decides no result")]
    let over = {
        let started = Instant::now();
        move || started.elapsed() >= time
    };
    let reports: Vec<io::Result<Report>> = folder::spread(|next| {
        let mut report = Report::default();
        let machines = Machines::start().map_err(io::Error::other)?;
        loop {
            let number = next() as u64;
            if number >= cases && over() {
                return Ok(report);
            }
            if number % 256 == 255 {
                progress(number + 1);
            }
            report.ran(&machines, &Case::new(seed.wrapping_add(number)));
        }
    })?;
    let mut sum = Report::default();
    for report in reports {
        sum.add(report?);
    }
    Ok(sum)
}
