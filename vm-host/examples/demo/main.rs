//! One token contract on every runtime, under one lifecycle, compared step by step.
//!
//! `cargo xtask demo` builds and runs this with a private containerd. Without one, there is a column less.

mod report;
mod runtimes;
mod scenario;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use vm_core::{Vm, VmProvider};
use vm_host::{Config, Format};

use runtimes::Column;
use scenario::Account;

#[derive(Debug, Parser)]
struct Args {
    /// Socket of the containerd to use; no container column without it
    #[arg(long, value_name = "SOCKET")]
    containerd: Option<PathBuf>,

    /// Why there is no containerd, to be printed
    #[arg(long, value_name = "REASON", default_value = "no --containerd was given", conflicts_with = "containerd")]
    without_containers: String,

    /// Where the state lies; emptied first
    #[arg(long, value_name = "DIR", default_value = "target/demo")]
    data_dir: PathBuf,

    /// Folder of the built sample contracts
    #[arg(long, value_name = "DIR", default_value = "contracts/artifacts")]
    artifacts: PathBuf,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// True when all runtimes do what they should.
fn run(args: &Args) -> Result<bool> {
    if args.data_dir.exists() {
        fs::remove_dir_all(&args.data_dir).with_context(|| format!("cannot empty {}", args.data_dir.display()))?;
    }
    let config = Config::parse(&configuration(args), Format::Toml, "demo.toml")?;
    let columns = runtimes::columns(&args.artifacts, args.containerd.is_some())?;
    let vm = vm_host::builder(&config).sample_contracts()?.build()?;
    let differences = futures_executor::block_on(async {
        vm.start().await?;
        let shown = show(&vm, &columns).await;
        vm.stop().await?;
        shown
    })?;
    if args.containerd.is_none() {
        println!("\nno column for containers: {}", args.without_containers);
    }
    if differences.is_empty() {
        println!("\nall {} runtimes agree", columns.len());
        return Ok(true);
    }
    println!("\nthe runtimes do not do what they should:");
    for difference in &differences {
        println!("  {difference}");
    }
    Ok(false)
}

/// Performs all steps on all runtimes and prints what they did; returns what was not as it should be.
async fn show(vm: &Vm, columns: &[Column]) -> Result<Vec<String>> {
    let mut differences = Vec::new();
    let mut rows = Vec::new();
    for step in scenario::steps() {
        let mut cells = Vec::new();
        eprintln!("    {}", step.title);
        for column in columns {
            let cell = scenario::perform(vm, column, &step).await;
            differences
                .extend(cell.problem.iter().map(|problem| format!("{}: {}: {problem}", column.kind, step.title)));
            cells.push(cell);
        }
        rows.push((step.title, cells));
    }
    let mut balances = Vec::new();
    for account in Account::ALL {
        let mut held = Vec::new();
        for column in columns {
            held.push(scenario::balance(vm, column, account).await.unwrap_or_else(|error| error.to_string()));
        }
        if held.windows(2).any(|pair| pair.first() != pair.last()) {
            differences.push(format!("balances of {account} differ: {}", held.join(", ")));
        }
        balances.push((account, held));
    }
    println!("{}\n", report::steps(columns, &rows));
    println!("{}\n", report::balances(columns, &balances));
    println!("{}\n", report::status(&vm.status()));
    println!("{}", report::metrics(&vm.metrics()));
    Ok(differences)
}

/// The configuration, as a file would give it.
fn configuration(args: &Args) -> String {
    let mut text = String::new();
    for kind in ["native", "wasm", "evm"] {
        text.push_str(&format!("[[vm.providers]]\ntype = \"{kind}\"\n"));
    }
    if let Some(socket) = &args.containerd {
        text.push_str(&format!("[[vm.providers]]\ntype = \"docker\"\naddress = {:?}\n", socket.display().to_string()));
    }
    let dir = std::path::absolute(&args.data_dir).unwrap_or_else(|_| args.data_dir.clone());
    text.push_str(&format!("[vm.state]\nbackend = \"fjall\"\npath = {:?}\n", dir.display().to_string()));
    text
}
