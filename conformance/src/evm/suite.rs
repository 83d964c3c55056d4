//! Many test files.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use vm_evm::{EvmConfig, EvmRuntime, Fork};

use super::{
    case,
    format::{File, Test},
    report::{Failure, Report},
};
use crate::folder;

/// The test files (`.json`) below a folder whose path contains `filter`, sorted.
///
/// # Errors
/// When a folder cannot be read.
pub fn files(folder: &Path, filter: &str) -> io::Result<Vec<PathBuf>> {
    folder::files(folder, "json", filter)
}

/// Runs all cases of the files.
///
/// # Errors
/// When a thread cannot be started or dies.
pub fn run(files: &[PathBuf]) -> io::Result<Report> {
    let reports = folder::spread(|next| {
        let (mut report, mut runtimes) = (Report::default(), BTreeMap::new());
        while let Some(file) = files.get(next()) {
            run_file(file, &mut runtimes, &mut report);
        }
        report
    })?;
    let mut sum = Report::default();
    for report in reports {
        sum.add(report);
    }
    sum.failures.sort();
    Ok(sum)
}

fn run_file(path: &Path, runtimes: &mut BTreeMap<Fork, EvmRuntime>, report: &mut Report) {
    let broken = |difference: String| Failure {
        file: path.display().to_string(),
        test: "(whole file)".to_owned(),
        fork: "(none)".to_owned(),
        index: 0,
        difference,
    };
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) => return report.failed(broken(format!("cannot be read: {error}"))),
    };
    let file: File = match serde_json::from_slice(&text) {
        Ok(file) => file,
        Err(error) if error.is_data() => {
            return report.skipped(None, 1, format!("{} is no state test: {error}", path.display()));
        }
        Err(error) => return report.failed(broken(format!("is no JSON: {error}"))),
    };
    for (name, test) in &file {
        for fork in test.post.keys() {
            run_fork(path, name, test, fork, runtimes, report);
        }
    }
}

fn run_fork(
    path: &Path,
    name: &str,
    test: &Test,
    fork_name: &str,
    runtimes: &mut BTreeMap<Fork, EvmRuntime>,
    report: &mut Report,
) {
    let Some(cases) = test.post.get(fork_name) else { return };
    let evm = case::fork(fork_name).and_then(|fork| match runtimes.entry(fork) {
        std::collections::btree_map::Entry::Occupied(entry) => Ok(entry.into_mut()),
        std::collections::btree_map::Entry::Vacant(entry) => {
            // Memory is bounded by gas alone, as it is on Ethereum.
            let config = EvmConfig::new(fork).memory_limit(u64::from(u32::MAX));
            Ok(entry.insert(EvmRuntime::new(config).map_err(|error| error.to_string())?))
        }
    });
    let evm = match evm {
        Ok(evm) => evm,
        Err(reason) => return report.skipped(Some(fork_name), cases.len(), reason),
    };
    for (index, post) in cases.iter().enumerate() {
        match case::run(evm, test, post) {
            Ok(()) => report.passed(fork_name),
            Err(difference) => report.failed(Failure {
                file: path.display().to_string(),
                test: name.to_owned(),
                fork: fork_name.to_owned(),
                index,
                difference,
            }),
        }
    }
}
