//! What actors are told to do, without the encoding.

/// What an actor does in one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// One after the other.
    pub ops: Vec<Op>,
    /// How it ends.
    pub end: End,
}

impl Body {
    /// That ends well.
    #[must_use]
    pub const fn new(ops: Vec<Op>) -> Self {
        Self { ops, end: End::Return }
    }

    /// That ends otherwise.
    #[must_use]
    pub const fn ends(mut self, end: End) -> Self {
        self.end = end;
        self
    }
}

/// One thing that an actor does. Keys and values are small numbers; no value is 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Puts a value under a key.
    Put(u8, u8),
    /// Deletes a key.
    Delete(u8),
    /// Reads a key.
    Get(u8),
    /// Reads all keys from the first to before the second.
    Scan(u8, u8),
    /// Emits an event.
    Emit(u8),
    /// Tells who called, and with what value.
    Who,
    /// Tells a number so many times.
    Fill(u8, u16),
    /// Calls another actor, or itself.
    Call(Call),
}

/// A call of an actor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Which.
    pub to: usize,
    /// True when nothing may be changed. Then it has no value.
    pub is_static: bool,
    /// True when the caller tells also what a callee that reverts returned. Only for callees that can fail in no other way.
    pub tells: bool,
    /// What is transferred.
    pub value: u8,
    /// What the callee does.
    pub body: Body,
}

impl Call {
    /// One that may change things, without value.
    #[must_use]
    pub const fn new(to: usize, body: Body) -> Self {
        Self { to, is_static: false, tells: false, value: 0, body }
    }
}

impl From<Call> for Op {
    fn from(call: Call) -> Self {
        Self::Call(call)
    }
}

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It returns.
    Return,
    /// It reverts, with a number below 128 so many times.
    Revert(u8, u16),
    /// It fails as code does that is wrong.
    Trap,
    /// It uses up its gas. There are no calls in such a body, which therefore gets little.
    Burn,
}
