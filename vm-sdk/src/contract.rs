use crate::{Context, Error, HostRef, Result};

/// A contract, as [`contract`](macro@crate::contract) makes it out of an `impl` block.
pub trait Contract {
    /// The contract's name: the package's, unless the attribute says otherwise.
    const NAME: &'static str;

    /// The package's version.
    const VERSION: &'static str;

    /// The methods, one a line: `[view ]name(argument: type, ...)[ -> type]`.
    const INTERFACE: &'static str;

    /// How many calls a process in a container takes at a time, at least 1, each on a thread of its own; the host may
    /// allow fewer. Native and WASM contracts run as many as there are callers, whatever this says.
    const CONCURRENCY: u32 = 1;

    /// Performs a call: decodes the arguments, runs the method, encodes what it returns.
    ///
    /// # Errors
    ///
    /// The method is unknown, the arguments cannot be decoded, or the contract refuses or must stop.
    fn run(cx: &mut Context<'_>, call: &Call<'_>) -> Result<Vec<u8>>;
}

/// What a contract is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call<'a> {
    /// Why the contract is entered.
    pub entry: Entry<'a>,
    /// The method's name: `init` and `upgrade` at deployment and upgrade.
    pub method: &'a str,
    /// The arguments, borsh, one after the other.
    pub input: &'a [u8],
}

/// Why a contract is entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry<'a> {
    /// To initialise a new contract.
    Deploy,
    /// To perform a method.
    Invoke,
    /// To migrate the state of another version.
    Upgrade {
        /// The version that wrote the state.
        from: &'a str,
        /// The version of this code.
        to: &'a str,
    },
}

impl Call<'_> {
    /// The refusal of a method that the contract does not have.
    #[doc(hidden)]
    pub fn unknown_method(&self) -> Error {
        Error::Revert(format!("unknown method '{}'", self.method))
    }
}

/// How a host enters contract `C`: a plain function, so that contracts of all types fit one table.
///
/// # Errors
///
/// As [`Contract::run`].
pub fn enter<C: Contract>(host: HostRef<'_>, call: &Call<'_>) -> Result<Vec<u8>> {
    C::run(&mut Context::new(host), call)
}
