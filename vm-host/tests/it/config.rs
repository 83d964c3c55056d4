//! The configuration file: what loads, what it means in both formats, and what is told about each kind of mistake.

use std::time::Duration;

use vm_core::VmProvider;
use vm_host::config::{Docker, Isolation, Provider, State, WasmEngine};
use vm_host::{Config, ConfigError, Format};

/// The configuration that the project promises to load as it stands.
const PROMISED: &str = r#"
[[vm.providers]]            # type = native | wasm | evm | docker, enabled = true | false
type = "wasm"
enabled = true
runtime = "wasmi"           # wasmi | wasmtime | wasmer | auto
[[vm.providers]]
type = "evm"
enabled = true
version = "1.9.24"          # a geth version or a hard fork's name
[vm.limits]
memory = "1GB"
cpu = "2"
execution_timeout = "30s"
[vm.security]
enable_sandbox = true
allow_network = false
allow_file_system = false
"#;

const PROMISED_YAML: &str = r#"
vm:
  providers:
    - type: wasm
      enabled: true
      runtime: wasmi
    - type: evm
      enabled: true
      version: 1.9.24
  limits:
    memory: 1GB
    cpu: 2
    execution_timeout: 30s
  security:
    enable_sandbox: true
    allow_network: false
    allow_file_system: false
"#;

fn toml(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Format::Toml, "vm.toml")
}

fn yaml(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Format::Yaml, "vm.yaml")
}

/// What a user reads about `text`, which has to hold a mistake.
#[track_caller]
fn told(result: Result<Config, ConfigError>) -> String {
    result.expect_err("the configuration has a mistake").to_string()
}

#[test]
fn the_promised_configuration_loads_as_it_stands() {
    let config = toml(PROMISED).unwrap();
    let evm = Provider::Evm { version: Some("1.9.24".to_owned()), refuse_opcodes: Vec::new() };
    assert_eq!(config.providers, [Provider::Wasm { runtime: WasmEngine::Wasmi, floats: false }, evm]);
    assert_eq!(config.limits.memory, 1_000_000_000);
    assert_eq!(config.limits.cpu_millis, 2_000);
    assert_eq!(config.limits.execution_timeout, Duration::from_secs(30));
    assert_eq!(config.limits.gas, None);
    assert!(config.security.enable_sandbox && !config.security.allow_network && !config.security.allow_file_system);
}

#[test]
fn what_the_templates_comment_out_is_the_default() {
    for (format, marks) in [(Format::Toml, ["# gas = ", "# version = "]), (Format::Yaml, ["# gas: ", "# version: "])] {
        let mut text = Config::template(format).to_owned();
        for mark in marks {
            assert!(text.contains(mark), "{text}");
            text = text.replace(mark, &mark[2..]);
        }
        let mut told = Config::parse(&text, format, "vm.toml").unwrap();
        assert_eq!(told.limits.gas, Some(vm_core::Limits::default().gas.get()));
        let mut default = Config::default();
        (told.state, default.state) = (State::Memory, State::Memory);
        let runtimes = |config: &Config| vm_host::builder(config).build().unwrap().status().runtimes;
        assert_eq!(runtimes(&told), runtimes(&default));
    }
}

#[test]
fn containers_have_their_settings() {
    if !cfg!(feature = "docker") {
        eprintln!("skipped: needs the feature docker");
        return;
    }
    let text = |keys: &str| format!("[[vm.providers]]\ntype = \"docker\"\n{keys}\n");
    let set = "managed = true\nfolder = \"/c\"\npool_min = 0\npool_max = 2\npool_idle = \"5s\"\npool_queue = 1\n\
               pool_wait = \"1s\"\nconcurrency = 3\nisolation = \"call\"\nreplay_check = true\ntmp_size = \"1MiB\"\n\
               socket_folder = \"/s\"\nfirst_host_user = 100000\npids = 9\nstart_timeout = \"3s\"\nmax_containers = 5\n\
               images_size = \"2GiB\"\nrestart_pause = \"4s\"";
    let expected = Docker {
        managed: true,
        folder: "/c".into(),
        pool_min: 0,
        pool_max: 2,
        pool_idle: Duration::from_secs(5),
        pool_queue: 1,
        pool_wait: Duration::from_secs(1),
        concurrency: 3,
        isolation: Isolation::Call,
        replay_check: true,
        tmp_size: 1 << 20,
        socket_folder: "/s".into(),
        first_host_user: 100_000,
        pids: 9,
        start_timeout: Duration::from_secs(3),
        max_containers: 5,
        images_size: 2 << 30,
        restart_pause: Duration::from_secs(4),
        ..Docker::default()
    };
    assert_eq!(toml(&text(set)).unwrap().providers, [Provider::Docker(expected)]);
    assert!(told(toml(&text("concurrency = 65"))).contains("1 to 64 calls"));
    assert!(told(toml(&text("socket_folder = \"s\""))).contains("an absolute path"));
    assert!(told(toml(&text("first_host_user = 2147418112"))).contains("from 1 to 2147418111"));
    assert!(told(toml(&text("isolation = \"thread\""))).contains("expected \"contract\", \"call\" or \"container\""));
    assert!(told(toml(&text("pool_min = 9"))).contains("`pool_min` above `pool_max`"));
}

#[test]
fn refused_opcodes_are_names_of_opcodes() {
    let text = |list: &str| format!("[[vm.providers]]\ntype = \"evm\"\nrefuse_opcodes = {list}\n");
    let config = toml(&text(r#"["SELFDESTRUCT", "callcode"]"#)).unwrap();
    let refuse_opcodes = vec!["SELFDESTRUCT".to_owned(), "callcode".to_owned()];
    assert_eq!(config.providers, [Provider::Evm { version: None, refuse_opcodes }]);
    assert!(told(toml(&text(r#"["SUICIDE"]"#))).contains("unknown opcode \"SUICIDE\""));
    assert!(told(toml(&text("\"SELFDESTRUCT\""))).contains("a list of opcodes"));
}

#[test]
fn yaml_means_the_same_as_toml() {
    assert_eq!(toml(PROMISED).unwrap(), yaml(PROMISED_YAML).unwrap());
    for (t, y) in [
        ("", "# nothing\n"),
        ("[vm]\n", "vm:\n"),
        ("[vm.limits]\ncpu = 0.5\ngas = 1000\n", "vm: {limits: {cpu: 0.5, gas: 1000}}"),
        ("[vm.limits]\nmemory = 65536\n", "vm:\n  limits:\n    memory: 65536\n"),
        ("[vm.state]\nbackend = \"memory\"\n", "vm:\n  state: {backend: memory}\n"),
        ("[vm.state]\npath = \"/srv/vm\"\n", "vm:\n  state:\n    path: /srv/vm\n"),
    ] {
        assert_eq!(toml(t).unwrap(), yaml(y).unwrap(), "{t}");
    }
}

#[test]
fn the_templates_are_the_default_and_name_every_key() {
    for format in [Format::Toml, Format::Yaml] {
        let template = Config::template(format);
        assert_eq!(Config::parse(template, format, "vm").unwrap(), Config::default());
        // What is commented out has to be right as well: a comment that begins like a key or a table is one.
        let commented = |line: &str| {
            let rest = line.trim_start().strip_prefix("# ")?.trim_start_matches("- ").trim_start();
            let word = rest.split([' ', ':']).next()?;
            let is_key = rest.starts_with("[[")
                || [
                    "type",
                    "enabled",
                    "address",
                    "namespace",
                    "version",
                    "gas",
                    "concurrency",
                    "isolation",
                    "replay_check",
                    "tmp_size",
                    "managed",
                    "folder",
                    "socket_folder",
                    "first_host_user",
                    "pids",
                    "start_timeout",
                    "max_containers",
                    "images_size",
                    "restart_pause",
                ]
                .contains(&word)
                || word.starts_with("pool_");
            is_key.then(|| line.replacen("# ", "", 1))
        };
        let full: Vec<String> =
            template.lines().map(|line| commented(line).unwrap_or_else(|| line.to_owned())).collect();
        assert!(full.len() > 30 && full.join("\n") != template);
        match Config::parse(&full.join("\n"), format, "vm") {
            Ok(config) => {
                assert_eq!((config.limits.gas, config.providers.len()), (Some(10_000_000_000), 4));
                assert!(config.providers.contains(&Provider::Docker(Docker::default())));
            }
            Err(error) => assert!(told(Err(error)).contains("build with the cargo feature `docker`")),
        }
    }
}

#[test]
fn a_relative_data_directory_is_relative_to_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("vm.yml");
    std::fs::write(&file, "vm: {state: {path: data}}").unwrap();
    assert_eq!(Config::load(&file).unwrap().state, State::Fjall { path: folder.path().join("data") });
}

#[test]
fn an_unknown_key_is_told_with_its_place_and_what_looks_like_it() {
    assert_eq!(
        told(toml("[vm.limits]\nmemroy = \"1GB\"\n")),
        "vm.toml:2:1: unknown key `memroy`\n 2 | memroy = \"1GB\"\n   | ^^^^^^ expected `memory`, `cpu`, \
         `execution_timeout`, `gas`, `code_size`, `input_size`, `value_size` or `queue`\n   = help: did you mean `memory`?"
    );
    assert_eq!(
        told(yaml("vm:\n  limits:\n    memroy: 1GB\n")),
        "vm.yaml:3:5: unknown key `memroy`\n 3 |     memroy: 1GB\n   |     ^^^^^^ expected `memory`, `cpu`, \
         `execution_timeout`, `gas`, `code_size`, `input_size`, `value_size` or `queue`\n   = help: did you mean `memory`?"
    );
    assert!(told(toml("[limits]\nmemory = \"1GB\"\n")).contains("vm.toml:1:2: unknown key `limits`"));
    assert!(told(toml("[limits]\nmemory = \"1GB\"\n")).contains("help: it belongs under `vm`: `vm.limits`"));
}

#[test]
fn a_key_of_another_provider_is_told_apart() {
    let text = "[[vm.providers]]\ntype = \"wasm\"\nversion = \"london\"\n";
    assert_eq!(
        told(toml(text)),
        "vm.toml:3:1: unknown key `version`\n 3 | version = \"london\"\n   | ^^^^^^^ expected `type`, `enabled`, \
         `runtime` or `floats`\n   = help: only a provider of type \"evm\" has it"
    );
}

#[test]
fn an_unknown_value_is_told_with_the_choices() {
    let text = "[[vm.providers]]\ntype = \"wsam\"\n";
    assert_eq!(
        told(toml(text)),
        "vm.toml:2:8: unknown type \"wsam\"\n 2 | type = \"wsam\"\n   |        ^^^^^^ expected \"native\", \"wasm\", \
         \"evm\" or \"docker\"\n   = help: did you mean \"wasm\"?"
    );
    let text = "vm:\n  state:\n    backend: redb\n";
    assert_eq!(
        told(yaml(text)),
        "vm.yaml:3:14: unknown backend \"redb\"\n 3 |     backend: redb\n   |              ^^^^ expected \"fjall\" or \"memory\""
    );
}

#[test]
fn genesis_balances_are_accounts_and_amounts() {
    let text = "[vm.genesis.balances]\nalice = 7\n\"0x00000000000000000000000000000000000000ff\" = \"0x10\"\n";
    let balances = toml(text).unwrap().genesis;
    assert_eq!(balances.values().map(ToString::to_string).collect::<Vec<_>>(), ["16", "7"]);
    for (line, expected) in [
        ("alice = -1", "expected an amount from 0"),
        ("\"0x12\" = 1", "`0x12` is not an account"),
        ("\"0x44384f6e8abb9db201551d52f4e4d7e34b1cd6da\" = 1\nalice = 1", "a second balance of `alice`"),
    ] {
        let message = told(toml(&format!("[vm.genesis.balances]\n{line}\n")));
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_wrong_type_or_range_is_told_with_what_was_expected() {
    for (text, place, expected) in [
        ("[vm.limits]\nmemory = true", "2:10", "expected a size such as"),
        ("[vm.limits]\nmemory = \"-1GB\"", "2:10", "expected a size such as"),
        ("[vm.limits]\nmemory = \"1kB\"", "2:10", "expected at least 64.0 KiB"),
        ("[vm.limits]\ncpu = \"none\"", "2:7", "expected a number of processors such as"),
        ("[vm.limits]\ncpu = 0", "2:7", "expected a number of processors such as"),
        ("[vm.limits]\ncpu = \"1e3\"", "2:7", "expected a number of processors such as"),
        ("[vm.limits]\nexecution_timeout = 30", "2:21", "= help: give the unit: \"30s\""),
        ("[vm.limits]\nexecution_timeout = \"0s\"", "2:21", "expected a duration from \"1ms\" to \"1day\""),
        (
            "[vm.limits]\nexecution_timeout = \"18446744073709551615s\"",
            "2:21",
            "expected a duration from \"1ms\" to \"1day\"",
        ),
        ("[vm.limits]\nexecution_timeout = \"25h\"", "2:21", "expected a duration from \"1ms\" to \"1day\""),
        ("[vm.limits]\ngas = -5", "2:7", "expected a whole number above zero"),
        ("[vm.limits]\ngas = \"5\"", "2:7", "= help: remove the quotes"),
        ("[vm.security]\nallow_network = \"true\"", "2:17", "expected true or false\n   = help: remove the quotes"),
        ("[vm.security]\nallow_network = 1979-05-27", "2:17", "`allow_network` is a date"),
        ("vm.security = 1", "1:15", "expected a table"),
        ("vm.providers = \"wasm\"", "1:16", "expected a list of providers"),
        ("vm.providers = []", "1:16", "no provider"),
        ("vm.providers = [1]", "1:17", "expected a table"),
        ("[[vm.providers]]\nenabled = true", "1:1", "a provider without `type`"),
        ("[[vm.providers]]\ntype = \"wasm\"\nenabled = false", "1:1", "no provider is enabled"),
        ("[[vm.providers]]\ntype = \"evm\"\nversion = 1.10", "3:11", "= help: put it in quotes"),
        ("[vm.state]\nbackend = \"memory\"\npath = \"x\"", "3:8", "`path` with the backend \"memory\""),
    ] {
        let message = told(toml(text));
        assert!(message.starts_with(&format!("vm.toml:{place}: ")), "{message}");
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn every_mistake_is_told_in_the_order_of_the_file() {
    let text = "[vm.limits]\nmemory = 1.5\ncpu = []\n[vm.sate]\n";
    let ConfigError::Invalid(invalid) = toml(text).unwrap_err() else { panic!("a mistake in the text") };
    let lines: Vec<usize> = invalid.mistakes().iter().map(|mistake| mistake.line()).collect();
    assert_eq!(lines, [2, 3, 4]);
    assert_eq!(invalid.mistakes()[2].advice(), Some("did you mean `state`?"));
}

#[test]
fn a_second_provider_of_a_type_is_refused() {
    let message = told(toml("[[vm.providers]]\ntype = \"wasm\"\n[[vm.providers]]\ntype = \"wasm\"\n"));
    assert_eq!(
        message,
        "vm.toml:4:8: a second provider of type \"wasm\"; the first stands in line 2\n 4 | type = \"wasm\"\n   |        \
         ^^^^^^ expected each type once"
    );
}

#[test]
fn an_engine_that_the_build_lacks_is_told_with_its_feature() {
    let engines = [
        ("wasmtime", "wasmtime", cfg!(feature = "wasmtime")),
        ("wasmer", "wasmer", cfg!(feature = "wasmer")),
        ("auto", "wasmtime", cfg!(feature = "wasmtime")),
    ];
    for (engine, feature, present) in engines {
        let text = format!("[[vm.providers]]\ntype = \"wasm\"\nruntime = \"{engine}\"\n");
        if present {
            let config = toml(&text).unwrap();
            assert!(matches!(&config.providers[..], [Provider::Wasm { runtime, .. }] if runtime.name() == engine));
            continue;
        }
        let message = told(toml(&text));
        assert!(
            message.starts_with(&format!("vm.toml:3:11: the engine \"{engine}\" is not part of this build\n")),
            "{message}"
        );
        assert!(message.contains("expected \"wasmi\""), "{message}");
        let command = format!("build with the cargo feature `{feature}`: cargo build -p vm-host --features {feature}");
        assert!(message.ends_with(&command), "{message}");
        // Switched off, it is only settings.
        toml(&format!("{text}enabled = false\n[[vm.providers]]\ntype = \"native\"\n")).unwrap();
    }
}

#[test]
fn a_provider_that_the_build_lacks_is_told_with_its_feature() {
    if cfg!(feature = "docker") {
        eprintln!("skipped: this build lacks no provider");
        return;
    }
    let message = told(toml("[[vm.providers]]\ntype = \"docker\"\n"));
    assert!(message.starts_with("vm.toml:2:8: the runtime \"docker\" is not part of this build\n"), "{message}");
    assert!(
        message.ends_with("build with the cargo feature `docker`: cargo build -p vm-host --features docker"),
        "{message}"
    );
    // Switched off, it is only settings.
    let text = "[[vm.providers]]\ntype = \"docker\"\nenabled = false\n[[vm.providers]]\ntype = \"wasm\"\n";
    assert_eq!(toml(text).unwrap().providers.len(), 1);
}

#[test]
fn an_unknown_fork_is_told_with_the_known_ones() {
    let message = told(toml("[[vm.providers]]\ntype = \"evm\"\nversion = \"atlantis\"\n"));
    assert!(
        message.starts_with("vm.toml:3:11: unknown hard fork \"atlantis\": expected one of frontier, "),
        "{message}"
    );
    assert!(toml("[[vm.providers]]\ntype = \"evm\"\nversion = \"london\"\n").is_ok());
}

#[test]
fn broken_syntax_is_told_with_its_place() {
    let message = told(toml("[vm.limits]\nmemory = \n"));
    assert!(message.starts_with("vm.toml:2:10: not valid TOML: "), "{message}");
    let message = told(toml("[vm.limits]\ncpu = 1\ncpu = 2\n"));
    assert!(message.starts_with("vm.toml:3:1: not valid TOML: duplicate key"), "{message}");
    let message = told(yaml("vm:\n  limits: [\n"));
    assert!(message.starts_with("vm.yaml:"), "{message}");
    assert!(message.contains("not valid YAML: "), "{message}");
    let message = told(yaml("vm:\n  limits:\n    cpu: 1\n    cpu: 2\n"));
    assert!(
        message.starts_with("vm.yaml:4:5: not valid YAML: duplicate mapping key `cpu` is not allowed here\n"),
        "{message}"
    );
    assert!(told(yaml("- vm\n")).contains("expected a table with the key `vm`"));
}

#[test]
fn files_that_cannot_be_read_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("vm.toml");
    assert!(told(Config::load(&missing)).starts_with(&format!("configuration: cannot read {}", missing.display())));
    let odd = folder.path().join("vm.json");
    assert!(told(Config::load(&odd)).ends_with("has no known file extension; expected .toml, .yaml or .yml"));
}

#[test]
fn the_cache_has_a_size_and_pinned_contracts() {
    let cache =
        toml("[vm.cache]\nmemory = \"1MiB\"\ndisk = false\npinned = [\"token\", \"registry\"]\n").unwrap().cache;
    assert_eq!((cache.memory, cache.disk), (1 << 20, false));
    assert_eq!(cache.pinned.iter().map(ToString::to_string).collect::<Vec<_>>(), ["token", "registry"]);
    for (line, expected) in [
        ("pinned = \"token\"", "expected a list of contracts such as"),
        ("pinned = [\"a b\"]", "2:11: \"a b\" is no contract"),
        ("memory = -1", "expected a size such as"),
        ("size = 1", "unknown key `size`"),
    ] {
        let message = told(toml(&format!("[vm.cache]\n{line}\n")));
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn quotas_bound_callers_and_contracts() {
    let config = toml(
        "[vm.quotas.caller]\nin_flight = 4\nburst = 2\nevery = \"1s\"\n[vm.quotas.contract]\ngas_per_window = 9\nwindow = \"1m\"\n",
    )
    .unwrap();
    let (caller, contract) = (config.quotas.caller, config.quotas.contract);
    assert_eq!(caller.rate, Some(vm_core::Rate { burst: 2, every: Duration::from_secs(1) }));
    assert_eq!((caller.in_flight, caller.gas_per_call), (Some(4), None));
    assert_eq!(contract.gas_per_window, Some((vm_core::Gas::new(9), Duration::from_secs(60))));
    let alone = told(yaml("vm:\n  quotas:\n    caller:\n      burst: 2\n"));
    assert!(alone.contains("only one of `burst` and `every`"), "{alone}");
}
