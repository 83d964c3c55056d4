//! The procedural macros of vm-sdk. Use them through that crate, where their documentation is.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking"))]

mod contract;
mod data;
mod expand;
mod method;

use proc_macro::TokenStream;
use syn::{DeriveInput, ItemImpl, parse_macro_input};

/// See `vm_sdk::contract`.
#[proc_macro_attribute]
pub fn contract(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let block = parse_macro_input!(item as ItemImpl);
    contract::Contract::parse(arguments.into(), block)
        .map(|contract| expand::expand(&contract))
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// See `vm_sdk::data`.
#[proc_macro_attribute]
pub fn data(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let item = parse_macro_input!(item as DeriveInput);
    data::data(arguments.into(), &item).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// See `vm_sdk::event`.
#[proc_macro_attribute]
pub fn event(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let item = parse_macro_input!(item as DeriveInput);
    data::event(arguments.into(), &item).unwrap_or_else(syn::Error::into_compile_error).into()
}
