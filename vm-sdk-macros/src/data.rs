//! `#[data]` and `#[event]`: types that are stored or emitted.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Error, LitStr, Result};

/// Derives borsh through vm-sdk, so that the author's crate needs no borsh of its own.
pub(crate) fn data(arguments: TokenStream, item: &DeriveInput) -> Result<TokenStream> {
    if !arguments.is_empty() {
        return Err(Error::new_spanned(arguments, "`data` takes no arguments"));
    }
    Ok(derive_borsh(item))
}

/// As [`data`], and names the topic: the type's name, or the argument.
pub(crate) fn event(arguments: TokenStream, item: &DeriveInput) -> Result<TokenStream> {
    let name = &item.ident;
    let topic = if arguments.is_empty() {
        LitStr::new(&name.to_string(), name.span())
    } else {
        syn::parse2::<LitStr>(arguments)?
    };
    if topic.value().is_empty() || topic.value().len() > 255 {
        return Err(Error::new_spanned(topic, "a topic has 1 to 255 bytes"));
    }
    let (generics, arguments, bounds) = item.generics.split_for_impl();
    let derived = derive_borsh(item);
    Ok(quote! {
        #derived
        impl #generics ::vm_sdk::Event for #name #arguments #bounds {
            const TOPIC: &'static str = #topic;
        }
    })
}

fn derive_borsh(item: &DeriveInput) -> TokenStream {
    quote! {
        #[derive(::vm_sdk::borsh::BorshSerialize, ::vm_sdk::borsh::BorshDeserialize)]
        #[borsh(crate = "::vm_sdk::borsh")]
        #item
    }
}
