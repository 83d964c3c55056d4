//! What is refused to contracts is told whatever becomes of the transaction, once, and the caller sees it.

use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use futures_executor::block_on;
use vm_core::{
    AuditEvent, Change, ChangeRequest, Denial, DeployRequest, DryRunRequest, Entry, ErrorKind, GovernRequest,
    Governance, GovernanceEvent, GrantRequest, Host, HostFault, Limits, Managed, MigrateRequest, Observer, Receipt,
    Right, RollbackRequest, Rule, Status, Trial, UpgradeRequest, Vm, VmError, VmProvider,
};

use crate::script::{Failure, Scripts, call, invoke, name, ok, owner, request, script};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Observer for Lines {
    fn audit(&self, event: &AuditEvent<'_>) {
        self.0.lock().unwrap().push(format!("{event}{}", if event.exists { "" } else { " (unknown)" }));
    }

    fn governed(&self, event: &GovernanceEvent<'_>) {
        self.0.lock().unwrap().push(event.to_string());
    }
}

impl Lines {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Calls `c`, which nobody may call, and ends as the input says.
fn tries(host: &mut dyn Host, ending: &[u8]) -> Result<bytes::Bytes, Failure> {
    assert_eq!(call(host, "c", "read")?.status, Status::Revert);
    match ending {
        b"reverts" => Err(Failure::Revert("on purpose")),
        b"faults" => {
            host.transaction().fail(HostFault::Internal("the disk is gone".into()));
            ok()
        }
        b"panics" => panic!("on purpose"),
        b"loops" => loop {
            host.charge(vm_core::Gas::ZERO)?;
        },
        _ => ok(),
    }
}

/// `t` tries in whichever way it is entered, but for its own deployment without input.
fn machine(lines: &Lines) -> Vm {
    let limits = Limits { execution_timeout: Duration::from_millis(200), ..Limits::default() };
    let body = |host: &mut dyn Host, call: &vm_core::Call| {
        if call.entry == Entry::Deploy && call.input.is_empty() { ok() } else { tries(host, &call.input) }
    };
    // Asks for an upgrade of `t` that fails, and then fails itself.
    let asks = |host: &mut dyn Host, call: &vm_core::Call| {
        if call.entry == Entry::Deploy {
            return ok();
        }
        if &*call.method == "govern" {
            let closed = GovernRequest::new(Governance::Deploy(Rule::Nobody)).from(owner());
            host.transaction().manage(&Managed::Govern(closed))?;
            return ok();
        }
        let operated = host.transaction().manage(&Managed::Upgrade(upgrade("reverts")))?;
        assert_eq!(operated.outcome.status, Status::Revert);
        tries(host, &call.input)
    };
    let scripts = Scripts::default().with("c", |_, _| ok()).with("t", body).with("t-v2", body).with("asks", asks);
    let vm = scripts.start_with(Vm::builder().observer(lines.clone()).limits(limits));
    block_on(vm.grant(GrantRequest::new(name("c")).set(Right::Call, Rule::Nobody).from(owner()))).unwrap();
    lines.take();
    vm
}

fn deploy(ending: &str) -> DeployRequest {
    DeployRequest::new(name("new"), "1".parse().unwrap(), script("t")).input(ending.to_owned()).from(owner())
}

fn upgrade(ending: &str) -> UpgradeRequest {
    UpgradeRequest::new(name("t"), "2".parse().unwrap(), script("t-v2")).input(ending.to_owned()).from(owner())
}

/// The denial of the call by `caller`.
fn denial(caller: &str) -> String {
    format!("{} may not call 'read' of contract 'c': nobody may", name(caller).address())
}

/// The line of that denial, told of something that was done or tried.
fn told(caller: &str, tried: bool) -> String {
    let could = if tried { "could not try to" } else { "could not" };
    format!("{} {could} call 'read' of contract 'c': {}", name(caller).address(), denial(caller))
}

fn seen(denials: &[Denial]) -> Vec<String> {
    denials.iter().map(ToString::to_string).collect()
}

/// The denials in the receipt of an operation that failed.
fn failed(error: &VmError) -> Vec<String> {
    match &error.kind {
        ErrorKind::Failed(receipt) => seen(&receipt.denials),
        other => panic!("not failed: {other}"),
    }
}

type Does = fn(&Vm, &str) -> Result<Receipt, VmError>;

/// Every operation that enters a contract, and who that is then.
const OPERATIONS: [(&str, &str, Does); 4] = [
    ("deploy", "new", |vm, ending| block_on(vm.deploy(deploy(ending)))),
    ("upgrade", "t", |vm, ending| block_on(vm.upgrade(upgrade(ending)))),
    ("migrate", "t", |vm, ending| {
        let request = MigrateRequest::new(name("t"), "1".parse().unwrap());
        block_on(vm.migrate(request.input(ending.to_owned()).from(owner())))
    }),
    ("roll back", "t", |vm, ending| {
        block_on(vm.upgrade(upgrade("")))?;
        let arguments = vm_core::Arguments::Raw(ending.to_owned().into());
        block_on(vm.rollback(RollbackRequest::new(name("t"), "1".parse().unwrap()).migrate(arguments).from(owner())))
    }),
];

#[test]
fn what_an_operation_that_fails_was_refused_is_told_and_in_its_receipt() {
    let lines = Lines::default();
    for (verb, caller, operate) in OPERATIONS {
        for (ending, how) in [
            ("reverts", "the contract failed with revert: on purpose"),
            ("faults", "the disk is gone"),
            ("panics", "panic: on purpose"),
            ("loops", "raise vm.limits.execution_timeout"),
        ] {
            let vm = machine(&lines);
            let error = operate(&vm, ending).unwrap_err();
            assert!(error.to_string().contains(how), "{verb} {ending}: {error}");
            if ending == "reverts" {
                assert_eq!(failed(&error), [denial(caller)], "{verb}");
            }
            let mut lines = lines.take();
            if verb == "roll back" {
                assert_eq!(lines.remove(0), told("t", false), "of the upgrade before");
                assert!(lines.remove(0).contains("did upgrade"));
            }
            let unknown = if verb == "deploy" { " (unknown)" } else { "" };
            let last = format!("{} could not {verb} contract '{caller}': {error}{unknown}", owner());
            assert_eq!(lines, [told(caller, false), last], "{verb} {ending}");
        }
        let vm = machine(&lines);
        let receipt = operate(&vm, "succeeds").unwrap();
        assert_eq!(seen(&receipt.denials), [denial(caller)], "{verb}: the contract goes on");
        assert_eq!(lines.take().iter().rev().nth(1), Some(&told(caller, false)), "{verb}");
    }
}

/// The worker is given up, and somebody else answers.
#[test]
fn what_a_call_was_refused_that_does_not_come_back_is_told() {
    let (release, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let scripts = Scripts::default().with("c", |_, _| ok()).with("stuck", move |host, call_| {
        if call_.entry == Entry::Invoke {
            tries(host, b"")?;
            let _ = wait.lock().unwrap().recv();
        }
        ok()
    });
    let (lines, hurried) = (Lines::default(), Duration::from_millis(100));
    let limits = Limits { execution_timeout: hurried, grace: hurried, ..Limits::default() };
    let vm = scripts.start_with(Vm::builder().observer(lines.clone()).limits(limits).workers(1));
    block_on(vm.grant(GrantRequest::new(name("c")).set(Right::Call, Rule::Nobody).from(owner()))).unwrap();
    lines.take();
    let error = block_on(vm.invoke(request("stuck", "run"))).unwrap_err();
    assert!(matches!(error.fault(), Some(HostFault::Deadline(_))), "{error}");
    assert_eq!((vm.status().quarantined, lines.take()), (1, vec![told("stuck", false)]));
    drop(release);
    block_on(vm.stop()).unwrap();
    assert_eq!(lines.take(), Vec::<String>::new(), "what comes after the answer does not count");
}

#[test]
fn what_a_call_was_refused_is_told_whatever_its_end() {
    let lines = Lines::default();
    let vm = machine(&lines);
    for ending in ["", "reverts"] {
        for is_query in [false, true] {
            let call = request("t", "run").input(ending.to_owned());
            let receipt = if is_query { block_on(vm.query(call)) } else { block_on(vm.invoke(call)) }.unwrap();
            assert_eq!(seen(&receipt.denials), [denial("t")], "{ending}");
            assert_eq!(lines.take(), [told("t", false)], "{ending}");
        }
    }
    for ending in ["faults", "panics", "loops"] {
        let error = block_on(vm.invoke(request("t", "run").input(ending.to_owned()))).unwrap_err();
        assert!(error.fault().is_some(), "{ending}: {error}");
        assert_eq!(lines.take(), [told("t", false)], "{ending}");
    }
    // What a contract asked for and was refused has no part in what the call comes to.
    let digest = |receipt: &Receipt| (receipt.digest(), receipt.denials.len());
    let quiet = Receipt { denials: Vec::new(), ..invoke(&vm, "t", "run") };
    assert_eq!((digest(&quiet).0, 1), digest(&invoke(&vm, "t", "run")));
}

#[test]
fn what_an_operation_inside_a_transaction_was_refused_is_told_in_its_order() {
    let lines = Lines::default();
    let vm = machine(&lines);
    for ending in ["", "reverts", "faults"] {
        let result = block_on(vm.invoke(request("asks", "run").input(ending.to_owned())));
        let operation = format!("{} could not upgrade contract 't': the contract failed with revert", owner());
        let expected = [denial("t"), operation.clone(), denial("asks")];
        assert_eq!(
            result.as_ref().ok().map(|receipt| seen(&receipt.denials)),
            (ending != "faults").then_some(expected.into())
        );
        assert_eq!(lines.take(), [told("t", false), operation, told("asks", false)], "{ending}");
    }
}

#[test]
fn what_was_only_tried_is_told_as_such() {
    let lines = Lines::default();
    let vm = machine(&lines);
    let dry_run = |trial| block_on(vm.dry_run(DryRunRequest::new(trial).replay([request("t", "run")])));
    let call = |contract: &str, ending: &str| Trial::Invoke(request(contract, "run").input(ending.to_owned()));
    for ending in ["", "reverts"] {
        let run = dry_run(call("t", ending)).unwrap();
        assert_eq!(seen(&run.receipt.denials), [denial("t")], "{ending}");
        // Calls that are made to compare are nobody's; what they were refused is in their receipts.
        let [replayed] = &run.replayed[..] else { panic!("one") };
        for receipt in [&replayed.before, &replayed.after] {
            assert_eq!(seen(&receipt.as_ref().unwrap().denials), [denial("t")]);
        }
        assert_eq!(lines.take(), [told("t", true)], "{ending}");
    }
    dry_run(call("t", "faults")).unwrap_err();
    assert_eq!(lines.take(), [told("t", true)]);
    // That the operation fails is what the dry run was to find out.
    let run = dry_run(call("asks", "")).unwrap();
    assert_eq!((run.receipt.denials.len(), lines.take()), (3, vec![told("t", true), told("asks", true)]));
    let run = dry_run(Trial::Invoke(request("asks", "govern"))).unwrap();
    let may_not = "may not change the host's policy: nobody may";
    let owner = owner();
    let tried = format!("{owner} could not try to change the host's policy: permission: {owner} {may_not}");
    assert_eq!((run.receipt.denials.len(), lines.take()), (1, vec![tried]));
    assert_eq!(
        seen(&run.receipt.denials),
        [format!("{owner} could not change the host's policy: permission: {owner} {may_not}")]
    );
    for (caller, trial) in [("new", Trial::Deploy(deploy("reverts"))), ("t", Trial::Upgrade(upgrade("reverts")))] {
        assert_eq!(failed(&dry_run(trial).unwrap_err()), [denial(caller)]);
        assert_eq!(lines.take(), [told(caller, true)]);
    }
}

#[test]
fn an_execution_that_lost_its_race_tells_nothing() {
    let gate = Arc::new((Mutex::new((0, false)), Condvar::new()));
    let inside = gate.clone();
    let scripts = Scripts::default().with("c", |_, _| ok()).with("races", move |host, call_| {
        if call_.entry == Entry::Deploy || &*call_.method == "write" {
            host.put(b"k", call_.method.as_bytes())?;
            return ok();
        }
        host.get(b"k")?;
        tries(host, b"")?;
        let (state, changed) = &*inside;
        let mut state = state.lock().unwrap();
        state.0 += 1;
        changed.notify_all();
        while !state.1 {
            state = changed.wait(state).unwrap();
        }
        host.put(b"k", b"raced")?;
        ok()
    });
    let lines = Lines::default();
    let vm = scripts.start_with(Vm::builder().observer(lines.clone()).workers(2));
    block_on(vm.grant(GrantRequest::new(name("c")).set(Right::Call, Rule::Nobody).from(owner()))).unwrap();
    lines.take();
    let racing = std::thread::spawn({
        let vm = vm.clone();
        move || invoke(&vm, "races", "run")
    });
    let (state, changed) = &*gate;
    let mut entered = state.lock().unwrap();
    while entered.0 == 0 {
        entered = changed.wait(entered).unwrap();
    }
    drop(entered);
    invoke(&vm, "races", "write");
    state.lock().unwrap().1 = true;
    changed.notify_all();
    let receipt = racing.join().unwrap();
    assert_eq!((receipt.status, seen(&receipt.denials)), (Status::Success, vec![denial("races")]));
    assert_eq!((state.lock().unwrap().0, lines.take()), (2, vec![told("races", false)]), "it ran twice");
}

/// A contract of which nothing is left has no record of its own to fill.
#[test]
fn what_was_refused_on_a_contract_of_a_deployment_that_failed_is_of_a_name_that_nobody_has() {
    let lines = Lines::default();
    let scripts = Scripts::default().with("c", |_, _| ok()).with("asks", |host, call_| {
        if call_.entry == Entry::Deploy {
            return ok();
        }
        host.transaction().manage(&Managed::Deploy(DeployRequest { name: name("new"), ..deploy("") }))?;
        let freeze = ChangeRequest::new(name("new"), Change::Freeze).from(name("asks").address());
        host.transaction().manage(&Managed::Change(freeze))?;
        Err(crate::script::REVERT)
    });
    let vm = scripts.with("t", |_, _| ok()).start_with(Vm::builder().observer(lines.clone()));
    lines.take();
    assert_eq!(invoke(&vm, "asks", "run").status, Status::Revert);
    let asks = name("asks").address();
    assert_eq!(
        lines.take(),
        [format!(
            "{asks} could not freeze contract 'new': permission: {asks} may not freeze contract 'new': only its owner may (unknown)"
        )]
    );
}
