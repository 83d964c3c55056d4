//! What the command line takes.

mod operations;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use vm_core::{
    Address, Amount, Argument, Arguments, ContractName, Gas, Limits, RuntimeKind, Sender, TraceLevel, Version,
};
use vm_host::Config;

use super::failure::Usage;
use super::json_arguments::JsonArguments;

pub(super) use operations::{By, ChangeArgs, Govern, Member, Operation, Trying};

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  2  usage: wrong arguments, an unreadable file, a mistake in the configuration
  3  the contract failed: it reverted, trapped, or ran out of gas
  4  refused: unknown contract or method, wrong arguments, no permission, bad code, ...
  5  host fault: storage, a data directory in use, a deadline, a runtime that is not available
130  interrupted by Ctrl-C, SIGTERM or SIGHUP: runtimes are stopped, containers removed; a second one ends at once
After 2, 3 and 4 nothing has changed; after 5 neither, unless the disk failed in the middle of a commit.\n\
After 130 the next command shows whether it was done; half done it is never.

Each command is a process of its own: of [vm.quotas] only the bounds of gas hold for it. Calls in flight, rates and windows
are counted by hosts that go on running, which embed the library.";

/// Deploys, calls and upgrades smart contracts on native, WASM, EVM and container runtimes.
#[derive(Debug, Parser)]
#[command(name = "vm-host", version, after_help = EXIT_CODES, max_term_width = 110)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Host")]
pub(super) struct Global {
    /// Configuration [default: vm.toml, vm.yaml or vm.yml if there is one, else built-in values].
    #[arg(long, global = true, env = "VM_HOST_CONFIG", value_name = "FILE", hide_env_values = true)]
    pub(super) config: Option<PathBuf>,
    /// Data directory, instead of the one in the configuration.
    #[arg(long, global = true, env = "VM_HOST_DATA_DIR", value_name = "DIR", hide_env_values = true)]
    pub(super) data_dir: Option<PathBuf>,
    /// Print one JSON object to standard output, also for errors.
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// What to log to standard error: a level, or a filter such as "vm_core=debug".
    #[arg(
        long,
        global = true,
        env = "RUST_LOG",
        value_name = "FILTER",
        default_value = "warn",
        hide_env_values = true
    )]
    pub(super) log: String,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Write a commented configuration.
    Init {
        /// The file to write; its extension tells the format.
        #[arg(default_value = "vm.toml")]
        file: PathBuf,
        /// Replace a file that is there.
        #[arg(long)]
        force: bool,
    },
    #[command(flatten)]
    Operation(Operation),
    /// Call a method, and keep what it changes if it succeeds.
    Invoke {
        /// The contract's name, or the 0x address of an account.
        name: String,
        /// The method; with --input-hex an EVM contract needs none.
        #[arg(required_unless_present = "input_hex")]
        method: Option<String>,
        #[command(flatten)]
        call: CallArgs,
        /// Show what it would do, and keep nothing of it.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        trace: TraceArgs,
    },
    /// Call a method that may not change anything.
    Query {
        /// The contract's name, or the 0x address of an account.
        name: String,
        /// The method; with --input-hex an EVM contract needs none.
        #[arg(required_unless_present = "input_hex")]
        method: Option<String>,
        #[command(flatten)]
        call: CallArgs,
        #[command(flatten)]
        trace: TraceArgs,
    },
    /// Propose an operation, from `deploy` to `govern`, to those whose endorsement it needs, who then approve it.
    Propose {
        /// The last block in which something can become of it [default: 1,000,000 blocks from now, the most].
        #[arg(long, value_name = "BLOCK")]
        until: Option<u64>,
        #[command(flatten)]
        through: Through,
        #[command(subcommand)]
        operation: Operation,
    },
    /// List the proposals: what each would do, who proposes it and why, and who has said what.
    Proposals {
        #[command(flatten)]
        through: Through,
        #[command(flatten)]
        from: From,
    },
    /// Endorse a proposal.
    Approve(VoteArgs),
    /// Be against a proposal, or take an approval back; the proposer's rejection withdraws it.
    Reject(VoteArgs),
    /// Do what is proposed, if enough have approved it.
    Execute(VoteArgs),
    /// Clear away a proposal that has expired, or that is overtaken by what has changed since.
    Expire(VoteArgs),
    /// Tell what a file's code is and does, without running it. For WASM modules and EVM code.
    Analyze {
        #[command(flatten)]
        code: CodeArgs,
    },
    /// Tell whether this machine can run containers, and what to do where it cannot. Changes nothing.
    Doctor,
    /// Show who may do what with a contract, or with the host.
    Policy {
        /// The contract's name; none for the host.
        name: Option<ContractName>,
        /// A version that it had, instead of the one in force.
        #[arg(long, value_name = "NUMBER")]
        version: Option<u32>,
    },
    /// List the contracts.
    List,
    /// Show a contract, its versions and its methods.
    Show {
        /// The contract's name.
        name: ContractName,
    },
    /// Give back the code of a version, as it was deployed: every version's is kept.
    Code {
        /// The contract's name.
        name: ContractName,
        /// A version that it had, instead of the current one.
        #[arg(long = "version")]
        version: Option<Version>,
        /// Write the code to this file.
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Write its ABI to this file.
        #[arg(long, value_name = "FILE")]
        abi: Option<PathBuf>,
    },
    /// Show what was done with a contract, or with the host's policy, by whom and why, and what was refused.
    History {
        /// The contract's name; none for the host.
        name: Option<ContractName>,
        /// Only the newest entries, so many.
        #[arg(long, value_name = "NUMBER")]
        last: Option<u64>,
    },
    /// Show the state of the host and its runtimes.
    Status,
    /// Show what all commands on this data directory have done together.
    Metrics {
        /// Begin to count anew.
        #[arg(long)]
        reset: bool,
    },
    /// Print a completion script.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

#[derive(Debug, Args)]
pub(super) struct CodeArgs {
    /// WASM module, OCI archive, static executable, or EVM creation code: hex, an artefact of Foundry, Hardhat or solc, or a
    /// .sol source; for native contracts the name of one linked in.
    pub(super) file: String,
    /// native, wasm, evm or docker [default: told by the file; for an upgrade, the contract's].
    #[arg(long)]
    pub(super) runtime: Option<RuntimeKind>,
    /// The JSON ABI of an EVM contract, or an artefact of Foundry, Hardhat or solc that holds it; for a proxy, that of its
    /// implementation.
    #[arg(long, value_name = "FILE")]
    pub(super) abi: Option<PathBuf>,
    /// Which contract of the file of --abi, where it has several: Name or File.sol:Name.
    #[arg(long, value_name = "NAME", requires = "abi")]
    pub(super) abi_contract: Option<String>,
    /// Which contract, where a Solidity artefact or source has several: Name or File.sol:Name.
    #[arg(long, value_name = "NAME")]
    pub(super) contract: Option<String>,
    /// Where a Solidity source's imports lie.
    #[arg(long = "remapping", value_name = "PREFIX=PATH")]
    pub(super) remappings: Vec<String>,
    /// A folder with imports of a Solidity source.
    #[arg(long = "include-path", value_name = "DIR")]
    pub(super) include_paths: Vec<PathBuf>,
    /// An option of the runtime, such as migrate=constructor (EVM) or params=string (ChainMaker's contracts).
    #[arg(long = "option", visible_alias = "abi-option", value_name = "KEY=VALUE", value_parser = pair)]
    pub(super) options: Vec<(String, String)>,
}

/// Which contract collects approvals.
#[derive(Debug, Args)]
pub(super) struct Through {
    /// The contract that keeps the proposals: a deployment of the linked `multi_sign`.
    #[arg(long = "through", value_name = "NAME", default_value = MULTI_SIGN)]
    pub(super) name: ContractName,
}

/// The name under which the contract is linked, and looked for.
pub(super) const MULTI_SIGN: &str = "multi_sign";

#[derive(Debug, Args)]
pub(super) struct VoteArgs {
    /// The proposal's number; `proposals` lists them.
    pub(super) id: u64,
    #[command(flatten)]
    pub(super) through: Through,
    #[command(flatten)]
    pub(super) from: From,
}

#[derive(Debug, Clone, Args)]
pub(super) struct TraceArgs {
    /// Tell the calls inside, of all runtimes, with what each did: as lines of JSON to this file, or with - as a tree behind the result.
    #[arg(long, value_name = "FILE")]
    pub(super) trace: Option<PathBuf>,
    /// With every EVM instruction, in lines of JSON below its call.
    #[arg(long, requires = "trace")]
    trace_steps: bool,
    /// Write every EVM instruction to this file while it is executed, as lines of JSON (EIP-3155).
    #[arg(long, value_name = "FILE")]
    pub(super) evm_trace: Option<PathBuf>,
}

impl TraceArgs {
    /// How much of its calls a receipt shall tell.
    pub(super) const fn level(&self) -> TraceLevel {
        match (&self.trace, self.trace_steps) {
            (None, _) => TraceLevel::Off,
            (Some(_), false) => TraceLevel::Calls,
            (Some(_), true) => TraceLevel::Steps,
        }
    }

    /// True when anything is to be traced.
    pub(super) const fn is_asked_for(&self) -> bool {
        self.trace.is_some() || self.evm_trace.is_some()
    }
}

#[derive(Debug, Args)]
pub(super) struct CallArgs {
    /// Arguments in the order of the parameters, as text. Addresses are names or 0x and 40 hex digits.
    #[arg(allow_negative_numbers = true)]
    args: Vec<String>,
    /// An argument by its parameter's name.
    #[arg(long = "arg", value_name = "NAME=VALUE", value_parser = pair)]
    named: Vec<(String, String)>,
    /// All arguments as JSON: an array in the order of the parameters, or an object by their names.
    #[arg(long, value_name = "JSON", value_parser = JsonArguments::parse, conflicts_with_all = ["args", "named"])]
    args_json: Option<JsonArguments>,
    /// The encoded arguments in hex, instead of text: borsh, or the Solidity ABI. For an EVM contract without METHOD, or
    /// deployed without an ABI, they are the whole call data, selector included.
    #[arg(long, value_name = "HEX", value_parser = hex_bytes, conflicts_with_all = ["args", "named", "args_json"])]
    input_hex: Option<HexBytes>,
    #[command(flatten)]
    from: From,
    /// The most gas it may use, up to vm.limits.gas, which is the default.
    #[arg(long)]
    gas: Option<u64>,
    /// The amount of the native asset that goes with it.
    #[arg(long, default_value = "0", hide_default_value = true)]
    value: Amount,
}

#[derive(Debug, Args)]
pub(super) struct From {
    /// Who sends it: a name, or 0x and 40 hex digits.
    #[arg(
        long = "from",
        env = "VM_HOST_FROM",
        value_name = "ACCOUNT",
        hide_env_values = true,
        default_value = "operator"
    )]
    pub(super) caller: Address,
    /// Who endorses it, for rules that ask for several. This command trusts you in it, as in --from.
    #[arg(long = "endorsed-by", value_name = "ACCOUNT", value_delimiter = ',')]
    pub(super) endorsers: Vec<Address>,
}

/// Bytes that were given in hex. A type of its own, since clap reads a `Vec` as a repeated option.
#[derive(Debug, Clone)]
pub(super) struct HexBytes(Vec<u8>);

impl CallArgs {
    /// The arguments as the Vm takes them.
    pub(super) fn arguments(&self) -> Arguments {
        if let Some(HexBytes(bytes)) = &self.input_hex {
            return Arguments::Raw(bytes.clone().into());
        }
        if let Some(JsonArguments(list)) = &self.args_json {
            return Arguments::Text(list.clone());
        }
        let positional = self.args.iter().map(Argument::positional);
        let named = self.named.iter().map(|(name, value)| Argument::named(name, value));
        Arguments::Text(positional.chain(named).collect())
    }

    /// True when the input is given in the contract's own encoding.
    pub(super) const fn is_raw(&self) -> bool {
        self.input_hex.is_some()
    }

    /// Who sends it, with what.
    pub(super) fn sender(&self, config: &Config) -> Result<Sender, Usage> {
        let limit = config.limits.gas.unwrap_or(Limits::default().gas.get());
        if let Some(gas) = self.gas.filter(|gas| *gas > limit) {
            let told = format!(
                "--gas {gas} is above the limit of {limit}; raise vm.limits.gas in the configuration, or ask for less"
            );
            return Err(Usage(told));
        }
        Ok(Sender { value: self.value, gas: self.gas.map(Gas::new), ..self.from.sender() })
    }
}

impl From {
    /// Who sends it, with nothing.
    pub(super) fn sender(&self) -> Sender {
        Sender { caller: self.caller, endorsers: self.endorsers.clone(), ..Sender::default() }
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

fn hex_bytes(text: &str) -> Result<HexBytes, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    hex::decode(digits).map(HexBytes).map_err(|error| format!("not hexadecimal: {}", error.to_string().to_lowercase()))
}
