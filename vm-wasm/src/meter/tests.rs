//! Instrumented modules do what the plain ones do, and their gas depends on nothing but the module and its input.

use proptest::prelude::*;
use vm_core::GasSchedule;
use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{CodeSection, ConstExpr, GlobalSection, GlobalType, Instruction, ValType};
use wasmi::errors::HostError;
use wasmi::{Caller, Error, Func, Instance, Module, Store, StoreLimitsBuilder, TrapCode, Val};

use super::{Bounds, CALL, Instrumented, MEMORY, Prices, instrument, word};
use crate::abi::import::{BY_ITSELF, Op};
use crate::gate::{self, GateConfig, ShapeLimits};

pub(super) const PLENTY: u64 = 1 << 60;

/// What can be seen of a run: the status or trap, and the memory that is left.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seen {
    pub(super) result: Result<i32, Ended>,
    /// Unknown when the start function trapped, which a plain module runs while it is instantiated.
    pub(super) memory: Option<Vec<u8>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Trap(TrapCode),
    OutOfGas,
    StackOverflow,
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

impl HostError for Ended {}

fn ended(error: &Error) -> Ended {
    error
        .downcast_ref::<Ended>()
        .copied()
        .unwrap_or_else(|| Ended::Trap(error.as_trap_code().unwrap_or_else(|| panic!("{error}"))))
}

fn engine() -> wasmi::Engine {
    let mut config = wasmi::Config::default();
    config.set_max_recursion_depth(100_000).set_max_stack_height(64 << 20);
    wasmi::Engine::new(&config)
}

fn plain(wasm: &[u8]) -> Seen {
    let engine = engine();
    let module = Module::new(&engine, wasm).unwrap();
    // The same bounds as the types of the instrumented module have.
    let limits = StoreLimitsBuilder::new().memory_size(16 << 16).table_elements(16_384).build();
    let mut store = Store::new(&engine, limits);
    store.limiter(|limits| limits);
    let instance = match Instance::new(&mut store, &module, &[]) {
        Ok(instance) => instance,
        Err(error) => return Seen { result: Err(ended(&error)), memory: None },
    };
    let entry = instance.get_typed_func::<(i32, i32, i32), i32>(&store, "vm_call").unwrap();
    let result = entry.call(&mut store, (1, 2, 3)).map_err(|error| ended(&error));
    let memory = instance.get_memory(&store, "memory").unwrap().data(&store).to_vec();
    Seen { result, memory: Some(memory) }
}

/// The host's side of the gas, in its simplest form.
#[derive(Debug)]
struct Tank {
    left: u64,
    given: i64,
    stack: i64,
    slice: u64,
}

impl Tank {
    fn settle(&mut self, word: i64) -> Result<(), Ended> {
        let (gas, stack) = word::split(word);
        self.stack = stack;
        let used = u64::try_from(self.given - gas).expect("gas never grows");
        self.given = gas;
        self.left = self.left.checked_sub(used).ok_or(Ended::OutOfGas)?;
        Ok(())
    }

    fn give(&mut self) -> i64 {
        self.given = self.left.min(self.slice).min(1 << 40) as i64;
        word::join(self.given, self.stack)
    }
}

pub(super) fn metered(module: &Instrumented, budget: u64, slice: u64) -> (Seen, u64) {
    let engine = engine();
    let compiled = Module::new(&engine, &module.bytes).unwrap();
    let mut store = Store::new(&engine, Tank { left: budget, given: 0, stack: 0, slice });
    let op = |mut caller: Caller<'_, Tank>,
              full: i32,
              _: i32,
              _: i32,
              _: i32,
              _: i32,
              op: i32,
              gas: i64|
     -> Result<(i64, i64), Error> {
        if op == Op::Grow as i32 {
            return Ok((BY_ITSELF, gas));
        }
        let tank = caller.data_mut();
        tank.settle(gas).map_err(Error::host)?;
        if full != 0 {
            return Err(Error::host(Ended::StackOverflow));
        }
        Ok((0, tank.give()))
    };
    let op = Func::wrap(&mut store, op);
    let instance = Instance::new(&mut store, &compiled, &[op.into()]).unwrap();
    let entry = instance.get_func(&store, CALL).unwrap();
    let gas = store.data_mut().give();
    let mut results = [Val::I32(0), Val::I64(0)];
    let operands = [Val::I32(1), Val::I32(2), Val::I32(3), Val::I64(gas)];
    let result = entry.call(&mut store, &operands, &mut results).map_err(|error| ended(&error));
    let result = result.and_then(|()| match results {
        [Val::I32(status), Val::I64(gas)] => store.data_mut().settle(gas).map(|()| status),
        _ => panic!("{results:?}"),
    });
    let used = if result.is_ok() { budget - store.data().left } else { budget };
    let memory = instance.get_memory(&store, MEMORY).unwrap().data(&store).to_vec();
    (Seen { result, memory: Some(memory) }, used)
}

fn gate_config() -> GateConfig {
    GateConfig { shape: ShapeLimits::default(), memory_pages: 16, stack_units: 60_000, floats: true, contract: true }
}

pub(super) fn rewrite(wasm: &[u8]) -> Instrumented {
    let checked = gate::check(wasm, &gate_config()).unwrap_or_else(|rejection| panic!("{rejection}"));
    let bounds = Bounds { memory_pages: 16, table_entries: 16_384, stack_units: 60_000 };
    instrument(&checked, &Prices::new(&GasSchedule::v1().wasm), &bounds).unwrap()
}

/// A module for each budget from nothing to enough: it ends exactly when its gas does, however the gas is sliced.
#[test]
fn every_budget() {
    let wat = r#"(module (memory (export "memory") 1)
        (func $fib (param i32) (result i32)
            (if (result i32) (i32.lt_u (local.get 0) (i32.const 2))
                (then (local.get 0))
                (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1))) (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
        (func (export "vm_call") (param i32 i32 i32) (result i32) (local $n i32)
            (loop $l
                (i32.store8 (local.get $n) (call $fib (local.get $n)))
                (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 5))))
            (i32.const 7)))"#;
    let module = rewrite(&wat::parse_str(wat).unwrap());
    let (seen, enough) = metered(&module, PLENTY, PLENTY);
    assert_eq!(seen.result, Ok(7));
    assert_eq!(seen.memory.unwrap()[..5], [0, 1, 1, 2, 3]);
    assert!(enough > 200, "{enough}");
    for budget in 0..enough + 5 {
        let expected = if budget < enough { Err(Ended::OutOfGas) } else { Ok(7) };
        for slice in [1, 17, 100, PLENTY] {
            let (seen, used) = metered(&module, budget, slice);
            assert_eq!((seen.result, used), (expected, budget.min(enough)), "budget {budget}, slice {slice}");
        }
    }
}

/// Loops with results and operands, ways out of every kind, recursion with much to do after it, directly and by the table.
#[test]
fn every_shape_of_control() {
    let tail = "(block (br_if 0 (i64.eqz (local.get $sum))) (local.set $sum (i64.add (local.get $sum) (i64.const 1))))"
        .repeat(150);
    let wat = format!(
        r#"(module (memory (export "memory") 1) (table 2 funcref) (elem (i32.const 0) $down $pair) (type $down (func (param i32) (result i64)))
        (func $down (type $down) (local $sum i64)
            (if (i32.eqz (local.get 0)) (then (return (i64.const 1))))
            (local.set $sum (i64.add (call $down (i32.sub (local.get 0) (i32.const 1)))
                (call_indirect (type $down) (i32.shr_u (local.get 0) (i32.const 1)) (i32.const 0))))
            {tail} (local.get $sum))
        (func $pair (param i32) (result i32 i64)
            (br_if 0 (i32.const 3) (i64.const 4) (local.get 0)) (drop) (drop)
            (i32.const 5) (i64.const 6) (br_table 0 0 (local.get 0)))
        (func $loops (param $n i32) (result i32)
            (loop $l (result i32)
                (local.set $n (i32.sub (local.get $n) (i32.const 1)))
                (br_if $l (i32.gt_s (local.get $n) (i32.const 40)))
                (local.get $n))
            (loop $l (param i32) (result i32) (i32.const 1) (i32.sub) (br_if $l (i32.gt_s (local.tee $n) (i32.const 30)) (local.get $n)) (drop) (local.get $n))
            (block $out (param i32) (result i32)
                (loop $l (param i32) (result i32)
                    (br_if $out (i32.lt_s (local.tee $n (i32.sub (i32.const 1))) (i32.const 20)) (local.get $n))
                    (br $l)))
            (block $a (block $b (loop $l (br_table $l $a $b (i32.and (local.tee $n (i32.sub (local.get $n) (i32.const 1))) (i32.const 3))))))
            (i32.add (local.get $n)))
        (func (export "vm_call") (param i32 i32 i32) (result i32)
            (i64.store (i32.const 0) (call $down (i32.const 9)))
            (i64.store (i32.const 8) (call $pair (local.get 0))) (i32.store (i32.const 16))
            (call $pair (i32.const 0)) (i64.store offset=24 (i32.const 0) (i64.const 1)) (drop) (drop)
            (call $loops (i32.const 90))))"#
    );
    let wasm = wat::parse_str(&wat).unwrap();
    let (module, expected) = (rewrite(&wasm), plain(&wasm));
    let (seen, enough) = metered(&module, PLENTY, PLENTY);
    assert_eq!(seen, expected);
    for budget in (0..enough).step_by(997).chain([enough - 1, enough]) {
        let expected = if budget < enough { Err(Ended::OutOfGas) } else { seen.result };
        for slice in [1, 90, 5_000, PLENTY] {
            let (seen, used) = metered(&module, budget, slice);
            assert_eq!((seen.result, used), (expected, budget), "budget {budget}, slice {slice}");
        }
    }
}

/// A check whose failure is a trap costs what it does where it does not fail, though no region ends at it.
#[test]
fn checks_that_trap() {
    let wat = |value: u32| {
        format!(
            r#"(module (memory (export "memory") 1) (func $panic unreachable) (func (export "vm_call") (param i32 i32 i32) (result i32)
                (block $failed
                    (br_if $failed (i32.gt_u (i32.const {value}) (i32.const 1)))
                    (br_if $failed (i32.gt_u (i32.const {value}) (i32.const 0)))
                    (return (i32.const 6)))
                (call $panic) unreachable))"#
        )
    };
    for (value, expected, gas) in
        [(0, Ok(6), 1 + 4 + 4 + 2), (1, Err(Ended::Trap(TrapCode::UnreachableCodeReached)), PLENTY)]
    {
        let wasm = wat::parse_str(wat(value)).unwrap();
        let module = rewrite(&wasm);
        let (seen, used) = metered(&module, PLENTY, 100);
        assert_eq!((seen.result, used), (expected, gas), "{value}");
        assert_eq!(plain(&wasm).result, expected, "{value}");
    }
}

/// Where the chain of functions that do not count is too long to be set aside, all functions count.
#[test]
fn a_long_chain_counts() {
    let chain: String = (1..60)
        .map(|index| {
            format!(
                "(func $f{index} (param i32) (local i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64)
        (if (i32.ne (local.get 0) (i32.const {index})) (then (call $f{} (local.get 0)))))",
                index + 1
            )
        })
        .collect();
    for (depth, expected) in [(20, Ok(0)), (59, Err(Ended::StackOverflow))] {
        let wat = format!(
            r#"(module (memory (export "memory") 1) {chain} (func $f60 (param i32))
            (func (export "vm_call") (param i32 i32 i32) (result i32) (call $f1 (i32.const {depth})) (i32.const 0)))"#
        );
        let wasm = wat::parse_str(&wat).unwrap();
        let gate = GateConfig { stack_units: 1_000, ..gate_config() };
        let checked = gate::check(&wasm, &gate).unwrap();
        let module = instrument(&checked, &Prices::new(&GasSchedule::v1().wasm), &Bounds::new(&gate)).unwrap();
        assert_eq!(metered(&module, PLENTY, PLENTY).0.result, expected, "{depth}");
    }
}

#[test]
fn deep_recursion_ends_by_the_stack() {
    let wat = r#"(module (memory (export "memory") 1)
        (func $down (param i32) (result i32) (i32.add (i32.const 1) (call $down (local.get 0))))
        (func (export "vm_call") (param i32 i32 i32) (result i32) (call $down (local.get 0))))"#;
    let module = rewrite(&wat::parse_str(wat).unwrap());
    let (seen, _) = metered(&module, PLENTY, 1_000);
    assert_eq!(seen.result, Err(Ended::StackOverflow));
}

/// The stack comes back on every way out, so that a loop of calls does not use it up.
#[test]
fn the_stack_is_given_back() {
    let wat = r#"(module (memory (export "memory") 1)
        (func $early (param i32) (result i32)
            (block (br_if 1 (i32.const 5) (local.get 0)) (drop))
            (if (local.get 0) (then (return (i32.const 3))))
            (call $leaf) (i32.const 4))
        (func $leaf)
        (func (export "vm_call") (param i32 i32 i32) (result i32) (local $n i32)
            (loop $l
                (drop (call $early (i32.and (local.get $n) (i32.const 1))))
                (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 50000))))
            (i32.const 0)))"#;
    let (seen, _) = metered(&rewrite(&wat::parse_str(wat).unwrap()), PLENTY, PLENTY);
    assert_eq!(seen.result, Ok(0));
}

/// `ref.func` may name only what something declares, and the exports that do are dropped.
#[test]
fn functions_that_only_an_export_declares_can_be_named() {
    let wat = r#"(module (memory (export "memory") 1) (table 1 funcref)
        (func $entry (export "vm_call") (param i32 i32 i32) (result i32)
            (table.set (i32.const 0) (ref.func $entry)) (ref.is_null (ref.func $other)))
        (func $other (export "other")))"#;
    let (seen, _) = metered(&rewrite(&wat::parse_str(wat).unwrap()), PLENTY, 1_000);
    assert_eq!(seen.result, Ok(0));
}

/// wasmi 2.0.0 by itself takes a wrong condition for these, where the local is a number or a reference.
#[test]
fn selections_that_wasmi_does_wrongly() {
    for (condition, zero, other) in [
        ("(i32.eqz (local.get 1))", 1, 7),
        ("(i32.eq (local.get 1) (i32.const 0))", 1, 7),
        ("(i32.eq (i32.const 0) (local.get 1))", 1, 7),
        ("(i32.ne (local.get 1) (i32.const 0))", 7, 1),
        ("(i32.eqz (i32.xor (local.get 1) (i32.const 0)))", 1, 7),
        ("(block (result i32) (i32.eqz (local.get 1))) (nop)", 1, 7),
        ("(i32.eqz (local.get 1)) (local.get 2) (local.set 2)", 1, 7),
        ("(i32.wrap_i64 (i64.extend_i32_u (i32.eqz (local.get 1))))", 1, 7),
        ("(i64.eqz (i64.extend_i32_u (i32.eqz (local.get 1))))", 7, 1),
        ("(i64.eq (i64.extend_i32_u (i32.eqz (local.get 1))) (i64.const 0))", 7, 1),
        ("(i64.ne (i64.extend_i32_u (i32.eqz (local.get 1))) (i64.const 0))", 1, 7),
        ("(select (i32.eqz (local.get 1)) (i32.const 3) (i32.const 1))", 1, 7),
        ("(select (i32.const 3) (i32.eqz (local.get 1)) (i32.const 0))", 1, 7),
        ("(ref.is_null (local.get $reference))", 1, 7),
        ("(i64.eqz (i64.extend_i32_u (ref.is_null (local.get $reference))))", 7, 1),
    ] {
        for (value, expected) in [(0, zero), (5, other)] {
            let wat = format!(
                r#"(module (memory (export "memory") 1) (func $leaf) (elem declare func $leaf)
                    (func (export "vm_call") (param i32 i32 i32) (result i32) (local $reference funcref)
                        (local.set 1 (i32.const {value})) (local.set 2 (i32.const 7))
                        (if (local.get 1) (then (local.set $reference (ref.func $leaf))))
                        (i32.const 1) (local.get 2) {condition} (select) (local.set 1) (local.get 1)))"#
            );
            let (seen, _) = metered(&rewrite(&wat::parse_str(&wat).unwrap()), PLENTY, 1_000);
            assert_eq!(seen.result, Ok(expected), "{value} {condition}");
        }
    }
}

/// Whatever is in front of it, also where nothing is.
#[test]
fn every_condition_goes_through_a_local() {
    let wat = r#"(module (memory (export "memory") 1) (func (export "vm_call") (param i32 i32 i32) (result i32) (local $reference funcref)
        (local.set 1 (select (local.get 1) (i32.const 2) (i32.eqz (local.get 0))))
        (local.set 1 (select (local.get 1) (i32.const 2) (block (result i32) (i64.ne (i64.const 1) (i64.extend_i32_s (local.get 0))))))
        (local.set $reference (select (result funcref) (local.get $reference) (ref.null func) (ref.is_null (local.get $reference))))
        (local.set 1 (select (i32.const 1) (i32.const 2) (i32.const 0)))
        (unreachable) (select)))"#;
    let module = rewrite(&wat::parse_str(wat).unwrap());
    let mut selections = 0;
    for payload in wasmparser::Parser::new(0).parse_all(&module.bytes) {
        let Ok(wasmparser::Payload::CodeSectionEntry(body)) = payload else { continue };
        let ops = body.get_operators_reader().unwrap().into_iter().collect::<Result<Vec<_>, _>>().unwrap();
        for pair in ops.windows(2).filter(|pair| super::select::is_select(&pair[1])) {
            assert!(matches!(pair[0], wasmparser::Operator::LocalTee { .. }), "{ops:?}");
            selections += 1;
        }
    }
    assert_eq!(selections, 5);
}

/// Keeps wasmi 2.0.0 from doing the selections of a plain module wrongly: each condition goes through a global on its way.
struct Apart {
    global: u32,
}

impl Apart {
    fn module(wasm: &[u8]) -> Vec<u8> {
        let globals = wasmparser::Parser::new(0).parse_all(wasm).find_map(|payload| match payload {
            Ok(wasmparser::Payload::GlobalSection(section)) => Some(section.count()),
            _ => None,
        });
        let mut module = wasm_encoder::Module::new();
        let mut apart = Self { global: globals.expect("modules are made with a global") };
        apart.parse_core_module(&mut module, wasmparser::Parser::new(0), wasm).unwrap();
        module.finish()
    }
}

impl Reencode for Apart {
    type Error = std::convert::Infallible;

    fn parse_global_section(
        &mut self,
        globals: &mut GlobalSection,
        section: wasmparser::GlobalSectionReader<'_>,
    ) -> Result<(), reencode::Error> {
        reencode::utils::parse_global_section(self, globals, section)?;
        let ty = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
        globals.global(ty, &ConstExpr::i32_const(0));
        Ok(())
    }

    fn parse_function_body(
        &mut self,
        code: &mut CodeSection,
        body: wasmparser::FunctionBody<'_>,
    ) -> Result<(), reencode::Error> {
        let mut function = self.new_function_with_parsed_locals(&body)?;
        for op in body.get_operators_reader()? {
            let op = op?;
            if super::select::is_select(&op) {
                function.instruction(&Instruction::GlobalSet(self.global));
                function.instruction(&Instruction::GlobalGet(self.global));
            }
            function.instruction(&self.instruction(op)?);
        }
        code.function(&function);
        Ok(())
    }
}

/// Random modules that end by themselves, with the exports of a contract.
fn random_module(bytes: &[u8]) -> Option<Vec<u8>> {
    let shape = r#"(module (memory (export "memory") 1) (func (export "vm_call") (param i32 i32 i32) (result i32) unreachable))"#;
    let config = wasm_smith::Config {
        exports: Some(wat::parse_str(shape).unwrap()),
        allow_floats: false,
        bulk_memory_enabled: true,
        reference_types_enabled: false,
        multi_value_enabled: true,
        sign_extension_ops_enabled: true,
        saturating_float_to_int_enabled: false,
        simd_enabled: false,
        relaxed_simd_enabled: false,
        threads_enabled: false,
        tail_call_enabled: false,
        gc_enabled: false,
        exceptions_enabled: false,
        extended_const_enabled: false,
        wide_arithmetic_enabled: false,
        custom_page_sizes_enabled: false,
        custom_descriptors_enabled: false,
        memory64_enabled: false,
        shared_everything_threads_enabled: false,
        max_imports: 0,
        min_globals: 1,
        min_memories: 0,
        max_memories: 0,
        max_memory32_bytes: 4 << 16,
        max_tables: 1,
        max_table_elements: 1_000,
        max_instructions: 400,
        ..wasm_smith::Config::default()
    };
    let mut module = wasm_smith::Module::new(config, &mut arbitrary::Unstructured::new(bytes)).ok()?;
    module.ensure_termination(2_000).ok()?;
    Some(module.to_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, max_shrink_iters: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_modules_behave_as_before(bytes in proptest::collection::vec(any::<u8>(), 64..4_096), cut in 0u64..1_000) {
        let Some(wasm) = random_module(&bytes) else { return Ok(()) };
        // What the gate refuses, such as externref and segments out of bounds, is not instrumented.
        if gate::check(&wasm, &gate_config()).is_err() {
            return Ok(());
        }
        let module = rewrite(&wasm);
        let (seen, used) = metered(&module, PLENTY, PLENTY);
        let expected = plain(&Apart::module(&wasm));
        // The plain module has only the engine's bound of its stack; nothing but that may differ.
        prop_assume!(seen.result != Err(Ended::StackOverflow) && expected.result != Err(Ended::Trap(TrapCode::StackOverflow)));
        prop_assert_eq!(&seen.result, &expected.result);
        if expected.memory.is_some() {
            prop_assert!(seen.memory == expected.memory, "memory differs");
        }
        for slice in [1, 97, 10_000] {
            let (sliced, sliced_used) = metered(&module, PLENTY, slice);
            prop_assert!((&sliced, sliced_used) == (&seen, used), "slice {slice}: {:?} {sliced_used}, {:?} {used}", sliced.result, seen.result);
        }
        if seen.result.is_ok() {
            let short = used * cut / 1_000;
            prop_assert_eq!(metered(&module, short, 97).0.result, if short < used { Err(Ended::OutOfGas) } else { seen.result });
            prop_assert_eq!(metered(&module, used, 97).0.result, seen.result);
        }
    }
}
