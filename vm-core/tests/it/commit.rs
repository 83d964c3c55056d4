//! Transactions side by side have the result of some order, and receipts do not depend on threads.

use std::sync::Arc;

use futures_executor::block_on;
use vm_core::{DeployRequest, MemoryBackend, StateKey, Status, Vm, VmProvider};

use crate::script::{Scripts, invoke, name, ok, request, script};

fn counter() -> Scripts {
    Scripts::default().with("counter", |host, call| {
        let key = call.input.clone();
        if &*call.method != "init" {
            let count = host.get(&key)?.map_or(0, |value| value[0]);
            host.put(&key, &[count + 1])?;
        }
        ok()
    })
}

#[test]
fn no_update_is_lost_under_contention() {
    let vm = counter().start_with(Vm::builder().workers(4));
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let vm = vm.clone();
            std::thread::spawn(move || {
                (0..25).for_each(|_| assert_eq!(invoke(&vm, "counter", "add").status, Status::Success))
            })
        })
        .collect();
    callers.into_iter().for_each(|caller| caller.join().unwrap());
    let value = vm.view().unwrap().get(&StateKey::contract(&name("counter"), b"")).unwrap().unwrap();
    assert_eq!(value[0], 100);
    assert_eq!(vm.metrics().committed, 101);
}

#[test]
fn a_range_that_another_transaction_wrote_into_is_a_conflict() {
    // Each transaction writes one more than there are entries: without validation of ranges two would write the same key.
    let vm = Scripts::default()
        .with("list", |host, call| {
            if &*call.method != "init" {
                let entries = host.scan(b"", b"", 1000)?.len();
                host.put(&[u8::try_from(entries).unwrap()], b"x")?;
            }
            ok()
        })
        .start_with(Vm::builder().workers(4));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..20).for_each(|_| assert!(invoke(&vm, "list", "add").status.is_success())));
        }
    });
    let range = vm_core::KeyRange::contract(&name("list"), b"", b"");
    assert_eq!(vm.view().unwrap().scan(&range, 1000).unwrap().len(), 80);
}

#[test]
fn same_input_same_receipt_at_any_number_of_threads() {
    // Sixteen clients at once, each on a contract of its own: deploy, then add three times.
    let digests = |workers: usize| {
        let vm = counter().start_with(Vm::builder().workers(workers).backend(Arc::new(MemoryBackend::new())));
        let client = |n: u8| {
            let contract = format!("counter-{n}");
            let code = DeployRequest::new(name(&contract), "1".parse().unwrap(), script("counter"));
            let mut digests = vec![block_on(vm.deploy(code)).unwrap().digest()];
            digests.extend((0..2).map(|_| invoke(&vm, &contract, "add").digest()));
            digests.push(vm.invoke_sync(request(&contract, "add")).unwrap().digest());
            digests
        };
        std::thread::scope(|scope| {
            let clients: Vec<_> = (0..16)
                .map(|n| {
                    scope.spawn({
                        let client = &client;
                        move || client(n)
                    })
                })
                .collect();
            clients.into_iter().map(|client| client.join().unwrap()).collect::<Vec<_>>()
        })
    };
    assert_eq!(digests(1), digests(4));
}

#[test]
fn a_receipt_tells_the_height_it_is_part_of() {
    let vm = counter().start();
    let before = vm.view().unwrap().height();
    let receipt = invoke(&vm, "counter", "add");
    assert_eq!(receipt.height, before.next());
    assert_eq!(vm.view().unwrap().height(), before.next());
    let query = block_on(vm.query(request("counter", "init"))).unwrap();
    assert_eq!((query.height, query.writes.len()), (before.next(), 0));
}
