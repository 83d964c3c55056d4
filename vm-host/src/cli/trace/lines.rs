//! A call tree as JSON objects, one a line: each call when it begins and when it returns, and in between what happened inside.

use serde_json::{Value, json};
use vm_core::{CallTree, Traced, TracedCall};

use crate::cli::output::{status_name, trap, with};

/// The objects, in the order in which things happened; the last one is the transaction's.
pub(in crate::cli) fn objects(tree: &CallTree) -> impl Iterator<Item = Value> {
    let mut told = Told::default();
    for call in &tree.calls {
        told.call(call, None, 0);
    }
    let inside = tree.calls.iter().map(|call| call.gas_used.get()).fold(0, u64::saturating_add);
    told.objects.push(json!({
        "type": "transaction",
        "gas_before": tree.gas_before,
        "gas_used": tree.gas_before.get().saturating_add(inside),
        "omitted": tree.omitted,
    }));
    told.objects.into_iter()
}

#[derive(Default)]
struct Told {
    objects: Vec<Value>,
    /// Calls so far, which are numbered from 1.
    calls: u64,
}

impl Told {
    fn call(&mut self, call: &TracedCall, parent: Option<u64>, depth: u64) {
        self.calls = self.calls.saturating_add(1);
        let frame = self.calls;
        self.objects.push(json!({
            "type": "call",
            "frame": frame,
            "parent": parent,
            "depth": depth,
            "kind": call.kind,
            "caller": call.caller,
            "callee": call.callee,
            "contract": call.contract,
            "runtime": call.runtime,
            "method": call.method,
            "input": call.input,
            "value": call.value,
            "static": call.is_static,
            "gas": call.gas,
        }));
        for traced in &call.inside {
            match traced {
                Traced::Call(inner) => self.call(inner, Some(frame), depth.saturating_add(1)),
                Traced::Operation(operation) => self.objects.push(with(json!(operation), [("frame", json!(frame))])),
                Traced::Step(object) => {
                    let step = serde_json::from_str(object).unwrap_or_default();
                    self.objects.push(with(step, [("type", json!("step")), ("frame", json!(frame))]));
                }
                _ => {}
            }
        }
        self.objects.push(json!({
            "type": "return",
            "frame": frame,
            "status": status_name(&call.status),
            "trap": trap(&call.status),
            "output": call.output,
            "gas_used": call.gas_used,
            "gas_own": call.gas_own(),
            "refund": call.refund,
        }));
    }
}
