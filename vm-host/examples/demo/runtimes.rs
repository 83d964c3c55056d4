//! The same token for each runtime.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use vm_core::{Code, ContractName, RuntimeKind};

/// A runtime with its two versions of the token.
#[derive(Debug)]
pub(crate) struct Column {
    /// The runtime.
    pub(crate) kind: RuntimeKind,
    /// What the token is called there.
    pub(crate) name: ContractName,
    /// The first version.
    pub(crate) v1: Code,
    /// The second version, which can burn.
    pub(crate) v2: Code,
}

impl Column {
    /// A method as this runtime's contract spells it: Solidity has its own habit.
    pub(crate) fn spelling(&self, method: &str) -> String {
        if self.kind != RuntimeKind::Evm {
            return method.to_owned();
        }
        let mut words = method.split('_');
        let first = words.next().unwrap_or_default().to_owned();
        words.fold(first, |name, word| {
            let (initial, rest) = word.split_at(word.len().min(1));
            name + &initial.to_uppercase() + rest
        })
    }
}

/// All runtimes that take part.
pub(crate) fn columns(artifacts: &Path, containers: bool) -> Result<Vec<Column>> {
    let read = |file: &str| {
        let path = artifacts.join(file);
        fs::read(&path).with_context(|| format!("cannot read {}; build it with: cargo xtask contracts", path.display()))
    };
    let text = |file: &str| read(file).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let column = |kind: RuntimeKind, v1: Code, v2: Code| -> Result<Column> {
        Ok(Column { kind, name: ContractName::new(&format!("token-{kind}"))?, v1, v2 })
    };
    let mut columns = vec![
        column(
            RuntimeKind::Native,
            Code::new(RuntimeKind::Native, "token"),
            Code::new(RuntimeKind::Native, "token-v2"),
        )?,
        column(
            RuntimeKind::Wasm,
            Code::new(RuntimeKind::Wasm, read("token-v1.wasm")?),
            Code::new(RuntimeKind::Wasm, read("token-v2.wasm")?),
        )?,
        column(
            RuntimeKind::Evm,
            Code::new(RuntimeKind::Evm, read("token-v1.bin")?).with_abi(text("token-v1.abi.json")?),
            Code::new(RuntimeKind::Evm, read("token-v2.bin")?).with_abi(text("token-v2.abi.json")?),
        )?,
    ];
    if containers {
        columns.push(column(
            RuntimeKind::Docker,
            Code::new(RuntimeKind::Docker, read("token-v1.elf")?),
            Code::new(RuntimeKind::Docker, read("token-v2.elf")?),
        )?);
    }
    Ok(columns)
}
