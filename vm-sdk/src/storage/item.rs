use std::fmt;
use std::marker::PhantomData;

use borsh::{BorshDeserialize, BorshSerialize};

use super::Prefix;
use crate::{Context, Result};

/// One value of a contract's state.
///
/// ```
/// use vm_sdk::{Context, Item, Result};
///
/// const COUNT: Item<u64> = Item::new("count");
///
/// fn count_up(cx: &mut Context) -> Result<u64> {
///     let count = COUNT.get(cx)?.unwrap_or_default() + 1;
///     COUNT.set(cx, &count)?;
///     Ok(count)
/// }
/// ```
pub struct Item<T> {
    prefix: Prefix,
    value: PhantomData<fn() -> T>,
}

impl<T> Item<T> {
    /// The item with this name: 1 to 127 bytes, another one for each item of a contract.
    ///
    /// # Panics
    ///
    /// The name is empty or too long. In a constant, that fails to compile.
    pub const fn new(name: &'static str) -> Self {
        Self { prefix: Prefix::item(name), value: PhantomData }
    }
}

impl<T: BorshSerialize + BorshDeserialize> Item<T> {
    /// The value, if it was set.
    ///
    /// # Errors
    ///
    /// What is stored is no `T`; the contract must stop.
    pub fn get(&self, cx: &Context<'_>) -> Result<Option<T>> {
        cx.get(&self.prefix.to_bytes())
    }

    /// Sets the value.
    ///
    /// # Errors
    ///
    /// The contract must stop.
    pub fn set(&self, cx: &mut Context<'_>, value: &T) -> Result<()> {
        cx.put(&self.prefix.to_bytes(), value)
    }

    /// Removes the value, if there is one.
    ///
    /// # Errors
    ///
    /// The contract must stop.
    pub fn remove(&self, cx: &mut Context<'_>) -> Result<()> {
        cx.delete(&self.prefix.to_bytes())
    }
}

impl<T> fmt::Debug for Item<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Item").field(&self.prefix.name).finish()
    }
}
