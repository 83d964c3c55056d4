//! The second pass: locals and operators of one function.

use wasmparser::{BlockType, FunctionBody, Operator};

use super::operator::{name, refusal, refused_heap_type, refused_type};
use super::shape::Survey;
use super::{Rule, Violation};
use crate::meter::class::class;
use crate::meter::float::float;

/// Reports what contracts may not do, each rule once for a function.
pub(super) fn survey(
    survey: &mut Survey<'_, '_>,
    body: &FunctionBody<'_>,
    function: u32,
) -> Result<(), wasmparser::Error> {
    let (shape, floats) = (&survey.config.shape, survey.config.floats);
    let mut report = Report { survey, function, seen: Vec::new() };
    let range = body.range();
    if range.len() > shape.body_bytes {
        let why = format!("a body has {} bytes, {} are allowed", range.len(), shape.body_bytes);
        report.push(Violation::new(Rule::BodySize, why).at(range.start));
        return Ok(());
    }
    let mut locals = 0u64;
    let mut declarations = body.get_locals_reader()?;
    for _ in 0..declarations.get_count() {
        let offset = declarations.original_position();
        let (count, ty) = declarations.read()?;
        locals = locals.saturating_add(count.into());
        report.ty(refused_type(ty, floats), "a local", offset);
    }
    if locals > shape.locals.into() {
        let why = format!("a function has {locals} locals, {} are allowed", shape.locals);
        report.push(Violation::new(Rule::LocalCount, why).at(range.start));
    }
    let mut depth = 0usize;
    let mut ops = body.get_operators_reader()?;
    while !ops.eof() {
        let (op, offset) = ops.read_with_offset()?;
        if class(&op).is_none() || !floats && float(&op).is_some() {
            let (rule, why, name) = refusal(&op);
            report.push(Violation::new(rule, why).at(offset).of_operator(name));
        }
        match &op {
            Operator::Block { blockty } | Operator::Loop { blockty } | Operator::If { blockty } => {
                depth += 1;
                if depth == shape.nesting.saturating_add(1) {
                    let why = format!("blocks are nested deeper than {}", shape.nesting);
                    report.push(Violation::new(Rule::Nesting, why).at(offset).of_operator(name(&op)));
                }
                if let BlockType::Type(ty) = blockty {
                    report.ty(refused_type(*ty, floats), "a block", offset);
                }
            }
            Operator::End => depth = depth.saturating_sub(1),
            Operator::BrTable { targets } if targets.len() > shape.br_table_targets => {
                let why = format!("a br_table has {} targets, {} are allowed", targets.len(), shape.br_table_targets);
                report.push(Violation::new(Rule::BrTableSize, why).at(offset).of_operator(name(&op)));
            }
            Operator::RefFunc { function_index } => report.survey.reference(*function_index),
            Operator::RefNull { hty } => report.ty(refused_heap_type(*hty), "a null", offset),
            Operator::TypedSelect { ty } => report.ty(refused_type(*ty, floats), "a selection", offset),
            _ => {}
        }
    }
    Ok(())
}

struct Report<'s, 'a, 'c> {
    survey: &'s mut Survey<'a, 'c>,
    function: u32,
    seen: Vec<Rule>,
}

impl Report<'_, '_, '_> {
    fn push(&mut self, violation: Violation) {
        if !self.seen.contains(&violation.rule) {
            self.seen.push(violation.rule);
            self.survey.found.push(violation.of_function(self.function));
        }
    }

    fn ty(&mut self, refused: Option<(Rule, String)>, holder: &str, offset: usize) {
        if let Some((rule, name)) = refused {
            self.push(Violation::new(rule, format!("{holder} has type {name}")).at(offset));
        }
    }
}
