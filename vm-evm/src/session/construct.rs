//! Creation code at a contract's own address: deployments and upgrades.

use revm::{
    bytecode::Bytecode,
    context_interface::JournalTr,
    handler::return_create,
    interpreter::{InstructionResult, InterpreterResult},
    primitives::{Bytes, KECCAK_EMPTY, U256},
};
use vm_core::{Host, HostFault};

use super::{Ended, Entry, Session, database::evm_address};

/// What becomes of the account that creation code runs for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Constructor {
    /// A new account.
    Deploy,
    /// The account stays, gets the new code, and keeps what the constructor did.
    Migrate {
        /// True when the constructor sees the value.
        pays: bool,
    },
    /// The account stays and gets the new code; what else the constructor did is undone.
    Replace {
        /// True when the constructor sees the value.
        pays: bool,
    },
}

impl Session {
    /// Runs creation code (its arguments appended) and makes what it returns the code of `env.this`.
    ///
    /// Not through a creation frame of revm: that would derive an address, move the value a second time, and refuse an
    /// account that exists. The rules for the returned code are revm's own.
    pub(crate) fn construct(
        mut self: Box<Self>,
        host: &mut dyn Host,
        kind: Constructor,
        Entry { input: creation_code, gas }: Entry,
    ) -> Result<Ended, HostFault> {
        let this = evm_address(&host.env().this);
        let caller = evm_address(&host.env().caller);
        if self.config.max_creation_code().is_some_and(|most| creation_code.len() > most) {
            return Ok(self.refused(InstructionResult::CreateInitCodeSizeLimit, gas));
        }
        self.drain_logs()?;
        let mark = self.revm.ctx.journaled_state.database.journal()?.mark();
        let spec = self.revm.ctx.cfg.spec;
        let state = &mut self.revm.ctx.journaled_state;
        state.load_account(caller)?;
        state.load_account_with_code(this)?;
        state.database.adopt(&this);
        // A contract without code, for whoever looks while the constructor runs.
        let bare = |state: &mut super::State| state.set_code_with_hash(this, Bytecode::default(), KECCAK_EMPTY);
        let checkpoint = match kind {
            Constructor::Deploy => {
                bare(state);
                match state.create_account_checkpoint(caller, this, U256::ZERO, spec) {
                    Ok(checkpoint) => checkpoint,
                    Err(error) => return Ok(self.refused(error.into(), gas)),
                }
            }
            Constructor::Migrate { .. } | Constructor::Replace { .. } => {
                let checkpoint = state.checkpoint();
                bare(state);
                checkpoint
            }
        };

        let code = Bytecode::new_legacy(creation_code);
        let entry = Entry { input: Bytes::new(), gas };
        let pays = !matches!(kind, Constructor::Migrate { pays: false } | Constructor::Replace { pays: false });
        let mut ended = self.enter(host, entry, (code.hash_slow(), code), pays)?;
        let result = &mut ended.result;
        let ctx = &mut ended.session.revm.ctx;
        if matches!(kind, Constructor::Replace { .. }) && result.is_ok() {
            ctx.journaled_state.checkpoint_revert(checkpoint);
            ctx.journaled_state.database.journal()?.revert(mark);
            // What it cleared is there again.
            result.gas.set_refund(0);
            let again = ctx.journaled_state.checkpoint();
            return_create(ctx, again, result, this);
        } else {
            return_create(ctx, checkpoint, result, this);
        }
        Ok(ended)
    }

    fn refused(self: Box<Self>, result: InstructionResult, gas: u64) -> Ended {
        let gas = revm::interpreter::Gas::new(gas);
        let result = InterpreterResult::new(result, Bytes::new(), gas);
        Ended { session: self, result, foreign_gas: vm_core::Gas::ZERO }
    }
}
