//! A module without an engine: it was deployed when more memory was allowed, and starts with more than there is now.

use vm_core::Trap;

use super::{Completion, Halt, Invocation, Program};
use crate::abi::Frame;

#[derive(Debug)]
pub(crate) struct Oversized;

impl Program for Oversized {
    fn run(&self, _: &mut Frame<'_>, _: Invocation) -> Result<Completion, Halt> {
        Err(Halt::Trap(Trap::MemoryLimit))
    }

    fn weight(&self) -> usize {
        size_of::<Self>()
    }
}
