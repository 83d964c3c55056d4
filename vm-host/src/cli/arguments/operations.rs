//! The operations that change contracts and the host: each can be done, and each can be proposed.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use vm_core::{Address, Capabilities, ContractName, Governance, Right, Rule, Version};

use super::{CallArgs, CodeArgs, From, TraceArgs};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Operation {
    /// Deploy a contract.
    Deploy {
        /// The new contract's name.
        name: ContractName,
        #[command(flatten)]
        code: CodeArgs,
        /// Its version.
        #[arg(long = "version", default_value = "1")]
        version: Version,
        #[command(flatten)]
        call: CallArgs,
        /// What it may use of its host: all, none, or some of state, calls, events and time.
        #[arg(long, value_name = "LIST", default_value = "all", hide_default_value = true)]
        capabilities: Capabilities,
        /// Show what it would do, and keep nothing of it.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        reason: Reason,
        #[command(flatten)]
        trace: TraceArgs,
    },
    /// Give a contract new code, and let it migrate its state.
    Upgrade {
        /// The contract's name.
        name: ContractName,
        #[command(flatten)]
        code: CodeArgs,
        /// The new version, one that the contract never had.
        #[arg(long = "version")]
        version: Version,
        #[command(flatten)]
        call: CallArgs,
        /// Leave out the migration that the new code has; arguments are those of the constructor then, which makes EVM code in any case. Who may is the right `skip-migration`: the host's administrators, by default.
        #[arg(long)]
        skip_migration: bool,
        /// Accept code for another runtime, which the file tells and --runtime says; it has to understand the contract's state. Not
        /// to or from EVM.
        #[arg(long)]
        change_runtime: bool,
        #[command(flatten)]
        trying: Trying,
        #[command(flatten)]
        trace: TraceArgs,
    },
    /// Have a contract's current code migrate its state, where an upgrade or rollback did not.
    Migrate {
        /// The contract's name.
        name: ContractName,
        /// The version that wrote the state, one that the contract had; `history` shows them.
        written_by: Version,
        #[command(flatten)]
        call: CallArgs,
        #[command(flatten)]
        trying: Trying,
    },
    /// Give a contract the code of an earlier version back. Its state stays as it is, unless --migrate is given.
    Rollback {
        /// The contract's name.
        name: ContractName,
        /// A version that it had; `history` shows them.
        version: Version,
        /// Let the current code migrate the state down: its migration is entered with the version to return to.
        #[arg(long)]
        migrate: bool,
        #[command(flatten)]
        call: CallArgs,
        /// Accept a version that was for another runtime.
        #[arg(long)]
        change_runtime: bool,
        #[command(flatten)]
        trying: Trying,
    },
    /// Refuse calls of a contract until it is unfrozen.
    Freeze(ChangeArgs),
    /// Accept calls of a frozen contract again.
    Unfreeze(ChangeArgs),
    /// Refuse calls of a contract for good.
    Revoke(ChangeArgs),
    /// Change who may do what with a contract.
    #[command(after_help = RULES)]
    Grant {
        /// The contract's name.
        name: ContractName,
        /// What, and who has it from now on; several are changed together or not at all. A RIGHT is upgrade, skip-migration, rollback, freeze,
        /// revoke, grant, call, or call:METHOD (an EVM method by signature, name or selector).
        #[arg(value_name = "RIGHT RULE", num_args = 1.., required_unless_present = "clear")]
        rules: Vec<String>,
        /// Take the rule of a method back, so that the one of all calls holds for it.
        #[arg(long, value_name = "METHOD")]
        clear: Vec<String>,
        #[command(flatten)]
        by: By,
    },
    /// Change who may do what with the host. For its administrators.
    #[command(after_help = RULES)]
    Govern {
        #[command(subcommand)]
        change: Govern,
    },
}

/// Whether something is only tried, and why it is done.
#[derive(Debug, Args)]
pub(in crate::cli) struct Trying {
    /// Show what it would do, and keep nothing of it.
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
    /// Compare what the contract's last calls do before and after it, so many of those that are on record.
    #[arg(long, value_name = "NUMBER", requires = "dry_run")]
    pub(in crate::cli) replay: Option<usize>,
    /// Compare the calls in this file: lines of JSON such as {"from":"alice","method":"transfer","args":["bob","5"]}.
    #[arg(long, value_name = "FILE", requires = "dry_run", conflicts_with = "replay")]
    pub(in crate::cli) calls: Option<PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) reason: Reason,
}

const RULES: &str = "\
Rules:
  anyone, nobody, owner, administrators
  callers(alice, 0x…)                  one of these
  role(auditor)                        who has the role, in any organisation
  role(auditor of org1, org2)          who has it in one of these
  quorum(2 of alice, bob, carol)       so many of these endorse it
  majority(admin)                      in more than half of the organisations with that role, somebody with it endorses it
  owner or callers(alice)              either";

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Govern {
    /// Who deploys contracts.
    Deploy {
        /// Who does.
        rule: Rule,
        #[command(flatten)]
        by: By,
    },
    /// Who governs.
    Administrators {
        /// Who does.
        rule: Rule,
        #[command(flatten)]
        by: By,
    },
    /// What policy new contracts begin with; others keep theirs.
    Contracts {
        /// upgrade, skip-migration, rollback, freeze, revoke, grant, call, or call:METHOD.
        right: Right,
        /// Who has it.
        rule: Rule,
        #[command(flatten)]
        by: By,
    },
    /// Give a role in an organisation to somebody.
    Enrol {
        #[command(flatten)]
        member: Member,
        #[command(flatten)]
        by: By,
    },
    /// Bound a contract's state, or bound it no more (without --keys and --bytes).
    Room {
        /// The contract's name.
        name: ContractName,
        /// The most keys.
        #[arg(long, requires = "bytes")]
        keys: Option<u64>,
        /// The most bytes of keys and values.
        #[arg(long, requires = "keys")]
        bytes: Option<u64>,
        #[command(flatten)]
        by: By,
    },
    /// Take a role in an organisation from somebody.
    Dismiss {
        #[command(flatten)]
        member: Member,
        #[command(flatten)]
        by: By,
    },
    /// Several changes, together or not at all.
    All {
        /// Each in quotes: "deploy RULE", "administrators RULE", "contracts RIGHT RULE", "enrol ORGANISATION ROLE ACCOUNT",
        /// "dismiss ORGANISATION ROLE ACCOUNT", "bound NAME KEYS BYTES" or "unbound NAME".
        #[arg(required = true, value_name = "CHANGE")]
        changes: Vec<Governance>,
        #[command(flatten)]
        by: By,
    },
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Member {
    /// The organisation.
    pub(in crate::cli) organisation: String,
    /// The role.
    pub(in crate::cli) role: String,
    /// A name, or 0x and 40 hex digits.
    pub(in crate::cli) account: Address,
}

/// Who does something, and why.
#[derive(Debug, Args)]
pub(in crate::cli) struct By {
    #[command(flatten)]
    pub(in crate::cli) from: From,
    #[command(flatten)]
    pub(in crate::cli) reason: Reason,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ChangeArgs {
    /// The contract's name.
    pub(in crate::cli) name: ContractName,
    #[command(flatten)]
    pub(in crate::cli) by: By,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Reason {
    /// Why, for the contract's history: at most 1024 bytes.
    #[arg(long = "reason", value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(in crate::cli) text: String,
}
