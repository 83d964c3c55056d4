//! Violations say where they are, and one does not make another up.

use vm_core::RuntimeProvider;
use vm_wasm::{Analysis, Violation, WasmConfig, WasmRuntime, analyze};

use crate::machine::code;

const MEMORY: &str = r#"(memory (export "memory") 1)"#;
const ENTRY: &str = r#"(func (export "vm_call") (param i32 i32 i32) (result i32) (i32.const 0))"#;

/// A module and what is told of it.
fn told(text: &str) -> (Vec<u8>, Analysis) {
    let module = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let analysis = analyze(&module, &WasmConfig::default());
    (module, analysis)
}

/// The only violation of a contract with these items, and what is in the module from its offset on.
fn only(items: &str) -> (Violation, Vec<u8>) {
    let (module, analysis) = told(&format!("(module {items} {MEMORY} {ENTRY})"));
    let [violation] = &analysis.violations[..] else { panic!("{analysis}") };
    (violation.clone(), module[violation.offset.unwrap()..].to_vec())
}

#[test]
fn types_and_locals_are_found_where_they_stand() {
    for (items, rule, bytes) in [
        ("(type (func (param i32))) (type (func (result i64 f64)))", "float", &[0x60, 0, 2, 0x7e, 0x7c][..]),
        ("(type (func (param i32))) (type (func (param externref)))", "externref", &[0x60, 1, 0x6f, 0]),
        ("(func (local i32 i32 i64 v128 v128 v128))", "simd", &[3, 0x7b]),
        ("(func (local i32 f32))", "float", &[1, 0x7d]),
    ] {
        let (violation, found) = only(items);
        assert_eq!((violation.rule.id(), found.starts_with(bytes)), (rule, true), "{items}: {violation}");
    }
    let params = format!("(type (func)) (type (func (param {})))", "i32 ".repeat(65));
    let (violation, found) = only(&params);
    assert_eq!((violation.rule.id(), &found[..2]), ("param-count", &[0x60, 65][..]));
}

/// What there is too much of is counted where its section says how much there is, and everything else of the module is read
/// as it is: the functions behind many others have their own types.
#[test]
fn too_many_of_something_is_one_violation() {
    let many = |count: usize, item: &dyn Fn(usize) -> String| (0..count).map(item).collect::<String>();
    let types = many(1_024, &|n| {
        let params: String = (0..10).map(|bit| if n >> bit & 1 == 0 { "i32 " } else { "i64 " }).collect();
        format!("(type (func (param {params})))")
    });
    for (items, rule, count) in [
        (many(10_000, &|_| "(func)".into()), "function-count", 10_001),
        (types, "type-count", 1_025),
        (many(200, &|_| r#"(import "vm1" "gas_left" (func (result i64)))"#.into()), "import-count", 200),
        (many(300, &|n| format!(r#"(func (export "{n}"))"#)), "export-count", 302),
        (many(300, &|_| "(global i32 (i32.const 0))".into()), "global-count", 300),
        (many(1_025, &|_| r#"(data (i32.const 0) "")"#.into()), "segment-count", 1_025),
    ] {
        let (violation, found) = only(&items);
        assert_eq!(violation.rule.id(), rule, "{violation}");
        assert_eq!(found[..2], [count as u8 | 0x80, (count >> 7) as u8], "{violation}");
    }
}

#[test]
fn operators_that_are_too_large_are_named() {
    let targets = format!("(func (block (br_table {} (i32.const 0))))", "0 ".repeat(2_050));
    let nested = |open: &str| format!("(func {} {})", open.repeat(513), ")".repeat(513));
    for (items, rule, operator, code) in [
        (targets, "br-table-size", "br_table", 0x0e),
        (nested("(loop "), "nesting", "loop", 0x03),
        (nested("(block "), "nesting", "block", 0x02),
    ] {
        let (violation, found) = only(&items);
        assert_eq!((violation.rule.id(), violation.operator.as_deref()), (rule, Some(operator)), "{violation}");
        assert_eq!(found[0], code, "{violation}");
    }
}

/// An export or import whose type does not exist is no wrong type, but an invalid module.
#[test]
fn what_has_no_type_is_invalid() {
    let (module, _) = told(&format!("(module {MEMORY} {ENTRY})"));
    let at = module.windows(9).position(|bytes| bytes == b"\x07vm_call\0").unwrap() + 9;
    let mut beyond = module.clone();
    beyond[at] = 9;
    let analysis = analyze(&beyond, &WasmConfig::default());
    let rules: Vec<_> = analysis.violations.iter().map(|violation| violation.rule.id()).collect();
    assert_eq!(rules, ["invalid"], "{analysis}");
}

/// Names of a module direct no terminal, begin no line of their own, and are not told at any length: not in the analysis, and
/// not in the error of a deployment.
#[test]
fn names_are_told_in_a_line() {
    let evil = r"\1b[31m\07evil\e2\80\ae\0a  memory, accepted";
    let long = "x".repeat(900_000);
    let items = [
        format!(r#"(import "{evil}" "{evil}" (func))"#),
        format!(r#"(import "env" "sys_call" (func)) (import "vm1" "{evil}" (func))"#),
        format!(r#"(import "{evil}" "m" (memory 1))"#),
        format!(r#"(import "{long}" "{long}" (func))"#),
        format!(r#"(func (@name "{evil}") (export "{evil}") (drop (f32.const 1)))"#),
        format!(r#"(func (@name "{long}") (export "{long}") (drop (f32.const 1)))"#),
        format!(r#"(func (export "{evil}")) (func (export "{evil}"))"#),
        format!(r#"(@custom "vm.interface" "view {evil}(: u64)")"#),
        format!(r#"(@custom "vm.interface" "view {long}(: u64)")"#),
    ];
    for items in items {
        let (module, analysis) = told(&format!("(module {items} {MEMORY} {ENTRY})"));
        assert!(!analysis.accepted);
        let text = analysis.to_string();
        let directs = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
        assert!(!text.contains(directs), "{text:?}");
        assert!(text.lines().all(|line| !line.starts_with("  memory, accepted") && line.len() < 1_300), "{text}");
        let error = WasmRuntime::default().verify(&code(module)).unwrap_err().to_string();
        assert!(!error.contains(|c: char| c.is_control() || c == '\u{202e}') && error.len() < 2_100, "{error:?}");
    }
    let (_, analysis) = told(&format!(r#"(module (func (export "{evil}")) {MEMORY} {ENTRY})"#));
    assert_eq!(analysis.exports[0].name, r"\u{1b}[31m\u{7}evil\u{202e}\n  memory, accepted");
}
