//! The EVM runtime inside a machine, alone and next to contracts of another runtime.

mod accounts;
mod calls;
mod deploy;
mod foreign;
mod forks;
mod interface;
mod limits;
mod machine;
mod native;
mod script;
mod trees;
mod upgrade;
