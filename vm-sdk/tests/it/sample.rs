//! A contract with one method of each kind, which the other files call.

use vm_sdk::{Context, Item, Result, contract, ensure, event};

#[derive(Debug)]
pub struct Counter;

const COUNT: Item<u64> = Item::new("count");
const HISTORY: Item<String> = Item::new("history");

#[derive(Debug, PartialEq, Eq)]
#[event]
pub struct Counted {
    pub count: u64,
}

/// An error of the author's own.
#[derive(Debug)]
pub enum Refusal {
    TooMuch,
    Other(vm_sdk::Error),
}

impl From<Refusal> for vm_sdk::Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::TooMuch => "that is too much".into(),
            Refusal::Other(error) => error,
        }
    }
}

impl From<vm_sdk::Error> for Refusal {
    fn from(error: vm_sdk::Error) -> Self {
        Self::Other(error)
    }
}

#[contract(name = "sample-counter")]
impl Counter {
    #[init]
    pub fn init(cx: &mut Context, start: u64, _note: &str) -> Result<()> {
        COUNT.set(cx, &start)
    }

    #[upgrade]
    pub fn upgrade(cx: &mut Context, from: &str, to: &str, steps: u8) -> Result<()> {
        ensure!(steps < 100, "{steps} steps from {from} to {to} are too many");
        HISTORY.set(cx, &format!("{from}>{to}"))
    }

    /// Adds and emits.
    pub fn add(cx: &mut Context, amount: u64) -> Result<u64, Refusal> {
        if amount > 1_000 {
            return Err(Refusal::TooMuch);
        }
        let count = Self::current(cx)? + amount;
        COUNT.set(cx, &count)?;
        cx.emit(&Counted { count })?;
        Ok(count)
    }

    /// Changes state, then tells a panic.
    pub fn set_and_overflow(cx: &mut Context, amount: u64) -> Result<()> {
        COUNT.set(cx, &amount)?;
        COUNT.set(cx, &(amount + u64::MAX))
    }

    #[view]
    pub fn count(cx: &Context) -> Result<u64> {
        Self::current(cx)
    }

    #[view]
    pub fn history(cx: &Context) -> Result<String> {
        Ok(HISTORY.get(cx)?.unwrap_or_default())
    }

    /// Every type there is.
    #[view]
    #[allow(clippy::too_many_arguments, reason = "one of each type")]
    pub fn types(
        _cx: &Context,
        a: bool,
        b: u8,
        c: u16,
        d: u32,
        e: u64,
        f: u128,
        g: i8,
        h: i16,
        i: i32,
        j: i64,
        k: i128,
        l: String,
        m: &str,
        n: Vec<u8>,
        o: &[u8],
        p: vm_sdk::Address,
        q: &vm_sdk::Address,
    ) -> String {
        format!("{a} {b} {c} {d} {e} {f} {g} {h} {i} {j} {k} {l} {m} {n:?} {o:?} {p} {q}")
    }

    /// A name that is a keyword.
    pub fn r#move(_cx: &mut Context, r#in: bool) -> bool {
        !r#in
    }

    fn current(cx: &Context) -> Result<u64> {
        Ok(COUNT.get(cx)?.unwrap_or_default())
    }
}
