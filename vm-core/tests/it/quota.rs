//! What callers and contracts may ask of a host, and that it has no part in a result.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use futures_executor::block_on;
use vm_core::{
    Access, Address, Arguments, AuditEvent, Authorizer, Block, Call, Change, ChangeRequest, Denied, DeployRequest,
    DryRunRequest, Entry, Excess, Gas, GovernRequest, Governance, GrantRequest, Host, HostFault, HostPolicy,
    InvokeRequest, Measure, MigrateRequest, Observer, Phase, Quota, Quotas, Rate, Receipt, Right, RollbackRequest,
    Room, Rule, Status, Trap, Trial, UpgradeRequest, Vm, VmError, VmProvider,
};

use crate::script::{Scripts, name, ok, script};

const LONG: Duration = Duration::from_secs(3_600);

fn machine(caller: Quota, contract: Quota) -> Vm {
    scripts().start_with(Vm::builder().quotas(Quotas { caller, contract }).workers(2))
}

fn scripts() -> Scripts {
    Scripts::default().with("c", |_, _| ok()).with("d", |host, _| {
        host.charge(Gas::new(1_000))?;
        Ok(host.gas_left().to_string().into())
    })
}

fn call(contract: &str, caller: &str) -> InvokeRequest {
    InvokeRequest::new(name(contract), "run").from(Address::from_name(caller))
}

fn refused(error: &VmError) -> (&str, &str, Option<Duration>) {
    assert_eq!(error.phase, Phase::Admit);
    match error.fault() {
        Some(HostFault::Quota { who, limit, retry_after }) => (who, limit, *retry_after),
        _ => panic!("no quota: {error}"),
    }
}

#[test]
fn a_rate_refuses_with_the_time_to_wait_and_only_whom_it_is_for() {
    let rate = Rate { burst: 2, every: LONG };
    let vm = machine(Quota { rate: Some(rate), ..Quota::default() }, Quota::default());
    let ask = |caller| block_on(vm.invoke(call("c", caller)));
    assert!(ask("ann").is_ok() && ask("ann").is_ok());
    let error = ask("ann").unwrap_err();
    let (who, limit, after) = refused(&error);
    assert_eq!(who, format!("caller {}", Address::from_name("ann")));
    assert_eq!(limit, "the limit is 2 calls at once, and then one every 3600 s");
    assert!(after.is_some_and(|after| after <= LONG && after > LONG / 2));
    assert!(error.to_string().contains("; try again in 3"), "{error}");
    assert!(ask("bob").is_ok());
    // On the caller's own thread, and for queries.
    assert!(vm.invoke_sync(call("c", "ann")).is_err() && block_on(vm.query(call("c", "ann"))).is_err());
}

#[test]
fn what_runs_code_counts_for_its_caller_and_what_runs_none_gets_through() {
    let rate = Rate { burst: 5, every: LONG };
    let told = Told::default();
    let of_caller = Quota { rate: Some(rate), gas_per_call: Some(Gas::new(1)), ..Quota::default() };
    let of_contract = Quota { rate: Some(Rate { burst: 1, every: LONG }), ..Quota::default() };
    let quotas = Quotas { caller: of_caller, contract: of_contract };
    let vm = scripts().with("c-v2", |_, _| ok()).start_with(Vm::builder().quotas(quotas).observer(told.clone()));
    let ann = Address::from_name("ann");
    let deploy = |contract: &str| DeployRequest::new(name(contract), "1".parse().unwrap(), script("c")).from(ann);
    // None of them is a call, for which a unit of gas would be the limit; nor do they count for the contract.
    block_on(vm.deploy(deploy("mine"))).unwrap();
    let upgrade = UpgradeRequest::new(name("mine"), "2".parse().unwrap(), script("c-v2")).from(ann);
    block_on(vm.upgrade(upgrade.clone())).unwrap();
    block_on(vm.migrate(MigrateRequest::new(name("mine"), "1".parse().unwrap()).from(ann))).unwrap();
    let rollback = |to: &str| RollbackRequest::new(name("mine"), to.parse().unwrap()).from(ann);
    block_on(vm.rollback(rollback("1").migrate(Arguments::Raw(Default::default())))).unwrap();
    block_on(vm.dry_run(DryRunRequest::new(Trial::Deploy(deploy("other"))))).unwrap();
    for error in [
        block_on(vm.deploy(deploy("other"))).unwrap_err(),
        block_on(vm.upgrade(upgrade)).unwrap_err(),
        block_on(vm.rollback(rollback("2").migrate(Arguments::Raw(Default::default())))).unwrap_err(),
        block_on(vm.dry_run(DryRunRequest::new(Trial::Deploy(deploy("other"))))).unwrap_err(),
        block_on(vm.invoke(call("mine", "ann").gas(Gas::new(1)))).unwrap_err(),
    ] {
        assert_eq!(refused(&error).0, format!("caller {ann}"));
    }
    // Of what was refused the operations are told, as all that are.
    let told: Vec<_> = told.0.lock().unwrap().iter().filter(|line| line.contains("could not")).cloned().collect();
    let why = "admit: caller";
    for (line, what) in
        told.iter().zip(["deploy contract 'other'", "upgrade contract 'mine'", "roll back contract 'mine'"])
    {
        assert!(line.contains(what) && line.contains(why), "{line}");
    }
    assert_eq!(told.len(), 3);
    // Back to what there was.
    block_on(vm.rollback(rollback("2"))).unwrap();
    for rule in [Rule::Owner, Rule::Anyone, Rule::Owner] {
        let policy = GrantRequest::new(name("mine")).from(ann).set(Right::Call, rule);
        block_on(vm.grant(policy)).unwrap();
        block_on(vm.change(ChangeRequest::new(name("mine"), Change::Freeze).from(ann))).unwrap();
        block_on(vm.change(ChangeRequest::new(name("mine"), Change::Unfreeze).from(ann))).unwrap();
    }
}

#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Observer for Told {
    fn audit(&self, event: &AuditEvent<'_>) {
        self.0.lock().unwrap().push(event.to_string());
    }
}

/// What a quota gives is no part of the call: it is made again, and recorded, as it was asked for.
#[test]
fn the_gas_that_a_quota_gives_is_not_the_callers() {
    #[derive(Clone, Default)]
    struct Calls(Arc<Mutex<Vec<InvokeRequest>>>);
    impl Observer for Calls {
        fn audit(&self, _: &AuditEvent<'_>) {}
        fn called(&self, request: &InvokeRequest, _: &Receipt) {
            self.0.lock().unwrap().push(request.clone());
        }
    }
    let calls = Calls::default();
    let of = |gas| Quota { gas_per_call: Some(Gas::new(gas)), ..Quota::default() };
    let quotas = Quotas { caller: of(100_000), contract: of(50_000) };
    let vm = scripts().with("d-v2", |host, _| host.charge(Gas::new(200_000)).map_err(Into::into).and_then(|()| ok()));
    let vm = vm.start_with(Vm::builder().quotas(quotas).observer(calls.clone()));
    let receipt = block_on(vm.invoke(call("d", "ann"))).unwrap();
    assert_eq!((receipt.status, receipt.gas_limit), (Status::Success, Gas::new(50_000)), "the smaller of both");
    block_on(vm.invoke(call("d", "ann").gas(Gas::new(40_000)))).unwrap();
    let error = block_on(vm.invoke(call("d", "ann").gas(Gas::new(50_001)))).unwrap_err();
    assert!(refused(&error).0.starts_with("contract 0x"), "{error}");
    let calls = calls.0.lock().unwrap().clone();
    assert_eq!(calls.iter().map(|call| call.sender.gas).collect::<Vec<_>>(), [None, Some(Gas::new(40_000))]);
    let tried = block_on(vm.dry_run(DryRunRequest::new(Trial::Invoke(call("d", "ann"))))).unwrap();
    assert_eq!(tried.receipt.gas_limit, Gas::new(50_000));

    // What the new code needs is a difference in gas, and not the quota of today.
    let upgrade = UpgradeRequest::new(name("d"), "2".parse().unwrap(), script("d-v2"));
    let upgrade = DryRunRequest::new(Trial::Upgrade(upgrade.from(crate::script::owner())));
    let run = block_on(vm.dry_run(upgrade.replay(calls))).unwrap();
    let ends =
        |n: usize| [&run.replayed[n].before, &run.replayed[n].after].map(|receipt| &receipt.as_ref().unwrap().status);
    assert_eq!(ends(0), [&Status::Success, &Status::Success]);
    assert_eq!(ends(1), [&Status::Success, &Status::Trap(Trap::OutOfGas)]);
}

#[test]
fn what_a_dry_run_replays_counts_for_whom_it_is_for() {
    let window = Quota { gas_per_window: Some((Gas::new(10_000_000), LONG)), ..Quota::default() };
    let spends = |host: &mut dyn Host, _: &Call| {
        host.charge(Gas::new(100_000))?;
        ok()
    };
    let vm = scripts().with("e", spends).start_with(Vm::builder().quotas(Quotas { caller: window, contract: window }));
    let replayed: Vec<_> = (0..50).map(|n| call("e", &format!("other{n}")).gas(Gas::new(1_000_000))).collect();
    let tried = DryRunRequest::new(Trial::Invoke(call("c", "ann").gas(Gas::new(1_000_000)))).replay(replayed);
    let run = block_on(vm.dry_run(tried)).unwrap();
    // Before and after.
    assert_eq!(run.replayed.len(), 50);
    let error = block_on(vm.invoke(call("c", "ann"))).unwrap_err();
    assert!(refused(&error).1.contains("of 10000000 gas in 3600 s is used up"), "{error}");
    // Neither for those whose calls they were, nor for the contract.
    assert!(block_on(vm.invoke(call("e", "other1").gas(Gas::new(1_000_000)))).is_ok());

    // Nor are they free where the last one ends in a fault.
    let breaks = |_: &mut dyn Host, called: &Call| match called.entry {
        Entry::Invoke => Err(crate::script::Failure::Stop(HostFault::Internal("broken disk".into()).into())),
        _ => ok(),
    };
    let scripts = scripts().with("e", spends).with("f", breaks);
    let vm = scripts.start_with(Vm::builder().quotas(Quotas { caller: window, contract: window }));
    let calls = ["e", "e", "e", "e", "f"].map(|contract| call(contract, "other").gas(Gas::new(1_000_000)));
    let tried = DryRunRequest::new(Trial::Invoke(call("c", "ann").gas(Gas::new(1_000_000)))).replay(calls.to_vec());
    let error = block_on(vm.dry_run(tried)).unwrap_err();
    assert!(error.to_string().contains("broken disk"), "{error}");
    let error = block_on(vm.invoke(call("c", "ann").gas(Gas::new(1_000_000)))).unwrap_err();
    assert!(refused(&error).1.contains("of 10000000 gas in 3600 s is used up"), "{error}");
}

#[test]
fn quotas_are_not_asked_inside_a_block() {
    let rate = Rate { burst: 1, every: LONG };
    let quota = Quota { rate: Some(rate), gas_per_call: Some(Gas::new(1)), ..Quota::default() };
    let vm = machine(quota, quota);
    let block = Arc::new(Block { number: 7, ..Block::default() });
    for _ in 0..5 {
        let receipt = block_on(vm.invoke(call("c", "ann").block(block.clone()))).unwrap();
        assert_eq!(receipt.status, Status::Success);
    }
}

#[test]
fn gas_is_bounded_by_call_and_by_window() {
    let quota = Quota {
        gas_per_call: Some(Gas::new(100_000)),
        gas_per_window: Some((Gas::new(3_000), LONG)),
        ..Quota::default()
    };
    let by_call = Quota { gas_per_call: Some(Gas::new(2_999)), ..quota };
    for (quota, told) in [
        (quota, "3001 gas are asked for, and the limit of all calls in 3600 s is 3000; ask for less"),
        (by_call, "3001 gas are asked for, and the limit of a call is 2999; ask for less"),
    ] {
        let vm = machine(quota, Quota::default());
        assert_eq!(refused(&block_on(vm.invoke(call("d", "ann").gas(Gas::new(3_001)))).unwrap_err()).1, told);
    }
    let vm = machine(Quota::default(), quota);
    // Who asks for none in particular gets as much as there may be in all.
    let receipt = block_on(vm.invoke(call("d", "ann"))).unwrap();
    assert_eq!(receipt.gas_limit, Gas::new(3_000));
    let mut calls = 1;
    let error = loop {
        match block_on(vm.invoke(call("d", "bob"))) {
            Ok(_) => calls += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(calls, 3_000u64.div_ceil(receipt.gas_used.get()));
    let (who, limit, after) = refused(&error);
    assert!(who.starts_with("contract 0x") && after.is_some(), "{error}");
    assert_eq!(limit, "the limit of 3000 gas in 3600 s is used up");
    assert!(block_on(vm.invoke(call("c", "bob"))).is_ok(), "another contract has its own");
}

/// Whoever may not call a contract takes nothing of its rate from those who may.
#[test]
fn refused_calls_do_not_use_up_a_contracts_rate() {
    let rate = Some(Rate { burst: 2, every: LONG });
    let vm = machine(Quota::default(), Quota { rate, ..Quota::default() });
    let mine = Rule::Callers([Address::from_name("ann")].into());
    let grant = GrantRequest::new(name("c")).set(Right::Call, mine).from(crate::script::owner());
    block_on(vm.grant(grant)).unwrap();
    for _ in 0..5 {
        let error = block_on(vm.invoke(call("c", "eve"))).unwrap_err();
        assert_eq!(error.phase, Phase::Permission, "{error}");
    }
    assert!(block_on(vm.invoke(call("c", "ann"))).is_ok() && block_on(vm.query(call("c", "ann"))).is_ok());
    assert_eq!(
        refused(&block_on(vm.invoke(call("c", "ann"))).unwrap_err()).0,
        format!("contract {}", name("c").address())
    );
    // Their own rate they do use up.
    let vm = machine(Quota { rate, ..Quota::default() }, Quota::default());
    let grant = GrantRequest::new(name("c")).set(Right::Call, Rule::Nobody).from(crate::script::owner());
    block_on(vm.grant(grant)).unwrap();
    let phases = [(); 3].map(|()| block_on(vm.invoke(call("c", "eve"))).unwrap_err().phase);
    assert_eq!(phases, [Phase::Permission, Phase::Permission, Phase::Admit]);
}

/// What has no receipt has used a worker all the same.
#[test]
fn a_call_that_meets_its_deadline_counts_the_gas_that_it_was_given() {
    let scripts = Scripts::default().with("c", |_, _| ok()).with("loops", |host, call| {
        if call.entry == Entry::Deploy {
            return ok();
        }
        loop {
            host.charge(Gas::ZERO)?;
        }
    });
    let scripts = scripts.with("fails-v2", |host, _| {
        host.charge(Gas::new(40_000))?;
        Err(crate::script::REVERT)
    });
    let window = Some((Gas::new(1_000_000), LONG));
    let quotas = Quotas { caller: Quota { gas_per_window: window, ..Quota::default() }, ..Quotas::default() };
    let limits = vm_core::Limits { execution_timeout: Duration::from_millis(20), ..Default::default() };
    let vm = scripts.start_with(Vm::builder().quotas(quotas).limits(limits));
    let told = "the limit of 1000000 gas in 3600 s is used up";
    for _ in 0..2 {
        let error = block_on(vm.invoke(call("loops", "ann").gas(Gas::new(500_000)))).unwrap_err();
        assert!(matches!(error.fault(), Some(HostFault::Deadline(_))), "{error}");
    }
    assert_eq!(refused(&block_on(vm.invoke(call("c", "ann"))).unwrap_err()).1, told);
    // Who asks for none in particular is given the limit of a transaction.
    assert!(block_on(vm.query(call("loops", "bob"))).is_err());
    assert_eq!(refused(&block_on(vm.invoke(call("c", "bob"))).unwrap_err()).1, told);
    // And a deployment that fails what it used.
    let deploy =
        DeployRequest::new(name("d"), "1".parse().unwrap(), script("fails-v2")).from(Address::from_name("cat"));
    let mut failed = 0;
    let error = loop {
        match block_on(vm.deploy(deploy.clone())).unwrap_err() {
            error if error.fault().is_some() => break error,
            _ => failed += 1,
        }
    };
    assert_eq!(refused(&error).1, told);
    assert!((1..=25).contains(&failed), "{failed} of at least 40,000 gas each");
}

#[test]
fn calls_in_flight_are_counted_until_they_are_answered() {
    let one = Quota { in_flight: Some(1), ..Quota::default() };
    refuses_while_one_is_in_flight(one, "1 call is in flight, which is the limit; try again when it has ended");
}

#[test]
fn what_calls_in_flight_may_use_of_a_window_is_kept_for_them() {
    let window = Quota { gas_per_window: Some((Gas::new(1_000_000), LONG)), ..Quota::default() };
    let told = "of the limit of 1000000 gas in 3600 s the rest is kept for calls in flight; try again when one of them has \
                ended, or bound the gas of calls";
    refuses_while_one_is_in_flight(window, told);
}

/// One caller's call waits inside its contract, and another one is asked for.
fn refuses_while_one_is_in_flight(of_caller: Quota, told: &str) {
    let gate = Arc::new((Mutex::new(None::<bool>), Condvar::new()));
    let inside = gate.clone();
    let scripts = Scripts::default().with("c", |_, _| ok()).with("waits", move |_, call| {
        if &*call.method == "init" {
            return ok();
        }
        let (state, changed) = &*inside;
        let mut state = state.lock().unwrap();
        *state = Some(false);
        changed.notify_all();
        while *state != Some(true) {
            state = changed.wait(state).unwrap();
        }
        ok()
    });
    let quotas = Quotas { caller: of_caller, contract: Quota::default() };
    let vm = scripts.start_with(Vm::builder().quotas(quotas).workers(2));
    let waiting = std::thread::spawn({
        let vm = vm.clone();
        move || block_on(vm.invoke(call("waits", "ann")))
    });
    let (state, changed) = &*gate;
    let mut entered = state.lock().unwrap();
    while entered.is_none() {
        entered = changed.wait(entered).unwrap();
    }
    let error = block_on(vm.invoke(call("c", "ann"))).unwrap_err();
    assert_eq!((refused(&error).1, refused(&error).2), (told, None));
    assert!(block_on(vm.invoke(call("c", "bob"))).is_ok());
    *entered = Some(true);
    changed.notify_all();
    drop(entered);
    assert!(waiting.join().unwrap().is_ok());
    assert!(block_on(vm.invoke(call("c", "ann"))).is_ok());
}

/// Has callers wait until their doors are opened, tells who waits, and lets nobody in who is called eve.
struct Doors {
    waiting: Sender<Address>,
    closed: Mutex<BTreeMap<Address, Receiver<()>>>,
}

impl Authorizer for Doors {
    fn authorize(&self, access: &Access<'_>) -> Result<(), Denied> {
        let door = self.closed.lock().unwrap().remove(&access.actor);
        if let Some(door) = door {
            self.waiting.send(access.actor).unwrap();
            door.recv().unwrap();
        }
        if access.actor == Address::from_name("eve") { Err(access.denied("it is eve")) } else { Ok(()) }
    }
}

/// While it is not known whether somebody may call a contract, that takes nothing from those who may.
#[test]
fn a_contract_counts_the_calls_that_enter_it() {
    let (inside, entered) = channel();
    let (leave, left) = channel::<()>();
    let doors_of_contract = Mutex::new((inside, left));
    let scripts = Scripts::default().with("c", move |_, call| {
        if &*call.method == "wait" {
            let (inside, left) = &*doors_of_contract.lock().unwrap();
            inside.send(()).unwrap();
            left.recv().unwrap();
        }
        ok()
    });
    let window = Some((Gas::new(1_000_000), LONG));
    let of_contract = Quota { in_flight: Some(1), gas_per_window: window, ..Quota::default() };
    let (waiting, waits) = channel();
    let [(eve, of_eve), (bob, of_bob)] = [channel(), channel()];
    let closed = [("eve", of_eve), ("bob", of_bob)].map(|(name, door)| (Address::from_name(name), door));
    let doors = Doors { waiting, closed: Mutex::new(closed.into()) };
    let quotas = Quotas { caller: Quota::default(), contract: of_contract };
    let vm = scripts.start_with(Vm::builder().quotas(quotas).authorizer(doors).workers(4));
    let ask = |request| block_on(vm.invoke(request));
    let in_flight = "1 call is in flight, which is the limit; try again when it has ended";
    std::thread::scope(|scope| {
        let stranger = scope.spawn(|| ask(call("c", "eve")));
        waits.recv().unwrap();
        ask(call("c", "ann")).unwrap();
        eve.send(()).unwrap();
        assert_eq!(stranger.join().unwrap().unwrap_err().phase, Phase::Permission);

        // Of two who may, the one who comes in first counts; others are refused before they wait.
        let late = scope.spawn(|| ask(call("c", "bob")));
        waits.recv().unwrap();
        let first = scope.spawn(|| ask(InvokeRequest::new(name("c"), "wait").from(Address::from_name("cat"))));
        entered.recv().unwrap();
        assert_eq!(refused(&ask(call("c", "ann")).unwrap_err()).1, in_flight);
        bob.send(()).unwrap();
        let error = late.join().unwrap().unwrap_err();
        assert_eq!(refused(&error), (&*format!("contract {}", name("c").address()), in_flight, None));
        leave.send(()).unwrap();
        first.join().unwrap().unwrap();
    });
    ask(call("c", "ann")).unwrap();
    assert_eq!((vm.metrics().faults, vm.metrics().refused), (0, 1));
}

/// Keys of one byte, values as long as the method's name says.
fn stores() -> Vm {
    let scripts = Scripts::default().with("c", |host, call| {
        let (key, length) = (&call.input[..], call.method.len() - 1);
        match call.method.starts_with('-') {
            true => host.delete(key)?,
            false => host.put(key, &vec![7; length])?,
        }
        ok()
    });
    let mut policy = HostPolicy::default();
    policy.administrators = Rule::Anyone;
    scripts.start_with(Vm::builder().policy(policy))
}

#[test]
fn a_contracts_state_is_bounded_in_keys_and_bytes() {
    let vm = stores();
    let write = |key: u8, method: &str| {
        let request = InvokeRequest::new(name("c"), method).input(vec![key]);
        block_on(vm.invoke(request)).unwrap().status
    };
    let bound =
        |room| block_on(vm.govern(GovernRequest::new(Governance::Room { contract: name("c"), room }))).map(drop);
    let full = |what, limit, present, wanted| {
        let contract = name("c").address();
        Status::Trap(Trap::NoRoom(Excess { contract, what, limit, present, wanted }))
    };
    // What is there before counts: `init` has put the empty key with three bytes.
    assert_eq!(write(1, "+four"), Status::Success);
    bound(Some(Room { keys: 3, bytes: 20 })).unwrap();
    assert_eq!(write(2, "+fo"), Status::Success);
    assert_eq!(write(3, "+"), full(Measure::Keys, 3, 3, 4));
    assert_eq!(write(2, "+twelve-bytes"), full(Measure::Bytes, 20, 11, 21), "3 + 5 + 13 bytes");
    assert_eq!(
        write(2, "+twelve-bytes").to_string(),
        format!(
            "trap: the contract's state has no more room: contract {} may have 20 bytes, has 11, and would have 21; delete some, \
             or have the host's administrators let it have more (govern room)",
            name("c").address()
        )
    );
    assert_eq!(write(2, "+eleven-byte"), Status::Success, "20 of 20 bytes");
    assert_eq!(write(1, "+fou"), Status::Success);
    assert_eq!(write(2, "-"), Status::Success);
    assert_eq!(write(2, "-"), Status::Success, "what is not there has no size");
    assert_eq!(write(3, "+"), Status::Success);
    // Below what is there: nothing more, but less.
    bound(Some(Room { keys: 1, bytes: 1 })).unwrap();
    assert_eq!(write(4, "+"), full(Measure::Keys, 1, 3, 4));
    assert_eq!(write(1, "+four"), full(Measure::Bytes, 1, 8, 9));
    assert_eq!(write(1, "+"), Status::Success);
    bound(None).unwrap();
    assert_eq!(write(4, "+four"), Status::Success);
    let history = vm.history(&name("c"), 2, 9).unwrap();
    assert_eq!(
        history.iter().map(|entry| entry.after.room.map(|room| room.keys)).collect::<Vec<_>>(),
        [Some(3), Some(1), None]
    );
}
