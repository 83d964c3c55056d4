//! Writes scripts for `Script.sol` and for the native contract.

use vm_core::Address;

/// Call data for `Script.sol`.
#[derive(Clone, Debug, Default)]
pub struct Evm(Vec<u8>);

#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Call = 0,
    Static = 1,
    Delegate = 2,
    CallCode = 3,
}

fn word(n: u64) -> [u8; 32] {
    let mut word = [0; 32];
    word[24..].copy_from_slice(&n.to_be_bytes());
    word
}

impl Evm {
    pub fn new() -> Self {
        Self::default()
    }

    fn op(mut self, op: u8, parts: &[&[u8]]) -> Self {
        self.0.push(op);
        parts.iter().for_each(|part| self.0.extend_from_slice(part));
        self
    }

    pub fn store(self, key: u64, value: u64) -> Self {
        self.op(0, &[&word(key), &word(value)])
    }

    pub fn log(self, n: u64) -> Self {
        self.op(1, &[&word(n)])
    }

    pub fn call(self, to: Address, data: impl Into<Vec<u8>>) -> Self {
        self.call_with(Kind::Call, to, 0, 0, data)
    }

    pub fn call_with(self, kind: Kind, to: Address, value: u64, gas: u64, data: impl Into<Vec<u8>>) -> Self {
        let data = data.into();
        let length = u16::try_from(data.len()).unwrap().to_be_bytes();
        self.op(2, &[&[kind as u8], to.as_bytes(), &word(value), &word(gas), &length, &data])
    }

    pub fn revert(self) -> Self {
        self.op(3, &[])
    }

    pub fn load(self, key: u64) -> Self {
        self.op(4, &[&word(key)])
    }

    pub fn gas(self) -> Self {
        self.op(5, &[])
    }

    pub fn invalid(self) -> Self {
        self.op(6, &[])
    }

    pub fn require(self) -> Self {
        self.op(7, &[])
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl From<Evm> for Vec<u8> {
    fn from(script: Evm) -> Self {
        script.0
    }
}

/// A native contract's call of another contract.
pub fn native_call(to: Address, value: u8, is_static: bool, gas: u64, data: impl Into<Vec<u8>>) -> Vec<u8> {
    let data = data.into();
    let length = u16::try_from(data.len()).unwrap().to_be_bytes();
    [&b"c"[..], to.as_bytes(), &[value, u8::from(is_static)], &gas.to_be_bytes(), &length, &data].concat()
}

/// A native script's call of a method, with its encoded arguments, or with one value by name.
pub fn native_method(to: Address, method: &str, input: &[u8], named: Option<(&str, &str)>) -> Vec<u8> {
    let sized = |bytes: &[u8]| [&[u8::try_from(bytes.len()).unwrap()], bytes].concat();
    let (op, input) = match named {
        None => (b"n", sized(input)),
        Some((name, value)) => (b"N", [sized(name.as_bytes()), sized(value.as_bytes())].concat()),
    };
    [&op[..], to.as_bytes(), &sized(method.as_bytes()), &input].concat()
}

/// The output of a script call, read from the front.
pub struct Output<'o>(pub &'o [u8]);

impl<'o> Output<'o> {
    pub fn bytes(&mut self, n: usize) -> &'o [u8] {
        let (head, tail) = self.0.split_at(n);
        self.0 = tail;
        head
    }

    pub fn word(&mut self) -> u64 {
        let word = self.bytes(32);
        assert!(word[..24].iter().all(|b| *b == 0), "{word:?}");
        u64::from_be_bytes(word[24..].try_into().unwrap())
    }

    /// The success and the returned data of an EVM script's call.
    pub fn call(&mut self) -> (bool, &'o [u8]) {
        let ok = self.word() == 1;
        let length = usize::try_from(self.word()).unwrap();
        (ok, self.bytes(length))
    }
}
