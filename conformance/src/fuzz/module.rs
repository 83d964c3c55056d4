//! Random contracts.

use arbitrary::Unstructured;
use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{CodeSection, ExportKind, ExportSection, Function, FunctionSection, Instruction as I, Module};
use wasmparser::{CodeSectionReader, Export, FunctionSectionReader, Parser, Payload, TypeRef};

use super::random::Random;
use super::shape::{INPUT, OUTPUT, Shape};
use crate::text;

/// What a module can be made of.
const ENTROPY: u64 = 4_096;

/// A random contract. It passes the gate unless it uses what contracts may not; nothing if the seed makes no module.
///
/// It is made of the first bytes of what the seed gives, at most `length`: fewer bytes make a smaller module.
pub(super) fn random(random: &mut Random, length: usize) -> Option<Vec<u8>> {
    let shape = Shape::random(random);
    let floats = random.one_in(2);
    let mut config = wasm_smith::Config {
        module_shape: Some(text::binary(&shape.text()).ok()?),
        allow_floats: floats,
        // References to functions, with the operators on tables, come with references to host objects, which the gate refuses.
        reference_types_enabled: random.one_in(4),
        disallow_traps: !random.one_in(4),
        saturating_float_to_int_enabled: floats,
        simd_enabled: false,
        relaxed_simd_enabled: false,
        threads_enabled: false,
        tail_call_enabled: false,
        gc_enabled: false,
        exceptions_enabled: false,
        extended_const_enabled: false,
        memory64_enabled: false,
        max_memory32_bytes: 4 << 16,
        max_tables: 1,
        max_table_elements: 1_000,
        ..wasm_smith::Config::default()
    };
    config.max_instructions = if random.one_in(2) { 100 } else { 800 };
    let entropy = 64 + random.below(ENTROPY);
    let mut entropy = random.bytes(usize::try_from(entropy).ok()?);
    let (endless, in_range) = (random.one_in(3), !random.one_in(8));
    entropy.truncate(length);
    let mut module = wasm_smith::Module::new(config, &mut Unstructured::new(&entropy)).ok()?;
    // Without it most modules with a loop only run out of gas.
    if !endless {
        module.ensure_termination(5_000).ok()?;
    }
    Wrapped::new(&module.to_bytes(), &shape, in_range)?.finish().ok()
}

/// Wraps a module: its entry is called with the input at the start of the memory, and gives the memory as output.
struct Wrapped<'a> {
    bytes: &'a [u8],
    shape: &'a Shape,
    /// Whether imports are called with operands in range.
    in_range: bool,
    /// The types of functions, imports first.
    types: Vec<u32>,
    entry: u32,
}

impl<'a> Wrapped<'a> {
    fn new(bytes: &'a [u8], shape: &'a Shape, in_range: bool) -> Option<Self> {
        let mut wrapped = Self { bytes, shape, in_range, types: Vec::new(), entry: 0 };
        for payload in Parser::new(0).parse_all(bytes) {
            match payload.ok()? {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        if let TypeRef::Func(ty) = import.ok()?.ty {
                            wrapped.types.push(ty);
                        }
                    }
                }
                Payload::FunctionSection(section) => {
                    wrapped.types.extend(section.into_iter().collect::<Result<Vec<_>, _>>().ok()?);
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export.ok()?;
                        if export.name == ENTRY {
                            wrapped.entry = export.index;
                        }
                    }
                }
                _ => {}
            }
        }
        Some(wrapped)
    }

    fn finish(mut self) -> Result<Vec<u8>, Error> {
        let mut module = Module::new();
        let bytes = self.bytes;
        self.parse_core_module(&mut module, Parser::new(0), bytes)?;
        Ok(module.finish())
    }

    fn functions(&self) -> u32 {
        u32::try_from(self.types.len()).unwrap_or(u32::MAX)
    }
}

/// The entry of a contract.
const ENTRY: &str = "vm_call";

impl Reencode for Wrapped<'_> {
    type Error = std::convert::Infallible;

    fn function_index(&mut self, function: u32) -> Result<u32, Error> {
        let shim = self.in_range && function < self.shape.imports();
        Ok(if shim { self.functions().saturating_add(function) } else { function })
    }

    fn parse_export(&mut self, exports: &mut ExportSection, export: Export<'_>) -> Result<(), Error> {
        if export.name == ENTRY {
            let shims = if self.in_range { self.shape.imports() } else { 0 };
            exports.export(ENTRY, ExportKind::Func, self.functions().saturating_add(shims));
            return Ok(());
        }
        utils::parse_export(self, exports, export)
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> Result<(), Error> {
        utils::parse_function_section(self, functions, section)?;
        let shims = if self.in_range { self.shape.imports() as usize } else { 0 };
        let entry = self.types.get(self.entry as usize);
        for ty in self.types.iter().take(shims).chain(entry) {
            functions.function(*ty);
        }
        Ok(())
    }

    fn parse_code_section(&mut self, code: &mut CodeSection, section: CodeSectionReader<'_>) -> Result<(), Error> {
        utils::parse_code_section(self, code, section)?;
        let shims = self.shape.bodies().filter(|_| self.in_range);
        let (deploys, page_bits) = (I::I32Eqz, I::I32Const(16));
        let entry = vec![
            I::LocalGet(0),
            deploys,
            I::If(wasm_encoder::BlockType::Empty),
            I::I32Const(0),
            I::Return,
            I::End,
            I::I32Const(0),
            I::Call(INPUT),
            I::LocalGet(0),
            I::LocalGet(1),
            I::LocalGet(2),
            I::Call(self.entry),
            I::I32Const(1),
            I::I32And,
            I::LocalSet(0),
            I::I32Const(0),
            I::MemorySize(0),
            page_bits,
            I::I32Shl,
            I::Call(OUTPUT),
            I::LocalGet(0),
            I::End,
        ];
        for body in shims.chain([entry]) {
            let mut function = Function::new([]);
            for instruction in &body {
                function.instruction(instruction);
            }
            code.function(&function);
        }
        Ok(())
    }
}
