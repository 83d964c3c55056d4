//! Ctrl-C and its kin: the first one ends the wait for what the command does, so that the runtimes can be stopped; the
//! second one ends the process.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use super::failure::Class;

/// The command was asked to end before it was done.
#[derive(Debug, thiserror::Error)]
#[error(
    "interrupted before it was done; a change that was being committed is there as a whole or not at all, as the next command shows"
)]
pub(super) struct Interrupted;

#[derive(Debug)]
struct State {
    /// True while there is something to be cleaned up, so that a signal must not end the process.
    guarded: bool,
    raised: bool,
    waits: Option<Waker>,
}

static STATE: Mutex<State> = Mutex::new(State { guarded: false, raised: false, waits: None });

/// Begins to listen for SIGINT, SIGTERM and SIGHUP, or what takes their place elsewhere.
pub(super) fn listen() -> anyhow::Result<()> {
    Ok(ctrlc::set_handler(|| {
        let mut state = state();
        if state.raised || !state.guarded {
            #[allow(
                clippy::disallowed_methods,
                reason = "there is nothing to clean up, or the user does not wait for it"
            )]
            std::process::exit(Class::Interrupted as i32);
        }
        state.raised = true;
        if let Some(waits) = state.waits.take() {
            waits.wake();
        }
    })?)
}

/// From here on the first signal leaves it to the command to end.
pub(super) fn guard() {
    state().guarded = true;
}

/// True when a signal came; else `context` is woken by the next.
pub(super) fn poll(context: &Context<'_>) -> bool {
    let mut state = state();
    if !state.raised {
        state.waits = Some(context.waker().clone());
    }
    state.raised
}

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}
