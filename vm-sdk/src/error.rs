use std::fmt;

/// What contract code returns; the error is an [`Error`] unless said otherwise.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a contract did not succeed.
///
/// `?` hands it up. A contract's own error type fits too, if it is `Into<Error>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The contract refuses. Whatever the call did is undone, and the caller gets this message.
    Revert(String),
    /// The host says that the contract must not go on.
    Stop(Stop),
}

/// The host stopped the contract: no gas is left, a change was attempted in a read-only call, or the host
/// itself failed. The reason stays with the host.
///
/// A contract must hand it up with `?`. One that goes on all the same gains nothing: every further
/// operation is refused, and the call fails whatever it returns. On WASM a contract never sees it,
/// because there the host unwinds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Revert(message) => f.write_str(message),
            Self::Stop(Stop) => f.write_str("stopped by the host"),
        }
    }
}

impl std::error::Error for Error {}

impl From<Stop> for Error {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl From<String> for Error {
    fn from(message: String) -> Self {
        Self::Revert(message)
    }
}

impl From<&str> for Error {
    fn from(message: &str) -> Self {
        Self::Revert(message.to_owned())
    }
}

/// Returns from the method with a revert; takes what `format!` takes.
///
/// ```
/// fn check(amount: u128) -> vm_sdk::Result<()> {
///     if amount == 0 {
///         vm_sdk::revert!("amount is {amount}, expected at least 1");
///     }
///     Ok(())
/// }
/// assert_eq!(check(0).unwrap_err().to_string(), "amount is 0, expected at least 1");
/// ```
#[macro_export]
macro_rules! revert {
    ($($message:tt)+) => {
        return ::core::result::Result::Err(
            $crate::Error::Revert(::std::format!($($message)+)).into(),
        )
    };
}

/// Reverts unless the condition holds; what follows it is the message, as for `format!`.
///
/// ```
/// fn check(amount: u128) -> vm_sdk::Result<()> {
///     vm_sdk::ensure!(amount > 0, "amount is {amount}, expected at least 1");
///     Ok(())
/// }
/// assert!(check(0).is_err() && check(1).is_ok());
/// ```
#[macro_export]
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            $crate::revert!($($message)+);
        }
    };
}
