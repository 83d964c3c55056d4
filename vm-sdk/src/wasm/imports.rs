//! The functions that the host gives to a module, as `docs/wasm-abi.md` numbers and names them.
//!
//! All of them are safe to call: the host checks that what it is given lies inside the module's memory. That the pointers
//! are to what is meant is [`host`](super::host)'s duty.
#![allow(unsafe_code, reason = "functions of another module are declared so")]

#[link(wasm_import_module = "vm1")]
unsafe extern "C" {
    pub(super) safe fn method(to: *mut u8);
    pub(super) safe fn input(to: *mut u8);
    pub(super) safe fn output(from: *const u8, length: usize);
    pub(super) safe fn get(key: *const u8, key_length: usize, to: *mut u8, capacity: usize) -> i64;
    pub(super) safe fn result(to: *mut u8);
    pub(super) safe fn put(key: *const u8, key_length: usize, value: *const u8, value_length: usize);
    pub(super) safe fn delete(key: *const u8, key_length: usize);
    pub(super) safe fn scan(
        start: *const u8,
        start_length: usize,
        end: *const u8,
        end_length: usize,
        limit: u32,
    ) -> i64;
    pub(super) safe fn emit(topic: *const u8, topic_length: usize, data: *const u8, data_length: usize);
    #[allow(clippy::too_many_arguments, reason = "the ABI's")]
    pub(super) safe fn call(
        to: *const u8,
        to_length: usize,
        method: *const u8,
        method_length: usize,
        input: *const u8,
        input_length: usize,
        value: *const u8,
        gas: u64,
        flags: u32,
    ) -> i64;
    pub(super) safe fn env(to: *mut u8);
    pub(super) safe fn gas_left() -> u64;
    pub(super) safe fn log(level: u32, from: *const u8, length: usize);
    pub(super) safe fn address_of(name: *const u8, name_length: usize, to: *mut u8);
    pub(super) safe fn abort(reason: u32) -> !;
}
