//! Endless loops, hogs of memory, start functions, and that nothing survives a call.

use std::sync::Arc;
use std::time::{Duration, Instant};

use vm_core::{ErrorKind, Gas, HostFault, Limits, MemoryBackend, Phase, Status, Trap};
use vm_wasm::{WasmConfig, WasmError, WasmRuntime};

use super::machine::{
    contract_with, deploy, impatient, invoke, machine, machine_over, machine_with, on_invoke, output, request, try_deploy,
};

#[test]
fn an_endless_loop_ends_by_its_gas() {
    let vm = machine();
    deploy(&vm, "it", on_invoke("", "", "(loop $l (br $l)) unreachable"));
    let receipt = vm.invoke_sync(request("it").gas(Gas::new(5_000_000))).unwrap();
    assert_eq!((receipt.status, receipt.gas_used.get()), (Status::Trap(Trap::OutOfGas), 5_000_000));
}

#[test]
fn an_endless_loop_ends_by_its_deadline() {
    let vm = machine_with(WasmConfig::default(), impatient());
    deploy(&vm, "it", on_invoke("", "", "(loop $l (br $l)) unreachable"));
    #[allow(clippy::disallowed_methods, reason = "the deadline is what is tested")]
    let started = Instant::now();
    let error = vm.invoke_sync(request("it")).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Fault(HostFault::Deadline(_))), "{error}");
    assert!(started.elapsed() < Duration::from_secs(10));
    deploy(&vm, "other", on_invoke("", "", "(i32.const 0)"));
    assert_eq!(invoke(&vm, "other").status, Status::Success, "the machine goes on");
}

#[test]
fn memory_ends_at_its_limit() {
    let mut config = WasmConfig::default();
    config.memory_limit = 10 << 16;
    let vm = machine_with(config, Limits::default());
    let body = r#"(loop $l (br_if $l (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
        (i32.store (i32.const 0) (memory.size)) (call $output (i32.const 0) (i32.const 4)) (i32.const 0)"#;
    deploy(&vm, "it", on_invoke("", "", body));
    assert_eq!(invoke(&vm, "it").output[..], 10u32.to_le_bytes());
}

/// Their own maximum, or that of all tables, whichever is lower.
#[test]
fn tables_end_at_their_limit() {
    for (table, step, end) in [("1 5 funcref", 1, 5), ("0 funcref", 1_024, 16_384)] {
        let items = format!("(table $t {table})");
        let body = format!(
            r#"(loop $l (br_if $l (i32.ne (table.grow $t (ref.null func) (i32.const {step})) (i32.const -1))))
            (i32.store (i32.const 0) (table.size $t)) (call $output (i32.const 0) (i32.const 4)) (i32.const 0)"#
        );
        let vm = machine();
        deploy(&vm, "it", on_invoke("", &items, &body));
        assert_eq!(invoke(&vm, "it").output[..], u32::to_le_bytes(end), "{table}");
    }
}

#[test]
fn asking_for_too_much_memory_is_paid_and_refused() {
    let body = r#"(i32.store (i32.const 0) (memory.grow (i32.const 65535)))
        (call $output (i32.const 0) (i32.const 4)) (i32.const 0)"#;
    assert_eq!(output("", body), (-1i32).to_le_bytes());
}

/// Growth tells the size before, or -1 beyond the bounds; new entries of a table hold what they were given.
#[test]
fn growth_is_told() {
    let items = r#"(table $t 2 20 funcref) (elem (i32.const 0) $one) (elem declare func $one) (type $v (func (result i32)))
        (func $one (result i32) (i32.const 41))"#;
    let grown = [
        "(memory.grow (local.get $i))",
        "(memory.grow (i32.const 3))",
        "(memory.size)",
        "(memory.grow (i32.const 65535))",
        "(table.grow $t (ref.func $one) (i32.const 3))",
        "(table.grow $t (ref.null func) (i32.add (local.get $i) (i32.const 4)))",
        "(table.grow $t (ref.func $one) (i32.const 12))",
        "(table.size $t)",
        "(call_indirect (type $v) (i32.const 4))",
        "(ref.is_null (table.get $t (i32.const 5)))",
        "(memory.size)",
    ];
    let store = |(index, value): (usize, &&str)| format!("(i32.store (i32.const {}) {value})", index * 4);
    let body = grown.iter().enumerate().map(store).collect::<String>();
    let body = format!("{body} (call $output (i32.const 0) (i32.const {})) (i32.const 0)", grown.len() * 4);
    let vm = machine();
    deploy(&vm, "it", on_invoke("", items, &body));
    let output = invoke(&vm, "it").output;
    let found: Vec<_> = output.chunks(4).map(|four| i32::from_le_bytes(four.try_into().unwrap())).collect();
    assert_eq!(found, [2, 2, 5, -1, 2, 5, -1, 9, 41, 1, 5]);
}

/// The start function runs in every call, metered, before the entry.
#[test]
fn start_functions() {
    let items = "(global $g (mut i32) (i32.const 1)) (func $start (global.set $g (i32.add (global.get $g) (i32.const 41)))) (start $start)";
    let body = "(i32.store (i32.const 0) (global.get $g)) (global.set $g (i32.const 9)) (call $output (i32.const 0) (i32.const 4)) (i32.const 0)";
    let vm = machine();
    deploy(&vm, "it", contract_with("", items, body));
    for _ in 0..3 {
        assert_eq!(invoke(&vm, "it").output[..], 42u32.to_le_bytes(), "globals are fresh in each call");
    }

    let endless = "(func $start (loop $l (br $l))) (start $start)";
    let module = contract_with("", endless, "(i32.const 0)");
    let vm = machine_with(WasmConfig::default(), Limits { gas: Gas::new(3_000_000), ..Limits::default() });
    let error = super::machine::try_deploy(&vm, "it", module).unwrap_err();
    assert!(error.to_string().contains("out of gas"), "{error}");
    assert!(vm.contracts().unwrap().is_empty());
}

/// Nothing that a call leaves in memory is there for the next, also when it ends with a trap.
#[test]
fn memory_is_fresh_in_each_call() {
    let body = r#"(if (i32.load (i32.const 70000)) (then (return (i32.const 1))))
        (i32.store (i32.const 70000) (i32.const 1)) (drop (memory.grow (i32.const 1))) unreachable"#;
    let vm = machine();
    deploy(&vm, "it", on_invoke("", "", body));
    for _ in 0..3 {
        let receipt = vm.invoke_sync(request("it").gas(Gas::new(100_000))).unwrap();
        assert_eq!(receipt.status, Status::Trap(Trap::Unreachable));
    }
}

/// The interpreter's dispatch must not use up the native stack: every operator that it leaves a frame for would end this test
/// with a crash. (It dispatches by tail calls, which depend on how it is compiled.)
#[test]
fn dispatch_takes_no_native_stack() {
    let items = r#"(table $t 4 funcref) (elem (i32.const 0) $leaf) (elem declare func $leaf) (type $v (func)) (global $g (mut i64) (i64.const 5))
        (func $leaf) (func $two (param i32) (result i32 i32) (local.get 0) (i32.const 3))"#;
    let binary = |ty: &str, ops: &str| -> String {
        ops.split(' ')
            .map(|op| {
                format!(
                    "(drop ({ty}.{op} ({ty}.load (i32.const 8)) (local.get ${})))\n",
                    if ty == "i32" { "a" } else { "b" }
                )
            })
            .collect()
    };
    let arithmetic = "add sub mul div_s div_u rem_s rem_u and or xor shl shr_s shr_u rotl rotr eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u";
    let body = format!(
        r#"(local $a i32) (local $b i64) (local.set $a (i32.const 3)) (local.set $b (i64.const 3))
        (loop $l
            {} {}
            (drop (i32.clz (local.get $a))) (drop (i32.ctz (local.get $a))) (drop (i32.popcnt (local.get $a))) (drop (i32.eqz (local.get $a)))
            (drop (i64.clz (local.get $b))) (drop (i64.ctz (local.get $b))) (drop (i64.popcnt (local.get $b))) (drop (i64.eqz (local.get $b)))
            (drop (i32.wrap_i64 (local.get $b))) (drop (i64.extend_i32_s (local.get $a))) (drop (i64.extend_i32_u (local.get $a)))
            (drop (i32.extend8_s (local.get $a))) (drop (i32.extend16_s (local.get $a))) (drop (i64.extend32_s (local.get $b)))
            (i32.store8 (i32.const 16) (local.get $a)) (i32.store16 (i32.const 16) (local.get $a)) (i64.store32 (i32.const 16) (local.get $b))
            (drop (i32.load8_s (i32.const 16))) (drop (i32.load16_u (i32.const 16))) (drop (i64.load32_s (i32.const 16)))
            (global.set $g (i64.add (global.get $g) (local.get $b)))
            (drop (select (local.get $a) (local.get $i) (local.get $a)))
            (call $leaf) (call_indirect (type $v) (i32.const 0)) (drop (i32.add (call $two (local.get $i))))
            (drop (memory.size)) (drop (memory.grow (i32.const 0))) (drop (table.size $t))
            (drop (memory.grow (i32.sub (local.get $a) (i32.const 3))))
            (drop (table.grow $t (ref.func $leaf) (i32.sub (local.get $a) (i32.const 3)))) (drop (table.grow $t (ref.null func) (i32.const 20000)))
            (memory.fill (i32.const 100) (i32.const 1) (i32.const 8)) (memory.copy (i32.const 100) (i32.const 104) (i32.const 8))
            (table.set $t (i32.const 1) (table.get $t (i32.const 0))) (table.fill $t (i32.const 2) (ref.null func) (i32.const 1))
            (drop (ref.is_null (ref.func $leaf)))
            (block $x (block $y (br_table $x $y (i32.and (local.get $i) (i32.const 1)))))
            (if (i32.and (local.get $i) (i32.const 1)) (then (drop (call $gas_left))))
            (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 100000))))
        (i32.const 0)"#,
        binary("i32", arithmetic),
        binary("i64", arithmetic),
    );
    let body = body.replace("(local $a i32) (local $b i64)", "");
    let module = wat_with_locals(items, &body);
    let run = move || {
        let vm = machine();
        deploy(&vm, "it", module);
        assert_eq!(invoke(&vm, "it").status, Status::Success);
    };
    std::thread::Builder::new().stack_size(1 << 20).spawn(run).unwrap().join().unwrap();
}

/// A contract with two more locals, `$a` and `$b`.
fn wat_with_locals(items: &str, body: &str) -> Vec<u8> {
    let items = format!("{items} (func $work (param $i i32) (result i32) (local $a i32) (local $b i64) {body})");
    on_invoke("", &items, "(call $work (local.get $i))")
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let mut config = WasmConfig::default();
    config.memory_limit = 1_000;
    let error = WasmRuntime::new(config).unwrap_err();
    assert_eq!(error.to_string(), "wasm: memory_limit is 1000, expected 64 KiB to 4 GiB");
    let mut config = WasmConfig::default();
    config.stack_units = 1_000_000;
    assert!(matches!(WasmRuntime::new(config), Err(WasmError::Config { setting: "stack_units", .. })));
    let mut config = WasmConfig::default();
    let mut schedule = (*config.schedule).clone();
    schedule.wasm.page = 8_193;
    config.schedule = schedule.into();
    let error = WasmRuntime::new(config).unwrap_err();
    assert_eq!(error.to_string(), "wasm: schedule, wasm.page is 8193, expected at most 8,192");
}

/// What a stricter gate refuses is callable where it was deployed before; only new code is judged.
#[test]
fn deployed_contracts_outlive_stricter_settings() {
    let mut wide = WasmConfig::default();
    wide.floats = true;
    let backend = Arc::new(MemoryBackend::new());
    let start = |config: WasmConfig| machine_over(backend.clone(), config, Limits::default());
    let floats = on_invoke("", "(func (drop (f32.add (f32.const 1) (f32.const 2))))", "(i32.const 0)");
    let large = on_invoke("", "(table 9 funcref)", "(drop (memory.grow (i32.const 7))) (i32.const 0)");
    let before = {
        let vm = start(wide);
        deploy(&vm, "floats", floats.clone());
        deploy(&vm, "large", large.clone());
        (invoke(&vm, "floats"), invoke(&vm, "large"))
    };
    assert!(before.0.status.is_success() && before.1.status.is_success());

    let mut strict = WasmConfig::default();
    strict.shape.body_bytes = 1;
    strict.stack_units = 1_000;
    let vm = start(strict.clone());
    let after = (invoke(&vm, "floats"), invoke(&vm, "large"));
    assert_eq!((after.0.digest(), after.1.digest()), (before.0.digest(), before.1.digest()));
    for module in [&floats, &large] {
        assert_eq!(try_deploy(&vm, "new", module.clone()).unwrap_err().phase, Phase::Verify);
    }

    // A module that starts with more than there is now cannot run, and says so in a receipt.
    strict.shape.table_entries = 8;
    let receipt = invoke(&start(strict), "large");
    assert_eq!(receipt.status, Status::Trap(Trap::MemoryLimit));
}
