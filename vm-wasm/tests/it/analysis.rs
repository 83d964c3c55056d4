//! What is told of modules, accepted or not.

use vm_core::{Code, RuntimeKind};
use vm_wasm::{Analysis, WasmConfig, analyze, analyze_code};

fn told(text: &str) -> Analysis {
    analyze(&wat::parse_str(text).unwrap(), &WasmConfig::default())
}

const CONTRACT: &str = r#"(memory (export "memory") 2 8)
    (func $entry (export "vm_call") (param i32 i32 i32) (result i32) (i32.const 0))
    (@custom "vm.interface" "init()\nview total() -> u64")"#;

fn contract(items: &str) -> Analysis {
    told(&format!("(module {items} {CONTRACT})"))
}

#[test]
fn a_contract() {
    let analysis = contract(
        r#"(import "vm1" "get" (func (param i32 i32 i32 i32) (result i64)))
        (func $long (local i32 i64 i64) (block (loop (br_if 0 (i32.const 0)))))"#,
    );
    assert!(analysis.accepted && analysis.violations.is_empty(), "{analysis}");
    assert_eq!(analysis.abi, Some("vm1"));
    let import = &analysis.imports[0];
    assert_eq!((import.module.as_deref(), import.name.as_str(), import.kind), (Some("vm1"), "get", "function"));
    assert_eq!(import.ty.as_deref(), Some("(i32, i32, i32, i32) -> (i64)"));
    let exports: Vec<_> = analysis.exports.iter().map(|export| (export.name.as_str(), export.kind)).collect();
    assert_eq!(exports, [("memory", "memory"), ("vm_call", "function")]);
    let memory = analysis.memory.unwrap();
    assert_eq!((memory.initial, memory.maximum), (2, Some(8)));
    assert_eq!(analysis.methods, ["init()", "view total() -> u64"]);
    assert_eq!(analysis.features, [""; 0]);
    let counts = analysis.counts;
    assert_eq!((counts.functions, counts.locals, counts.nesting), (2, 3, 2));
    let largest = &analysis.largest[0];
    assert_eq!((largest.index, largest.name.as_deref(), largest.locals, largest.nesting), (1, Some("long"), 3, 2));
    // The words of the code, at the prices of the schedule: storing 20,000 + 20, preparing 50,000 + 12,800 a word.
    let words = analysis.size.div_ceil(32) as u64;
    assert_eq!(analysis.deploy.total.get(), 70_000 + 12_820 * words);
    // An instance, two functions, two pages.
    assert_eq!(analysis.call.unwrap().get(), 1_000 + 2 * 20 + 2 * 4_096);
}

/// What a machine charges is told, the interface and the options that are stored with the module included.
#[test]
fn what_is_deployed_with_it_costs_too() {
    let module = wat::parse_str(
        r#"(module (memory (export "memory") 1) (func (export "vm_call") (param i32 i32 i32) (result i32) (i32.const 0)))"#,
    );
    let code = Code::new(RuntimeKind::Wasm, module.unwrap());
    let deploy = |code: Code| analyze_code(&code, &WasmConfig::default()).deploy.total.get();
    let words = |bytes: usize| 70_000 + 12_820 * bytes.div_ceil(32) as u64;
    let (interface, size) = ("total() -> u64\n".repeat(9), code.bytes.len());
    assert_eq!(deploy(code.clone()), words(size));
    assert_eq!(deploy(code.with_abi(&*interface)), words(size + interface.len()));
}

#[test]
fn features() {
    for (items, features) in [
        ("(func (param i32) (result i32) (i32.extend8_s (local.get 0)))", &["sign-ext"][..]),
        ("(func (memory.fill (i32.const 0) (i32.const 0) (i32.const 0)))", &["bulk-memory"]),
        ("(func (result i32 i32) (i32.const 0) (i32.const 0))", &["multivalue"]),
        (r#"(global (export "g") (mut i32) (i32.const 0))"#, &["mutable-globals"]),
        ("(table 1 funcref) (func (drop (table.get 0 (i32.const 0))))", &["reference-types"]),
        ("(table 1 funcref) (func (call_indirect (i32.const 0)))", &[]),
        ("(func (drop (i32.trunc_sat_f32_s (f32.const 0))))", &["floating-point", "nontrapping-fptoint"]),
        ("(func (param f64))", &["floating-point"]),
        ("(func (drop (v128.const i32x4 0 0 0 0)))", &["simd128"]),
        ("(func (drop (i32.atomic.load (i32.const 0))))", &["atomics"]),
        ("(func $f (return_call $f))", &["tail-call"]),
        ("(tag)", &["exception-handling"]),
    ] {
        assert_eq!(contract(items).features, features, "{items}");
    }
}

/// rustc writes the index of the only table in five bytes, which engines without reference types cannot read.
#[test]
fn a_long_table_index_is_a_feature() {
    let short =
        wat::parse_str(format!("(module (table 1 funcref) (func (call_indirect (i32.const 0))) {CONTRACT})")).unwrap();
    let at = short.windows(4).position(|bytes| bytes == [0x11, 0, 0, 0x0b]).unwrap();
    let mut long = short.clone();
    long.splice(at + 2..at + 3, [0x80, 0]);
    // The body, and the section around both bodies, are one byte longer.
    let body = at - 4;
    let section = long[..body].iter().rposition(|byte| *byte == 10).unwrap() + 1;
    long[body] += 1;
    long[section] += 1;
    let analysis = analyze(&long, &WasmConfig::default());
    assert!(analysis.accepted, "{analysis}");
    assert_eq!(analysis.features, ["reference-types"]);
    assert_eq!(analyze(&short, &WasmConfig::default()).features, [""; 0]);
}

#[test]
fn everything_that_is_wrong_is_told() {
    let analysis = contract(
        r#"(import "env" "print" (func)) (func $price (drop (f64.add (f64.const 1) (f64.const 2)))) (func $area (drop (f32.const 1)))"#,
    );
    assert!(!analysis.accepted && analysis.abi.is_none() && analysis.call.is_none());
    let rules: Vec<_> = analysis.violations.iter().map(|violation| violation.rule.id()).collect();
    assert_eq!(rules, ["unknown-import", "float", "float"]);
    let violation = &analysis.violations[1];
    assert_eq!((violation.function, violation.function_name.as_deref()), (Some(1), Some("price")));
    assert_eq!((violation.operator.as_deref(), violation.offset.is_some()), (Some("f64.const"), true));

    let json: serde_json::Value = serde_json::from_str(&analysis.to_json()).unwrap();
    let violation = &json["violations"][1];
    assert_eq!((&violation["rule"], &violation["function_name"]), (&"float".into(), &"price".into()));
    assert!(violation["help"].as_str().unwrap().contains("fixed-point"), "{violation}");
    assert_eq!((&json["accepted"], &json["imports"][0]["module"]), (&false.into(), &"env".into()));

    let text = analysis.to_string();
    for want in ["refused", "unknown-import: ", "function 1 (price)", "operator   f64.const", "help       use integers"]
    {
        assert!(text.contains(want), "{want}: {text}");
    }
}

#[test]
fn interfaces_that_cannot_be_read() {
    let text = r#"(module (memory (export "memory") 1) (func (export "vm_call") (param i32 i32 i32) (result i32) (i32.const 0))
        (@custom "vm.interface" "total(: u64"))"#;
    let analysis = told(text);
    assert_eq!(analysis.violations[0].rule.id(), "interface", "{analysis}");
}

/// Whatever the bytes are, there is an answer; what is refused has a reason.
#[test]
fn cut_and_flipped_modules() {
    let whole = wat::parse_str(format!("(module (table 2 funcref) (func (loop (br 0))) {CONTRACT})")).unwrap();
    let cut = (0..whole.len()).map(|end| analyze(&whole[..end], &WasmConfig::default()));
    // Without the names, and without the interface before them, it is still a contract.
    assert_eq!(cut.filter(|analysis| analysis.accepted).count(), 2);
    for at in 0..whole.len() {
        let mut module = whole.clone();
        module[at] ^= 0xff;
        let analysis = analyze(&module, &WasmConfig::default());
        assert_eq!(analysis.accepted, analysis.violations.is_empty());
    }
}

#[test]
fn more_memory_than_need_be_is_noted() {
    let notes = |pages: u32| {
        let analysis = told(&format!(
            r#"(module (memory (export "memory") {pages}) (func (export "vm_call") (param i32 i32 i32) (result i32) (i32.const 0)))"#
        ));
        assert!(analysis.accepted, "{analysis}");
        (analysis.notes.clone(), analysis.to_string())
    };
    assert_eq!(notes(3).0, [""; 0]);
    let (notes, text) = notes(17);
    assert!(notes[0].contains("17 pages") && notes[0].contains("-zstack-size=32768"), "{notes:?}");
    assert!(text.contains(&notes[0]), "{text}");
}

/// Every call pays for the pages that a contract starts with.
#[test]
fn contracts_of_the_sdk_start_with_three_pages_or_fewer() {
    for artifact in ["probe", "token-v1", "token-v2"] {
        let file = format!("{}/../contracts/artifacts/{artifact}.wasm", env!("CARGO_MANIFEST_DIR"));
        let analysis = analyze(&std::fs::read(file).unwrap(), &WasmConfig::default());
        let pages = analysis.memory.unwrap().initial;
        assert!(pages <= 3, "{artifact} starts with {pages} pages");
    }
}
