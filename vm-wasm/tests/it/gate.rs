//! Each rule of the gate refuses what it is against, and says where and what to do.

use vm_core::{Code, PrepareError, RuntimeKind, RuntimeProvider};
use vm_wasm::{EngineKind, Rejection, Rule, ShapeLimits, WasmConfig, WasmError, WasmRuntime};

use crate::machine::{machine, try_deploy};

fn runtime() -> WasmRuntime {
    let mut config = WasmConfig::default();
    let mut shape = ShapeLimits::default();
    shape.module_bytes = 20_000;
    shape.nesting = 20;
    config.shape = shape;
    config.memory_limit = 4 << 16;
    WasmRuntime::new(config).unwrap()
}

fn refused(module: &[u8]) -> Rejection {
    match runtime().inspect(module) {
        Err(WasmError::Rejected(rejection)) => rejection,
        other => panic!("{other:?}"),
    }
}

fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

const MEMORY: &str = r#"(memory (export "memory") 1)"#;
const ENTRY: &str = r#"(func (export "vm_call") (param i32 i32 i32) (result i32) (i32.const 0))"#;

/// A contract that is accepted but for these items.
fn with(items: &str) -> Vec<u8> {
    wat(&format!("(module {items} {MEMORY} {ENTRY})"))
}

#[test]
fn a_contract_is_accepted() {
    runtime().inspect(&with("")).unwrap();
    runtime().inspect(&with(r#"(import "vm1" "get" (func (param i32 i32 i32 i32) (result i64)))"#)).unwrap();
    // What compilers use beyond version 1 without being asked.
    runtime()
        .inspect(&with(
            "(table 2 funcref) (func $f (param i32) (result i32 i32) (memory.fill (i32.const 0) (i32.const 0) (i32.const 1))
            (i32.extend8_s (local.get 0)) (i32.const 1)) (elem (i32.const 0) $f) (global (mut i32) (i32.const 0))",
        ))
        .unwrap();
}

#[test]
fn what_is_not_a_module() {
    for (bytes, rule, why) in [
        (&b""[..], Rule::NotWasm, "the code is empty"),
        (b"hello world", Rule::NotWasm, "not a WebAssembly module"),
        (b"\x7fELF\x02\x01\x01", Rule::NotWasm, "an ELF executable"),
        (b"(module)", Rule::NotWasm, "looks like the text format"),
        (b"\n  (module)", Rule::NotWasm, "looks like the text format"),
        (b";; a contract\n(module)", Rule::NotWasm, "looks like the text format"),
        (b"0x6080604052", Rule::NotWasm, "looks like hexadecimal text"),
        (b"\0as", Rule::Truncated, "ends in its header"),
        (b"\0asm\x01\0\0", Rule::Truncated, "ends in its header"),
        (b"\0asm\x02\0\0\0", Rule::Malformed, "version of the binary format"),
        (b"\0asm\x0d\0\x01\0", Rule::Component, "a component"),
        (b"\0asm\x01\0\0\0\x01\x02\xff\xff", Rule::Malformed, "cannot be decoded"),
    ] {
        let rejection = refused(bytes);
        assert_eq!(rejection.first().rule, rule, "{rejection}");
        assert!(rejection.to_string().contains(why), "{rejection}");
    }
}

/// Cut anywhere, a module is refused: as truncated where a section is incomplete, for what is missing between sections.
#[test]
fn truncated_modules() {
    let whole = with(r#"(import "vm1" "get" (func (param i32 i32 i32 i32) (result i64)))"#);
    runtime().inspect(&whole).unwrap();
    let mut truncated = 0;
    for end in 0..whole.len() {
        let rejection = refused(&whole[..end]);
        truncated += usize::from(rejection.violations().any(|violation| violation.rule == Rule::Truncated));
    }
    assert!(truncated > whole.len() * 3 / 4, "{truncated} of {}", whole.len());
}

#[test]
fn garbage_is_refused() {
    let whole = with("(table 2 funcref) (func (loop (br 0))) (global (mut i32) (i32.const 0))");
    let runtime = runtime();
    for at in 8..whole.len() {
        for bit in 0..8 {
            let mut module = whole.clone();
            module[at] ^= 1 << bit;
            // Any answer but a panic or a fault: what is accepted can be compiled.
            let prepared = futures_executor::block_on(runtime.prepare(&Code::new(RuntimeKind::Wasm, module)));
            assert!(!matches!(prepared, Err(PrepareError::Fault(_))), "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn features() {
    for (items, rule) in [
        ("(func (drop (f32.add (f32.const 1) (f32.const 2))))", Rule::Float),
        ("(func (param f64))", Rule::Float),
        ("(func (local f32))", Rule::Float),
        ("(global f64 (f64.const 0))", Rule::Float),
        ("(func (drop (i32.trunc_sat_f32_s (f32.const 1))))", Rule::Float),
        ("(func (drop (block (result f32) unreachable)))", Rule::Float),
        ("(func (drop (v128.const i32x4 0 0 0 0)))", Rule::Simd),
        ("(func (local v128))", Rule::Simd),
        ("(func (drop (i32.atomic.load (i32.const 0))))", Rule::Threads),
        ("(func (atomic.fence))", Rule::Threads),
        ("(type (struct (field i32)))", Rule::Gc),
        ("(func (param anyref))", Rule::Gc),
        ("(func (drop (ref.i31 (i32.const 0))))", Rule::Gc),
        ("(tag)", Rule::Exceptions),
        ("(tag $t) (func (throw $t))", Rule::Exceptions),
        ("(func $f (return_call $f))", Rule::TailCall),
        ("(memory 1)", Rule::MultiMemory),
        ("(table 1 funcref) (table 1 funcref)", Rule::MultiTable),
        ("(table 1 externref)", Rule::Externref),
        ("(func (param externref))", Rule::Externref),
        ("(func (drop (ref.null extern)))", Rule::Externref),
        ("(table i64 1 funcref)", Rule::Memory64),
        ("(func (drop (i64.add128 (i64.const 0) (i64.const 0) (i64.const 0) (i64.const 0))) (drop))", Rule::Proposal),
        ("(global i32 (i32.add (i32.const 1) (i32.const 2)))", Rule::Proposal),
    ] {
        let rejection = refused(&with(items));
        assert_eq!(rejection.first().rule, rule, "{items}: {rejection}");
    }
    let memory = |ty: &str| wat(&format!(r#"(module (memory (export "memory") {ty}) {ENTRY})"#));
    assert_eq!(refused(&memory("i64 1")).first().rule, Rule::Memory64);
    assert_eq!(refused(&memory("1 2 shared")).first().rule, Rule::Threads);
    assert_eq!(refused(&memory("1 (pagesize 1)")).first().rule, Rule::Proposal);
}

#[test]
fn a_refused_operator_is_found() {
    let module = with(
        "(func $ok) (func $scale (param i32) (result i32) (i32.trunc_f64_s (f64.mul (f64.const 2) (f64.const 3))))",
    );
    let rejection = refused(&module);
    let first = rejection.first();
    assert_eq!(first.operator.as_deref(), Some("f64.const"));
    assert_eq!((first.function, first.function_name.as_deref()), (Some(1), Some("scale")));
    let offset = first.offset.unwrap();
    assert_eq!(module[offset], 0x44, "the offset is that of the operator");
    let text = rejection.to_string();
    assert_eq!(
        text,
        format!(
            "floating-point operator: f64.const in function 1 (scale) at byte {offset:#x}; use integers or fixed-point numbers, or ask the operator to admit floats (`floats = true`)"
        )
    );
}

#[test]
fn imports_and_exports() {
    for (module, rule, why) in [
        (
            with(r#"(import "env" "abort" (func))"#),
            Rule::UnknownImport,
            "`env.abort`; all imports come from the module `vm1`",
        ),
        (
            with(r#"(import "env" "_call_method" (func))"#),
            Rule::UnknownImport,
            "the import `env._call_method` is of ChainMaker's contracts in C++, which are not supported",
        ),
        (with(r#"(import "vm1" "gett" (func))"#), Rule::UnknownImport, "no import `vm1.gett`; known are method, input"),
        (with(r#"(import "vm1" "memory" (global i32))"#), Rule::ImportKind, "imports the global `vm1.memory`"),
        (
            with(r#"(import "vm1" "delete" (func (param i32)))"#),
            Rule::ImportSignature,
            "is declared as (i32) -> (), it is (i32, i32) -> ()",
        ),
        (
            wat(&format!("(module {MEMORY})")),
            Rule::MissingExport,
            "the export `vm_call`, a function (i32, i32, i32) -> (i32), is missing",
        ),
        (
            wat(&format!("(module (memory 1) {ENTRY})")),
            Rule::MissingExport,
            "the export `memory`, a memory, is missing",
        ),
        (
            wat(&format!(r#"(module {MEMORY} (global (export "vm_call") i32 (i32.const 0)))"#)),
            Rule::ExportKind,
            "is not a function",
        ),
        (wat(&format!(r#"(module (func (export "memory")) {ENTRY})"#)), Rule::ExportKind, "is not a memory"),
        (
            wat(&format!(r#"(module {MEMORY} (func (export "vm_call") (param i64)))"#)),
            Rule::ExportSignature,
            "is a function (i64) -> ()",
        ),
        (with("(@custom \"vm.interface\" \"\\ff\")"), Rule::Interface, "not UTF-8"),
        (
            with("(@custom \"vm.interface\" \"a()\") (@custom \"vm.interface\" \"b()\")"),
            Rule::Interface,
            "more than one",
        ),
    ] {
        let rejection = refused(&module);
        assert_eq!(rejection.first().rule, rule, "{rejection}");
        assert!(rejection.to_string().contains(why), "{rejection}");
    }
}

#[test]
fn shapes() {
    let many = |count: usize, item: &str| item.repeat(count);
    let list = |count: usize, item: &str| vec![item; count].join(" ");
    for (items, rule) in [
        (many(6_000, "(func)"), Rule::ModuleSize),
        ((0..1_025).map(|n| format!("(type (func (param {})))", list(n % 60, "i32"))).collect(), Rule::ModuleSize),
        (many(300, "(global i32 (i32.const 0))"), Rule::GlobalCount),
        (many(65, r#"(import "vm1" "gas_left" (func (result i64)))"#), Rule::ImportCount),
        ((0..257).map(|n| format!(r#"(func (export "{n}"))"#)).collect(), Rule::ExportCount),
        (format!("(func (param {}))", list(65, "i32")), Rule::ParamCount),
        (format!("(func (result {}) unreachable)", list(17, "i32")), Rule::ResultCount),
        (format!("(func (local {}))", list(2_049, "i32")), Rule::LocalCount),
        (format!("(func (block (br_table {} (i32.const 0))))", list(2_050, "0")), Rule::BrTableSize),
        (format!("(func {} {})", many(21, "(block "), many(21, ")")), Rule::Nesting),
        (many(1_025, r#"(data "")"#), Rule::SegmentCount),
        (r#"(data (i32.add (i32.const 1) (i32.const 1)) "a")"#.into(), Rule::Proposal),
        (r#"(data (i32.const 65535) "ab")"#.into(), Rule::SegmentBounds),
        (r#"(data (i32.const -1) "a")"#.into(), Rule::SegmentBounds),
        ("(table 1 funcref) (func $f) (elem (i32.const 1) $f)".into(), Rule::SegmentBounds),
        ("(table 16385 funcref)".into(), Rule::TableSize),
    ] {
        let rejection = refused(&with(&items));
        assert_eq!(rejection.first().rule, rule, "{rejection}");
    }
    let memory = wat(&format!(r#"(module (memory (export "memory") 5) {ENTRY})"#));
    assert_eq!(refused(&memory).first().rule, Rule::MemorySize);
}

#[test]
fn shapes_of_large_modules() {
    let default = |items: &str| match WasmRuntime::default().inspect(&with(items)) {
        Err(WasmError::Rejected(rejection)) => rejection.first().rule,
        other => panic!("{other:?}"),
    };
    assert_eq!(default(&"(func)".repeat(8_193)), Rule::FunctionCount);
    let types: String = (0u32..1_025)
        .map(|n| {
            format!(
                "(type (func (param {})))",
                (0..10).map(|bit| if n >> bit & 1 == 0 { "i32 " } else { "i64 " }).collect::<String>()
                    + &"i32 ".repeat((n / 1024) as usize)
            )
        })
        .collect();
    assert_eq!(default(&types), Rule::TypeCount);
    assert_eq!(default(&format!("(func {})", "(drop (i32.const 0))".repeat(50_000))), Rule::BodySize);
    assert_eq!(
        default(&format!("(func {})", "(drop (i32.mul (i32.const 0) (i32.const 1)))".repeat(21_000))),
        Rule::StackSize
    );
}

/// What is as large as the limits allow can be run by every engine: the gate admits nothing that one refuses.
#[test]
fn the_largest_shapes_compile() {
    let list = |count: usize, item: &str| vec![item; count].join(" ");
    for items in [
        format!("(func {} {})", "i32.const 7 ".repeat(29_000), "drop ".repeat(29_000)),
        format!("(func {} {})", "(i32.load (i32.const 1)) ".repeat(15_000), "drop ".repeat(15_000)),
        format!("(func (param {}) (result {}) {})", list(64, "i64"), list(16, "i64"), "(local.get 5) ".repeat(16)),
        format!("(func (local {}) (local.set 2047 (i64.const 1)))", list(2_048, "i64")),
        format!("(func {} (br_table {} (i32.const 3)) {})", "(block ".repeat(512), list(2_048, "511"), ")".repeat(512)),
        format!("(func (param i32) {} (br_if 0 (local.get 0)) {})", "(loop ".repeat(512), ")".repeat(512)),
        format!("(func {})", "(loop)".repeat(40_000)),
        format!("(func {})", "(loop)".repeat(20_000)).repeat(16),
        "(func)".repeat(8_191),
        format!("(table 16384 16384 funcref) (func $f) (elem (i32.const 0) {})", list(16_384, "$f")),
        (0..256).map(|n| format!("(global (mut i64) (i64.const {n}))")).collect(),
        r#"(data (i32.const 0) "x")"#.repeat(1_024),
    ] {
        let code = Code::new(RuntimeKind::Wasm, with(&items));
        for engine in EngineKind::ALL {
            let mut config = WasmConfig::default();
            config.engine = *engine;
            let prepared = futures_executor::block_on(WasmRuntime::new(config).unwrap().prepare(&code));
            assert!(prepared.is_ok(), "{items:.60} on {engine}: {:?}", prepared.err());
        }
    }
}

#[test]
fn an_invalid_module_is_refused() {
    let rejection = refused(&with("(func (result i32))"));
    assert_eq!(rejection.first().rule, Rule::Invalid);
    assert_eq!(rejection.first().function, Some(0));
    assert!(rejection.to_string().contains("type mismatch"), "{rejection}");
}

#[test]
fn everything_that_is_wrong_is_reported() {
    let module = wat(
        r#"(module (import "env" "a" (func)) (import "env" "b" (func)) (func (drop (f32.const 0))) (func (drop (f64.const 0))))"#,
    );
    let rules: Vec<_> = refused(&module).violations().map(|violation| violation.rule.id()).collect();
    assert_eq!(rules, ["unknown-import", "unknown-import", "float", "float", "missing-export", "missing-export"]);
    assert!(refused(&module).to_string().ends_with("(and 5 more)"));

    let many = refused(&with(&"(func (drop (f32.const 0)))".repeat(100)));
    assert_eq!((many.violations().count(), many.left_out()), (32, 68));
}

/// A contract of ChainMaker's in C++ is told so, and nothing else that would be wrong if it were one of another kind; what comes
/// before its imports in the module comes after it here.
#[test]
fn contracts_in_cpp_are_told_so() {
    let types: String = (1..50).map(|n| format!("(type (func (param {})))", "f64 ".repeat(n))).collect();
    for log in ["", r#"(import "env" "log_message" (func (param i32 i32)))"#] {
        let module = wat(&format!(
            r#"(module {types} (import "env" "abort" (func)) {log} (import "env" "_call_method" (func (param i32 i32) (result i32)))
                (import "env" "_fetch_response" (func (param i32 i32) (result i32)))
                (memory (export "memory") 1) (func (export "allocate") (param i32) (result i32) (i32.const 0)) (func (export "save")))"#
        ));
        let rejection = refused(&module);
        let first = rejection.first();
        assert_eq!(first.rule, Rule::UnknownImport, "{rejection}");
        assert!(first.why.contains("`env._call_method` is of ChainMaker's contracts in C++"), "{rejection}");
        assert!(rejection.violations().skip(1).all(|other| other.rule == Rule::Float), "{rejection}");
        assert_eq!((rejection.violations().count(), rejection.left_out()), (32, 18));
    }
}

/// That a module is for another host is said before what it would be told if it were for this one.
#[test]
fn imports_of_other_hosts_come_first() {
    let module = wat(r#"(module (type (func (param f64))) (import "wasi_snapshot_preview1" "fd_write" (func)))"#);
    let rules: Vec<_> = refused(&module).violations().map(|violation| violation.rule.id()).collect();
    assert_eq!(rules, ["unknown-import", "float", "missing-export", "missing-export"]);
    let first = refused(&module).first().to_string();
    assert!(first.contains("build for `--target wasm32-unknown-unknown`, not for WASI"), "{first}");
    let help = Rule::MissingExport.help();
    assert!(help.contains("vm-sdk") && help.contains("with ChainMaker's SDK"), "{help}");
}

/// What was not read is not missing.
#[test]
fn what_cannot_be_decoded_lacks_nothing() {
    let mut module = wat("(module (func))");
    module.extend([7, 3, 1, 0xff, 0xff]);
    let rejection = refused(&module);
    let rules: Vec<_> = rejection.violations().map(|violation| violation.rule).collect();
    assert!(matches!(rules[..], [Rule::Malformed | Rule::Truncated]), "{rules:?}");
}

/// The dispatcher shows the rule and the message, and keeps nothing.
#[test]
fn the_machine_refuses_with_the_rule() {
    let vm = machine();
    let error = try_deploy(&vm, "it", b"not wasm".to_vec()).unwrap_err();
    assert_eq!(error.phase, vm_core::Phase::Verify);
    assert!(error.to_string().contains("(not-wasm)"), "{error}");
    assert!(vm.contracts().unwrap().is_empty());
    let code = Code::new(RuntimeKind::Wasm, with("(func (drop (f32.const 0)))"));
    assert_eq!(runtime().verify(&code).unwrap_err().rule(), "float");
}
