//! Options of a deployment.

use vm_core::{Status, VmProvider};

use super::{COUNTER, FACT, RUST, contract, deploy_request, invoke, module, text, try_deploy};
use super::super::machine::machine;

/// Contracts of the first generation of the SDK take text.
#[test]
fn parameters_as_text() {
    let vm = machine();
    let old = module("", RUST, "1", FACT);
    try_deploy(&vm, "old", old.clone(), &[("params", "string")]).unwrap();
    assert_eq!(text(&vm, "old", "parameter", &[("name", "__block_height__")]), "0");
    try_deploy(&vm, "wrong", old, &[]).unwrap();
    let receipt = invoke(&vm, "wrong", "parameter", &[("name", "__block_height__")]);
    assert_eq!(receipt.status.to_string(), "trap: unreachable code executed");
    try_deploy(&vm, "new", contract(FACT), &[("params", "bytes")]).unwrap();
    assert_eq!(invoke(&vm, "new", "parameter", &[("name", "name")]).status, Status::Success);
}

#[test]
fn unknown_options() {
    let vm = machine();
    let refused = |options: &[(&str, &str)]| try_deploy(&vm, "it", contract(COUNTER), options).unwrap_err().to_string();
    assert!(refused(&[("migrate", "none")]).contains("have no option 'migrate'; they have 'params'"));
    assert!(refused(&[("params", "text")]).contains("expected params=bytes (SDK 2.0 and later, the default) or params=string"));
    let mut request = deploy_request("it", contract(COUNTER));
    request.code = request.code.with_abi("increase()");
    let error = futures_executor::block_on(vm.deploy(request)).unwrap_err().to_string();
    assert!(error.contains("deploy without an interface"), "{error}");
}
