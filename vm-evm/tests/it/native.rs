//! A native runtime whose only contract interprets its input as a script: what the tests call from and to the EVM.
//!
//! Methods: `make` deploys its input as EVM code named `made`, upgrades that to the same code, and calls it; `echo` returns the input, `refuse` reverts with it, `caller` returns the caller, `run` (and none) is a script:
//!
//! | Op | Does |
//! |---|---|
//! | `p` key value | put |
//! | `d` key | delete |
//! | `g` key | get, to the output |
//! | `e` n | emit, topic n as a word |
//! | `c` to20 value1 static1 gas8 length2 data | call with the data and no method; success and output to the output |
//! | `n` to20 length1 method length1 input | call of a method; success and output to the output |
//! | `N` to20 length1 method length1 name length1 value | the same with one value by name |
//! | `?` | revert unless the last call succeeded |
//! | `x` | revert |
//! | `o` | use up all gas |
//! | `f` | fail like a broken disk |
//! | `G` | gas left, to the output |
//! | `v` | value, to the output |

use std::sync::Arc;

use bytes::Bytes;
use vm_core::{
    Address, Amount, Call, CallRequest, Code, CodeError, Contract, ContractName, DeployRequest, Gas, Host, HostFault,
    Interface, Managed, Opaque, PrepareError, ProviderStatus, Return, RuntimeKind, RuntimeProvider, Stop,
    UpgradeRequest,
};

pub struct NativeRuntime;

#[async_trait::async_trait]
impl RuntimeProvider for NativeRuntime {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Native
    }

    fn verify(&self, _: &Code) -> Result<(), CodeError> {
        Ok(())
    }

    async fn prepare(&self, _: &Code) -> Result<Arc<dyn Contract>, PrepareError> {
        Ok(Arc::new(Scripted))
    }

    fn status(&self) -> ProviderStatus {
        ProviderStatus::healthy("scripted", "1")
    }
}

struct Scripted;

impl Contract for Scripted {
    fn call(&self, host: &mut dyn Host, call: &Call) -> Result<Return, HostFault> {
        let caller = host.env().caller;
        match &*call.method {
            "echo" => Ok(Return::success(call.input.clone())),
            "refuse" => Ok(Return::revert(call.input.clone())),
            "caller" => Ok(Return::success(caller.as_bytes().to_vec())),
            "make" => make(host, &call.input).or_else(Stop::into_return),
            "init" => Ok(Return::success(Bytes::new())),
            _ => run(host, &call.input).or_else(Stop::into_return),
        }
    }

    fn interface(&self) -> &dyn Interface {
        &Opaque
    }

    fn reentrant(&self) -> bool {
        true
    }
}

fn make(host: &mut dyn Host, code: &Bytes) -> Result<Return, Stop> {
    let (name, this) = (ContractName::new("made").unwrap(), host.env().this);
    let code = || Code::new(RuntimeKind::Evm, code.clone());
    let deploy = DeployRequest::new(name.clone(), "1".parse().unwrap(), code()).from(this);
    let upgrade = UpgradeRequest::new(name.clone(), "2".parse().unwrap(), code()).from(this);
    for operation in [Managed::Deploy(deploy), Managed::Upgrade(upgrade)] {
        let outcome = host.transaction().manage(&operation)?.outcome;
        if !outcome.status.is_success() {
            return Ok(Return::revert(outcome.output));
        }
    }
    Ok(Return::success(host.call(CallRequest::new(name, "", ""))?.output))
}

fn run(host: &mut dyn Host, script: &[u8]) -> Result<Return, Stop> {
    let (mut rest, mut output, mut ok) = (script, Vec::new(), true);
    let mut take = |n: usize| {
        let (head, tail) = rest.split_at(n);
        rest = tail;
        head.to_vec()
    };
    let mut left = script.len();
    while left > 0 {
        let op = take(1)[0];
        left -= 1;
        let mut next = |n: usize| {
            left -= n;
            take(n)
        };
        match op {
            b'p' => {
                let pair = next(2);
                host.put(&pair[..1], &pair[1..])?;
            }
            b'd' => host.delete(&next(1))?,
            b'g' => output.push(host.get(&next(1))?.map_or(0, |value| value[0])),
            b'e' => {
                let mut topic = vec![0; 31];
                topic.extend(next(1));
                host.emit(vec![Bytes::from(topic).into()], Bytes::new())?;
            }
            b'c' => {
                let to = Address::new(next(20).try_into().unwrap());
                let [value, is_static] = next(2).try_into().unwrap();
                let gas = u64::from_be_bytes(next(8).try_into().unwrap());
                let length = u16::from_be_bytes(next(2).try_into().unwrap());
                let mut request = CallRequest::new(to, "", next(usize::from(length)));
                request.value = Amount::from(u128::from(value));
                request.is_static = is_static == 1;
                request.gas = (gas > 0).then(|| Gas::new(gas));
                let outcome = host.call(request)?;
                ok = outcome.status.is_success();
                output.push(u8::from(ok));
                output.extend(outcome.output);
            }
            b'n' | b'N' => {
                let to = Address::new(next(20).try_into().unwrap());
                let text = |next: &mut dyn FnMut(usize) -> Vec<u8>| {
                    let length = next(1)[0];
                    next(usize::from(length))
                };
                let method = String::from_utf8(text(&mut next)).unwrap();
                let first = text(&mut next);
                let mut request = CallRequest::new(to, method, first.clone());
                if op == b'N' {
                    request.input = Bytes::new();
                    request.named = Some(vec![(String::from_utf8(first).unwrap(), text(&mut next).into())]);
                }
                let outcome = host.call(request)?;
                ok = outcome.status.is_success();
                output.push(u8::from(ok));
                output.extend(outcome.output);
            }
            b'?' if !ok => return Ok(Return::revert("the call failed")),
            b'?' => {}
            b'x' => return Ok(Return::revert("x")),
            b'o' => host.charge(Gas::MAX)?,
            b'f' => return Err(HostFault::Internal("broken disk".into()).into()),
            b'G' => output.extend(host.gas_left().get().to_be_bytes()),
            b'v' => output.extend(host.env().value.to_be_bytes()),
            other => panic!("unknown op {other}"),
        }
    }
    Ok(Return::success(output))
}
