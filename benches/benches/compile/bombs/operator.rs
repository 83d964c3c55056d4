//! One operator after the other: for every one that contracts may use.
//!
//! They come from the pinned table of what operators cost, which a test holds complete: an operator that the gate admits some day is
//! measured without anybody having to think of it. Each line of the table is repeated as it stands there, with constants as operands;
//! and each operator in it is repeated with operands that no compiler knows, its result the next one's operand where types allow.

use std::collections::BTreeSet;

use vm_wasm::conformance::pinned_gas;
use wasm_encoder::{CodeSection, FunctionSection, Module, RawSection};
use wasmparser::{BinaryReaderError, FunctionBody, Operator, Parser, Payload, ValType, ValidPayload, Validator};

/// What a function and its type take beside its body's bytes, at most.
const FUNCTION: usize = 8;
/// Locals of each type, and how many operators that take nothing follow each other until a branch leaves what they gave.
const LOCALS: u8 = 8;
const GIVEN: usize = 250;
/// How many operators that give values a function has at most: each counts in its frame, of which a call has 60,000 units.
const VALUES: usize = 59_000;

/// The types of locals, in their order in a function; the first three are its parameters.
const TYPES: [ValType; 5] = [ValType::I32, ValType::I64, ValType::F32, ValType::F64, ValType::FUNCREF];
const DECLARED: [u8; 11] = [5, 5, 0x7f, 8, 0x7e, 8, 0x7d, 8, 0x7c, 8, 0x70];

/// Opcodes.
const BLOCK: [u8; 2] = [0x02, 0x40];
const BR_OUT: [u8; 3] = [0x0c, 0x00, END];
const END: u8 = 0x0b;
const DROP: u8 = 0x1a;
const LOCAL_GET: u8 = 0x20;
const LOCAL_SET: u8 = 0x21;
const TABLE_GET: [u8; 2] = [0x25, 0x00];
const I32_CONST_0: [u8; 2] = [0x41, 0x00];
/// How a function ends: it gives the status 0.
const STATUS: [u8; 3] = [0x41, 0x00, END];

/// A kind of module: a line of the table or one of its operators, over and over.
pub(crate) struct Stream {
    pub(crate) name: String,
    /// The contract of the table's line. Its last function is the entry, whose type those that are added have.
    contract: Vec<u8>,
    before: Vec<u8>,
    unit: Vec<u8>,
    /// How many operators that give values a unit has at most.
    values: usize,
    after: Vec<u8>,
}

/// All of them.
pub(crate) fn streams() -> Vec<Stream> {
    let (mut streams, mut seen) = (Vec::new(), BTreeSet::new());
    for (_, line, text) in pinned_gas() {
        let contract = wat::parse_str(text).unwrap();
        let found = operators(&contract).unwrap();
        // The status that the contract returns, and its end, are not the line's.
        let ops = &found[..found.len() - 2];
        let unit = ops.iter().flat_map(|found| found.bytes.clone()).collect();
        let values = ops.iter().filter(|found| !found.gives.is_empty()).count();
        streams.push(Stream::new(line.to_owned(), &contract, unit, values));
        for found in found.iter().filter(|found| !found.control && seen.insert(found.name.clone())) {
            streams.push(found.stream(&contract));
        }
    }
    streams
}

impl Stream {
    fn new(name: String, contract: &[u8], unit: Vec<u8>, values: usize) -> Self {
        Self { name, contract: contract.to_vec(), before: Vec::new(), unit, values, after: Vec::new() }
    }

    /// A contract of at most so many bytes, whose functions have at most so many.
    pub(crate) fn module(&self, bytes: usize, body: usize) -> Vec<u8> {
        let around = DECLARED.len() + self.before.len() + self.after.len() + STATUS.len();
        let mut left = bytes.saturating_sub(self.contract.len() + 64);
        let mut functions = Vec::new();
        while functions.len() < 8_000 {
            let units = left.min(body).saturating_sub(around + FUNCTION) / self.unit.len();
            let units = units.min(VALUES / self.values.max(1));
            if units == 0 {
                break;
            }
            let mut function = [&DECLARED[..], &self.before].concat();
            (0..units).for_each(|_| function.extend(&self.unit));
            function.extend(&self.after);
            function.extend(STATUS);
            left = left.saturating_sub(function.len() + FUNCTION);
            functions.push(function);
        }
        self.with(&functions)
    }

    /// The contract with these functions in addition.
    fn with(&self, functions: &[Vec<u8>]) -> Vec<u8> {
        let (mut module, mut code, mut bodies) = (Module::new(), CodeSection::new(), 0);
        for payload in Parser::new(0).parse_all(&self.contract) {
            let payload = payload.unwrap();
            match &payload {
                Payload::FunctionSection(section) => {
                    let types: Vec<u32> = section.clone().into_iter().map(Result::unwrap).collect();
                    let mut declared = FunctionSection::new();
                    let entry = types.last().copied().unwrap();
                    types.iter().chain(functions.iter().map(|_| &entry)).for_each(|ty| drop(declared.function(*ty)));
                    module.section(&declared);
                }
                Payload::CodeSectionStart { count, .. } => bodies = *count,
                Payload::CodeSectionEntry(body) => {
                    code.raw(&self.contract[body.range()]);
                    if code.len() == bodies {
                        functions.iter().for_each(|function| drop(code.raw(function)));
                        module.section(&code);
                    }
                }
                other => {
                    if let Some((id, range)) = other.as_section() {
                        module.section(&RawSection { id, data: &self.contract[range] });
                    }
                }
            }
        }
        module.finish()
    }
}

/// An operator of a contract's entry.
struct Found {
    /// As the parser names it.
    name: String,
    bytes: Vec<u8>,
    /// Whether it is about where control goes: blocks, branches, calls. Then it cannot be taken from where it is.
    control: bool,
    takes: Vec<ValType>,
    gives: Vec<ValType>,
}

/// The operators of the last function.
fn operators(contract: &[u8]) -> Result<Vec<Found>, BinaryReaderError> {
    let mut validator = Validator::new();
    let mut last = None;
    for payload in Parser::new(0).parse_all(contract) {
        if let ValidPayload::Func(function, body) = validator.payload(&payload?)? {
            last = Some((function, body));
        }
    }
    let (function, body): (_, FunctionBody<'_>) = last.unwrap();
    let mut function = function.into_validator(Default::default());
    function.read_locals(&mut body.get_binary_reader())?;
    let mut found = Vec::new();
    let mut reader = body.get_operators_reader()?;
    while !reader.eof() {
        let from = reader.original_position();
        let op = reader.read()?;
        let bytes = contract[from..reader.original_position()].to_vec();
        let control = is_control(&op);
        let (takes, gives) = if control { (0, 0) } else { op.operator_arity(&function).unwrap() };
        let top = |function: &wasmparser::FuncValidator<_>, count: u32| -> Vec<ValType> {
            // Where control does not get, types are not known, and do not matter.
            let types = (0..count as usize).rev().filter_map(|depth| function.get_operand_type(depth).flatten());
            // One that is known not to be null fits where any reference to a function does.
            types.map(|ty| if ty.is_reference_type() { ValType::FUNCREF } else { ty }).collect()
        };
        let takes = top(&function, takes);
        function.op(from, &op)?;
        let gives = top(&function, gives);
        let name = format!("{op:?}").split([' ', '{', '(']).next().unwrap().to_owned();
        found.push(Found { name, bytes, control, takes, gives });
    }
    Ok(found)
}

impl Found {
    fn stream(&self, contract: &[u8]) -> Stream {
        let name = format!("{}, one after the other", self.name);
        if self.takes.is_empty() {
            let unit = [&BLOCK[..], &self.bytes.repeat(GIVEN), &BR_OUT].concat();
            return Stream::new(name, contract, unit, GIVEN);
        }
        let chained = match (&self.takes[..], &self.gives[..]) {
            ([first, ..], [gives]) => converted(*gives, *first),
            _ => None,
        };
        let mut unit = Vec::new();
        for n in 0..LOCALS {
            unit.extend(chained.iter().flatten());
            let operands = self.takes.iter().zip(n..).skip(usize::from(chained.is_some()));
            operands.for_each(|(ty, n)| unit.extend([LOCAL_GET, local(*ty, n)]));
            unit.extend(&self.bytes);
            if chained.is_none() {
                self.gives.iter().for_each(|_| unit.push(DROP));
            }
        }
        let values = 1 + chained.as_ref().map_or(0, Vec::len);
        let mut stream = Stream::new(name, contract, unit, values * usize::from(LOCALS));
        let types: BTreeSet<_> = self.takes.iter().chain(&self.gives).collect();
        stream.before.extend(types.into_iter().flat_map(|ty| unknown(*ty)));
        if chained.is_some() {
            stream.before.extend([LOCAL_GET, local(self.gives[0], 0)]);
            stream.after.push(DROP);
        }
        stream
    }
}

/// One of the locals of a type.
fn local(ty: ValType, n: u8) -> u8 {
    let ty = TYPES.iter().position(|other| *other == ty).unwrap();
    u8::try_from(ty).unwrap() * LOCALS + n % LOCALS
}

/// Gives the locals of a type values that no compiler knows.
fn unknown(ty: ValType) -> Vec<u8> {
    let get = |n: u8| match ty {
        ValType::I32 => vec![0x28, 2, n * 8],
        ValType::I64 => vec![0x29, 3, n * 8],
        ValType::F32 => vec![0x2a, 2, n * 8],
        ValType::F64 => vec![0x2b, 3, n * 8],
        _ => TABLE_GET.to_vec(),
    };
    (0..LOCALS).flat_map(|n| [&I32_CONST_0[..], &get(n), &[LOCAL_SET, local(ty, n)]].concat()).collect()
}

/// What makes a number of one type one of another, bit by bit; `None` for references.
fn converted(from: ValType, to: ValType) -> Option<Vec<u8>> {
    use ValType as V;
    let widened: &[u8] = match from {
        _ if from == to => return matches!(to, V::I32 | V::I64 | V::F32 | V::F64).then(Vec::new),
        V::I32 => &[0xad],
        V::I64 => &[],
        V::F32 => &[0xbc, 0xad],
        V::F64 => &[0xbd],
        _ => return None,
    };
    let narrowed: &[u8] = match to {
        V::I32 => &[0xa7],
        V::I64 => &[],
        V::F32 => &[0xa7, 0xbe],
        V::F64 => &[0xbf],
        _ => return None,
    };
    let (from_32, to_32) = (matches!(from, V::I32 | V::F32), matches!(to, V::I32 | V::F32));
    if from_32 && to_32 {
        // From the one to the other of 32 bits: reinterpreted.
        return Some(vec![if to == V::I32 { 0xbc } else { 0xbe }]);
    }
    Some([widened, narrowed].concat())
}

fn is_control(op: &Operator<'_>) -> bool {
    use Operator as O;
    matches!(
        op,
        O::Block { .. }
            | O::Loop { .. }
            | O::If { .. }
            | O::Else
            | O::End
            | O::Br { .. }
            | O::BrIf { .. }
            | O::BrTable { .. }
            | O::Return
            | O::Unreachable
            | O::Call { .. }
            | O::CallIndirect { .. }
    )
}
