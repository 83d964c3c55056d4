//! From the parsed tree to a [`Config`]: every key, its values and its default stand here.

use std::collections::BTreeMap;
use std::path::PathBuf;

use vm_core::{Address, Amount, ContractName};

use super::access;
use super::block;
use super::docker;
use super::document::{self, Node, Value};
use super::quotas;
use super::section::{Mistakes, Section, one_of, wrong_type};
use super::value;
use super::{Cache, Config, Format, Limits, Mistake, Provider, Security, State, WasmEngine};
use crate::backends;

/// The least memory a contract can work with: one WebAssembly page.
const MIN_MEMORY: u64 = 64 * 1024;
/// What every contract of this workspace can work with, of codes, inputs and values.
const MIN_SIZE: u64 = 1024;

/// Parses and checks a whole configuration, or tells everything that is wrong with it.
pub(super) fn read(text: &str, format: Format) -> Result<Config, Vec<Mistake>> {
    let entries = document::parse(text, format).map_err(|mistake| vec![mistake])?;
    let mut mistakes = Mistakes::default();
    let config = root(Section::root(&entries), &mut mistakes);
    if mistakes.0.is_empty() { Ok(config) } else { Err(mistakes.0) }
}

fn root(root: Section<'_>, mistakes: &mut Mistakes) -> Config {
    const VM: &[&str] = &["providers", "limits", "security", "state", "cache", "genesis", "access", "quotas", "block"];
    root.expect_keys(&["vm"], mistakes, |key| VM.contains(&key).then(|| format!("it belongs under `vm`: `vm.{key}`")));
    let mut config = Config::default();
    let Some(vm) = root.get("vm", mistakes, Section::of) else {
        return config;
    };
    vm.expect_keys(VM, mistakes, |_| None);
    if let Some(node) = vm.node("providers") {
        config.providers = providers(node, mistakes);
    }
    if let Some(section) = vm.get("limits", mistakes, Section::of) {
        limits(section, &mut config.limits, mistakes);
    }
    if let Some(section) = vm.get("security", mistakes, Section::of) {
        security(section, &mut config.security, mistakes);
    }
    if let Some(section) = vm.get("state", mistakes, Section::of) {
        config.state = state(section, mistakes).unwrap_or_default();
    }
    if let Some(section) = vm.get("cache", mistakes, Section::of) {
        cache(section, &mut config.cache, mistakes);
    }
    if let Some(section) = vm.get("genesis", mistakes, Section::of) {
        section.expect_keys(&["balances"], mistakes, |_| None);
        if let Some(balances) = section.get("balances", mistakes, Section::of) {
            config.genesis = genesis(balances, mistakes);
        }
    }
    if let Some(section) = vm.get("access", mistakes, Section::of) {
        access::read(section, &mut config.access, mistakes);
    }
    if let Some(section) = vm.get("quotas", mistakes, Section::of) {
        quotas::read(section, &mut config.quotas, mistakes);
    }
    if let Some(section) = vm.get("block", mistakes, Section::of) {
        block::read(section, &mut config.block, mistakes);
    }
    config
}

fn providers(node: &Node, mistakes: &mut Mistakes) -> Vec<Provider> {
    let Value::List(items) = &node.value else {
        mistakes.0.push(
            wrong_type(node, "providers", "a list of providers").help("in TOML begin each with [[vm.providers]]"),
        );
        return Vec::new();
    };
    let mut seen: Vec<(Kind, usize)> = Vec::new();
    let mut enabled = Vec::new();
    for item in items {
        let Some(section) = mistakes.note(Section::of(item, "providers")) else {
            continue;
        };
        let Some(type_node) = section.node("type") else {
            mistakes.0.push(
                Mistake::at(section.at, "a provider without `type`").expected(format!("`type` = {}", Kind::names())),
            );
            continue;
        };
        let Some(kind) = mistakes.note(value::choice(type_node, "type", &Kind::ALL)).copied() else {
            continue;
        };
        if let Some((_, line)) = seen.iter().find(|(other, _)| *other == kind) {
            let found = format!("a second provider of type \"{}\"; the first stands in line {line}", kind.name());
            mistakes.0.push(Mistake::at(type_node.at, found).expected("each type once"));
            continue;
        }
        seen.push((kind, type_node.at.line));
        section.expect_keys(kind.keys(), mistakes, |key| {
            let owner = Kind::ALL.iter().find(|(_, other)| other.keys().contains(&key))?;
            Some(format!("only a provider of type \"{}\" has it", owner.0))
        });
        let on = section.get("enabled", mistakes, value::switch).unwrap_or(true);
        let Some(provider) = provider(kind, section, on, mistakes) else {
            continue;
        };
        if !on {
            continue;
        }
        if backends::has_runtime(&provider) {
            enabled.push(provider);
        } else {
            mistakes.0.push(absent(
                type_node,
                &format!("the runtime \"{}\"", kind.name()),
                &backends::built_in(),
                kind.name(),
            ));
        }
    }
    if seen.is_empty() && mistakes.0.is_empty() {
        mistakes
            .0
            .push(Mistake::at(node.at, "no provider").expected(format!("at least one of type {}", Kind::names())));
    } else if enabled.is_empty() && mistakes.0.is_empty() {
        mistakes.0.push(Mistake::at(node.at, "no provider is enabled").expected("at least one with `enabled` = true"));
    }
    enabled
}

/// Reads the keys of one provider. Engines that this build lacks are a mistake only where they are asked for.
fn provider(kind: Kind, section: Section<'_>, on: bool, mistakes: &mut Mistakes) -> Option<Provider> {
    match kind {
        Kind::Native => Some(Provider::Native),
        Kind::Wasm => {
            let floats = section.get("floats", mistakes, value::switch).unwrap_or(false);
            let Some(node) = section.node("runtime") else {
                return Some(Provider::Wasm { runtime: WasmEngine::default(), floats });
            };
            let engines = WasmEngine::ALL.map(|engine| (engine.name(), engine));
            let runtime = *mistakes.note(value::choice(node, "runtime", &engines))?;
            if on && !backends::has_engine(runtime) {
                let built_in = WasmEngine::ALL.into_iter().filter(|engine| backends::has_engine(*engine));
                let built_in: Vec<_> = built_in.map(WasmEngine::name).collect();
                let what = format!("the engine {}", node.describe());
                mistakes.0.push(absent(node, &what, &built_in, runtime.feature()));
                return None;
            }
            Some(Provider::Wasm { runtime, floats })
        }
        Kind::Evm => {
            let version = match section.node("version") {
                None => None,
                Some(node) => {
                    let version = mistakes.note(value::text(node, "version"))?;
                    if let Err(reason) = backends::check_evm_version(version) {
                        mistakes.0.push(Mistake::at(node.at, reason));
                        return None;
                    }
                    Some(version.to_owned())
                }
            };
            let refuse_opcodes = section.get("refuse_opcodes", mistakes, opcodes).unwrap_or_default();
            Some(Provider::Evm { version, refuse_opcodes })
        }
        Kind::Docker => Some(Provider::Docker(docker::read(section, mistakes))),
    }
}

fn limits(section: Section<'_>, limits: &mut Limits, mistakes: &mut Mistakes) {
    const KEYS: &[&str] =
        &["memory", "cpu", "execution_timeout", "gas", "code_size", "input_size", "value_size", "queue"];
    section.expect_keys(KEYS, mistakes, |key| match key {
        "timeout" => Some("did you mean `execution_timeout`?".to_owned()),
        "cpus" => Some("did you mean `cpu`?".to_owned()),
        _ => None,
    });
    if let Some(memory) = section.get("memory", mistakes, |node, key| value::bytes(node, key, MIN_MEMORY)) {
        limits.memory = memory;
    }
    if let Some(cpu) = section.get("cpu", mistakes, value::millicpus) {
        limits.cpu_millis = cpu;
    }
    if let Some(timeout) = section.get("execution_timeout", mistakes, value::duration) {
        limits.execution_timeout = timeout;
    }
    limits.gas = section.get("gas", mistakes, value::positive);
    for (key, to) in [
        ("code_size", &mut limits.code_size),
        ("input_size", &mut limits.input_size),
        ("value_size", &mut limits.value_size),
    ] {
        if let Some(size) = section.get(key, mistakes, |node, key| value::bytes(node, key, MIN_SIZE)) {
            *to = size;
        }
    }
    if let Some(queue) = section.get("queue", mistakes, value::positive) {
        limits.queue = queue;
    }
}

fn security(section: Section<'_>, security: &mut Security, mistakes: &mut Mistakes) {
    section.expect_keys(&["enable_sandbox", "allow_network", "allow_file_system"], mistakes, |_| None);
    for (key, switch) in [
        ("enable_sandbox", &mut security.enable_sandbox),
        ("allow_network", &mut security.allow_network),
        ("allow_file_system", &mut security.allow_file_system),
    ] {
        if let Some(value) = section.get(key, mistakes, value::switch) {
            *switch = value;
        }
    }
}

fn state(section: Section<'_>, mistakes: &mut Mistakes) -> Option<State> {
    const BACKENDS: [(&str, bool); 2] = [("fjall", true), ("memory", false)];
    section.expect_keys(&["backend", "path"], mistakes, |_| None);
    let path = section.get("path", mistakes, value::text);
    let Some(node) = section.node("backend") else {
        return match (State::default(), path) {
            (State::Fjall { .. }, Some(path)) => Some(State::Fjall { path: PathBuf::from(path) }),
            (default, _) => Some(default),
        };
    };
    match mistakes.note(value::choice(node, "backend", &BACKENDS))? {
        true if !backends::HAS_FJALL => {
            mistakes.0.push(absent(node, "the state backend \"fjall\"", &backends::built_in(), "fjall"));
            None
        }
        true => Some(State::Fjall { path: PathBuf::from(path.unwrap_or("vm-data")) }),
        false => {
            if let (Some(_), Some(node)) = (path, section.node("path")) {
                mistakes.0.push(
                    Mistake::at(node.at, "`path` with the backend \"memory\", which has no directory")
                        .expected("`path` only with `backend` = \"fjall\""),
                );
            }
            Some(State::Memory)
        }
    }
}

fn cache(section: Section<'_>, cache: &mut Cache, mistakes: &mut Mistakes) {
    section.expect_keys(&["memory", "disk", "pinned"], mistakes, |_| None);
    if let Some(memory) = section.get("memory", mistakes, |node, key| value::bytes(node, key, 0)) {
        cache.memory = memory;
    }
    if let Some(disk) = section.get("disk", mistakes, value::switch) {
        cache.disk = disk;
    }
    if let Some(pinned) = section.get("pinned", mistakes, contracts) {
        cache.pinned = pinned;
    }
}

/// A list of contracts by their names.
fn contracts(node: &Node, key: &str) -> Result<Vec<ContractName>, Mistake> {
    let Value::List(items) = &node.value else {
        return Err(wrong_type(node, key, "a list of contracts such as [\"token\"]"));
    };
    let names = items.iter().map(|item| {
        let name = value::text(item, key)?;
        name.parse().map_err(|error| Mistake::at(item.at, format!("\"{name}\" is no contract: {error}")))
    });
    names.collect()
}

/// Balances by account: a name or an address each.
fn genesis(section: Section<'_>, mistakes: &mut Mistakes) -> BTreeMap<Address, Amount> {
    let mut balances = BTreeMap::new();
    for entry in section.entries() {
        let Ok(address) = entry.key.parse::<Address>() else {
            let found = format!("`{}` is not an account", entry.key);
            mistakes.0.push(Mistake::at(entry.at, found).expected("a name, or 0x and 40 hexadecimal digits"));
            continue;
        };
        let Some(balance) = mistakes.note(value::amount(&entry.node, &entry.key)) else {
            continue;
        };
        if balances.insert(address, balance).is_some() {
            let found = format!("a second balance of `{}`", entry.key);
            mistakes.0.push(Mistake::at(entry.at, found).expected("each account once"));
        }
    }
    balances
}

/// A list of the EVM's opcodes by their names.
fn opcodes(node: &Node, key: &str) -> Result<Vec<String>, Mistake> {
    let Value::List(items) = &node.value else {
        return Err(wrong_type(node, key, "a list of opcodes such as [\"SELFDESTRUCT\"]"));
    };
    let names = items.iter().map(|item| {
        let name = value::text(item, key)?;
        backends::check_evm_opcode(name).map_err(|reason| Mistake::at(item.at, reason))?;
        Ok(name.to_owned())
    });
    names.collect()
}

/// Something that exists, but not in this build.
fn absent(node: &Node, what: &str, built_in: &[&str], feature: &str) -> Mistake {
    Mistake::at(node.at, format!("{what} is not part of this build"))
        .expected(one_of(built_in, '"'))
        .help(format!("build with the cargo feature `{feature}`: cargo build -p vm-host --features {feature}"))
}

/// The `type` of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Native,
    Wasm,
    Evm,
    Docker,
}

impl Kind {
    const ALL: [(&str, Self); 4] =
        [("native", Self::Native), ("wasm", Self::Wasm), ("evm", Self::Evm), ("docker", Self::Docker)];

    fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Wasm => "wasm",
            Self::Evm => "evm",
            Self::Docker => "docker",
        }
    }

    fn names() -> String {
        one_of(&Self::ALL.map(|(name, _)| name), '"')
    }

    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Native => &["type", "enabled"],
            Self::Wasm => &["type", "enabled", "runtime", "floats"],
            Self::Evm => &["type", "enabled", "version", "refuse_opcodes"],
            Self::Docker => docker::KEYS,
        }
    }
}
