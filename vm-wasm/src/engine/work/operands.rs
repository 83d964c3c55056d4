//! How many operands a function has on its stack: an engine keeps them over everything that is done above them.

use wasmparser::{BlockType, ContType, FrameKind, FuncType, ModuleArity, Operator, RefType, SubType};

/// The height of the stack, from operator to operator. Behind what does not go on it is that of the block, and what is done there counts
/// from zero on.
#[derive(Debug, Default)]
pub(super) struct Operands {
    height: u64,
    most: u64,
    open: Vec<Block>,
}

/// A block that is open.
#[derive(Debug, Clone, Copy, Default)]
struct Block {
    /// The height below its parameters.
    below: u64,
    params: u64,
    results: u64,
    is_loop: bool,
}

impl Operands {
    pub(super) fn of_function(results: u64) -> Self {
        Self { open: vec![Block { results, ..Block::default() }], ..Self::default() }
    }

    /// The most there are anywhere.
    pub(super) fn most(&self) -> u64 {
        self.most
    }

    pub(super) fn takes(&mut self, params: u64, results: u64) {
        let floor = self.open.last().map_or(0, |block| block.below);
        self.height = self.height.saturating_sub(params).max(floor).saturating_add(results);
        self.most = self.most.max(self.height);
    }

    /// An operator that takes and gives the same wherever it is.
    pub(super) fn simple(&mut self, op: &Operator<'_>) {
        // The gate lets none through whose numbers depend on types, but those that have a function of their own here.
        let (params, results) = op.operator_arity(&NoTypes).unwrap_or_default();
        self.takes(params.into(), results.into());
    }

    pub(super) fn open(&mut self, params: u64, results: u64, is_loop: bool) {
        self.open.push(Block { below: self.height.saturating_sub(params), params, results, is_loop });
    }

    pub(super) fn else_(&mut self) {
        let block = self.block(0);
        self.height = block.below + block.params;
    }

    /// A block ends; returns how many results it has.
    pub(super) fn end(&mut self) -> u64 {
        let block = self.open.pop().unwrap_or_default();
        self.height = block.below + block.results;
        self.most = self.most.max(self.height);
        if block.is_loop { block.params } else { block.results }
    }

    /// Nothing that follows is reached from here.
    pub(super) fn leave(&mut self) {
        self.height = self.block(0).below;
    }

    /// How many values a branch to the label at this depth takes.
    pub(super) fn label(&self, depth: u32) -> u64 {
        let block = self.block(depth);
        if block.is_loop { block.params } else { block.results }
    }

    /// How many operands are below what such a branch takes.
    pub(super) fn below(&self, depth: u32) -> u64 {
        self.block(depth).below
    }

    /// How many results the function has.
    pub(super) fn results(&self) -> u64 {
        self.open.first().map_or(0, |function| function.results)
    }

    fn block(&self, depth: u32) -> Block {
        let at = self.open.len().checked_sub(1).and_then(|last| last.checked_sub(depth as usize));
        at.and_then(|at| self.open.get(at)).copied().unwrap_or_default()
    }
}

/// Knows the operators that need no module.
struct NoTypes;

impl ModuleArity for NoTypes {
    fn sub_type_at(&self, _: u32) -> Option<&SubType> {
        None
    }

    fn tag_type_arity(&self, _: u32) -> Option<(u32, u32)> {
        None
    }

    fn type_index_of_function(&self, _: u32) -> Option<u32> {
        None
    }

    fn func_type_of_cont_type(&self, _: &ContType) -> Option<&FuncType> {
        None
    }

    fn sub_type_of_ref_type(&self, _: &RefType) -> Option<&SubType> {
        None
    }

    fn control_stack_height(&self) -> u32 {
        0
    }

    fn label_block(&self, _: u32) -> Option<(BlockType, FrameKind)> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_below_a_block_is_counted_at_its_labels() {
        let mut operands = Operands::of_function(1);
        for _ in 0..3 {
            operands.simple(&Operator::I32Const { value: 1 });
        }
        operands.open(1, 2, false);
        assert_eq!((operands.below(0), operands.below(1), operands.label(0), operands.label(1)), (2, 0, 2, 1));
        operands.simple(&Operator::I32Const { value: 1 });
        operands.simple(&Operator::I32Add);
        operands.leave();
        // Behind a branch anything can be taken.
        operands.simple(&Operator::I32Add);
        operands.simple(&Operator::Drop);
        assert_eq!(operands.below(0), 2);
        assert_eq!(operands.end(), 2);
        operands.open(0, 0, true);
        assert_eq!(operands.below(0), 4);
        operands.end();
        operands.takes(4, 0);
        operands.simple(&Operator::Nop);
        operands.open(0, 0, false);
        assert_eq!((operands.below(0), operands.most()), (0, 4));
    }
}
