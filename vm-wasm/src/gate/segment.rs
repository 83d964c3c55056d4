//! Data and element segments.

use wasmparser::{Data, DataKind, Element, ElementItems, ElementKind, Operator, ValType};

use super::shape::Survey;
use super::{Rule, Violation};

impl<'a> Survey<'a, '_> {
    pub(super) fn element(&mut self, element: Element<'a>, offset: usize) -> Result<(), wasmparser::Error> {
        let mut count = 0u64;
        match element.items {
            ElementItems::Functions(items) => {
                count = items.count().into();
                for function in items {
                    self.reference(function?);
                }
            }
            ElementItems::Expressions(ty, items) => {
                self.val_type(ValType::Ref(ty), "an element segment", offset);
                for item in items {
                    count += 1;
                    if let Some(Operator::RefFunc { function_index }) =
                        item?.get_operators_reader().into_iter().next().transpose()?
                    {
                        self.reference(function_index);
                    }
                }
            }
        }
        self.initial.elements = self.initial.elements.saturating_add(count);
        if let ElementKind::Active { offset_expr, .. } = element.kind {
            self.bounds("element", constant(&offset_expr), count, self.initial.table_entries, offset);
        }
        Ok(())
    }

    /// Notes a function that is used as a value: indirect calls may reach it, and an import needs a function of its own.
    pub(super) fn reference(&mut self, function: u32) {
        self.referenced.insert(function);
    }

    pub(super) fn data(&mut self, data: &Data<'a>, offset: usize) {
        let length = data.data.len() as u64;
        self.initial.data_bytes = self.initial.data_bytes.saturating_add(length);
        if let DataKind::Active { offset_expr, .. } = &data.kind {
            self.bounds(
                "data",
                constant(offset_expr),
                length,
                self.initial.memory_pages.saturating_mul(1 << 16),
                offset,
            );
        }
    }

    fn bounds(&mut self, what: &str, start: Option<u32>, length: u64, size: u64, offset: usize) {
        let (rule, why) = match start {
            // Of other modules the suite shows that engines trap.
            _ if !self.config.contract => return,
            Some(start) if u64::from(start).saturating_add(length) <= size => return,
            Some(start) => (
                Rule::SegmentBounds,
                format!("a segment of {what} of length {length} at {start} lies outside the initial size {size}"),
            ),
            // A contract imports no globals, and without proposals its own have no place here.
            None => (Rule::Proposal, format!("the place of a segment of {what} is computed, not one i32.const")),
        };
        self.found.push(Violation::new(rule, why).at(offset));
    }
}

/// The value of an expression that is one `i32.const`.
fn constant(expression: &wasmparser::ConstExpr<'_>) -> Option<u32> {
    let mut ops = expression.get_operators_reader().into_iter();
    match (ops.next(), ops.next(), ops.next()) {
        (Some(Ok(Operator::I32Const { value })), Some(Ok(Operator::End)) | None, None) => Some(value.cast_unsigned()),
        _ => None,
    }
}
