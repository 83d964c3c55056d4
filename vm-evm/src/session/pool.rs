//! Sessions are re-used: the tables, buffers and frame stacks of a new one cost more than a small contract.

use std::{cell::RefCell, sync::Arc};

use vm_core::{Block, Host, HostFault, Interrupt, Journal};

use super::{Session, cache::CodeCache};
use crate::EvmConfig;

/// More than one is needed only where two runtimes with different configurations share a thread.
const SPARE: usize = 4;

thread_local! {
    #[allow(clippy::vec_box, reason = "a session is large and is handed on in its box")]
    static POOL: RefCell<Vec<Box<Session>>> = const { RefCell::new(Vec::new()) };
}

/// The transaction's session: the one that is in it, or one that becomes part of it.
///
/// A session that is not given back, because of a fault, a panic or a revert around its whole life, is dropped: it may be in
/// any state.
pub(crate) fn open(host: &mut dyn Host, config: &EvmConfig, cache: &Arc<CodeCache>) -> Result<Box<Session>, HostFault> {
    if let Some(overlay) = host.transaction().take_overlay() {
        let other = |_| HostFault::Internal("the transaction's overlay is not the evm's".into());
        return overlay.into_any().downcast::<Session>().map_err(other);
    }
    let transaction = host.transaction();
    let (journal, interrupt) = (transaction.journal(), transaction.interrupt().clone());
    let env = host.env();
    let mut session = start(journal, interrupt, &env.block, config, cache);
    session.prepare_calls(env);
    session.tell_to(host);
    Ok(session)
}

/// A session over a journal, for a transaction of its own.
pub(crate) fn start(
    journal: Journal,
    interrupt: Interrupt,
    block: &Block,
    config: &EvmConfig,
    cache: &Arc<CodeCache>,
) -> Box<Session> {
    let spare = POOL.with_borrow_mut(|pool| {
        let fitting = pool.iter().position(|session| session.config == *config);
        fitting.map(|index| pool.swap_remove(index))
    });
    let mut session = spare.unwrap_or_else(|| Box::new(Session::new(*config, cache.clone())));
    session.bind(journal, interrupt, block, cache);
    session
}

pub(super) fn give_back(mut session: Box<Session>) {
    session.release();
    POOL.with_borrow_mut(|pool| {
        if pool.len() < SPARE {
            pool.push(session);
        }
    });
}
