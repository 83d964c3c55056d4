//! The gas of every class of operators as it was pinned, for tests in debug and for `cargo xtask conformance wasm` in release.

/// One line each: the gas, a tab, and the code that uses it, in the body of a function.
pub(crate) const TABLE: &str = include_str!("pinned.txt");

/// The text of a contract with this body in its entry.
pub(crate) fn contract(body: &str) -> String {
    format!(
        r#"(module (import "vm1" "gas_left" (func $host (result i64))) (memory (export "memory") 1)
            (table 4 funcref) (elem (i32.const 0) $leaf $host) (elem declare func $leaf)
            (global $g (mut i64) (i64.const 0)) (data $d "abc") (elem $e func $leaf) (type $t (func))
            (func $leaf) (func $locals (local i64 i64 i64 i64 i64 i64 i64 i64 i64)) (func $loops (loop))
            (func (export "vm_call") (param i32 i32 i32) (result i32) {body} i32.const 0))"#
    )
}
