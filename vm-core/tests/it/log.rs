//! What contracts write to the log.

use std::fmt;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber, span, subscriber};
use vm_core::LogLevel;

use crate::script::{Scripts, invoke, ok};

/// Keeps the messages of events.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<String>>>);

impl Subscriber for Recorder {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Messages(self));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

struct Messages<'r>(&'r Recorder);

impl Visit for Messages<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0.0.lock().unwrap().push(format!("{value:?}"));
        }
    }
}

/// A contract cannot write a line that looks like another one's, and cannot direct a terminal.
#[test]
fn a_line_of_a_contract_stays_one() {
    let recorder = Recorder::default();
    let told = recorder.clone();
    let vm = Scripts::default()
        .with("it", move |host, call| {
            if &*call.method == "run" {
                let log = || host.log(LogLevel::Info, "paid\n2026-01-01 ERROR vm: forged \u{1b}[2J, ü");
                subscriber::with_default(told.clone(), log)?;
            }
            ok()
        })
        .start();
    assert!(invoke(&vm, "it", "run").status.is_success());
    assert_eq!(*recorder.0.lock().unwrap(), [r"paid\n2026-01-01 ERROR vm: forged \u{1b}[2J, ü"]);
}
