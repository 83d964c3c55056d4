//! What `#[contract]` adds to the author's block: the interface, the dispatch, and a client for other contracts.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::ext::IdentExt;

use crate::contract::Contract;
use crate::method::{Argument, Kind, Method};

pub(crate) fn expand(contract: &Contract) -> TokenStream {
    let block = &contract.block;
    let implementation = implementation(contract);
    let client = client(contract);
    quote! {
        #block
        #implementation
        #client
    }
}

fn implementation(contract: &Contract) -> TokenStream {
    let ty = &contract.ty;
    let name = contract.name.as_ref().map_or_else(|| quote!(env!("CARGO_PKG_NAME")), |name| quote!(#name));
    let (interface, concurrency) = (interface(contract), contract.concurrency);
    let checks = contract.methods.iter().filter(|m| matches!(m.kind, Kind::Init | Kind::Upgrade)).map(|method| {
        let returned = &method.returned;
        let message = format!("{} returns nothing: `()` or `Result<()>`", method.exported_name());
        quote!(
            const _: () = assert!(<#returned as ::vm_sdk::abi::Output>::TYPE.is_none(), #message);
        )
    });
    let entry = |kind| match contract.method(kind) {
        Some(method) => perform(contract, method),
        None => quote!(::vm_sdk::abi::Arguments::new(call).end().map(|()| ::std::vec::Vec::new())),
    };
    let (init, upgrade) = (entry(Kind::Init), entry(Kind::Upgrade));
    let invoked = contract.methods.iter().filter(|m| matches!(m.kind, Kind::View | Kind::Call));
    let invoked = invoked.map(|method| {
        let (name, body) = (method.exported_name(), perform(contract, method));
        quote!(#name => #body)
    });
    quote! {
        impl ::vm_sdk::Contract for #ty {
            const NAME: &'static str = #name;
            const VERSION: &'static str = env!("CARGO_PKG_VERSION");
            const INTERFACE: &'static str = #interface;
            const CONCURRENCY: u32 = #concurrency;

            fn run(
                cx: &mut ::vm_sdk::Context<'_>,
                call: &::vm_sdk::Call<'_>,
            ) -> ::core::result::Result<::std::vec::Vec<u8>, ::vm_sdk::Error> {
                match call.entry {
                    ::vm_sdk::Entry::Deploy => #init,
                    ::vm_sdk::Entry::Upgrade { from, to } => {
                        let _ = (from, to);
                        #upgrade
                    }
                    ::vm_sdk::Entry::Invoke => match call.method {
                        #(#invoked,)*
                        _ => ::core::result::Result::Err(call.unknown_method()),
                    },
                }
            }
        }
        #(#checks)*
    }
}

/// One line a method, put together by the compiler, because only it knows the names of the types.
fn interface(contract: &Contract) -> TokenStream {
    let mut parts = Vec::new();
    for (index, method) in contract.methods.iter().enumerate() {
        let separator = if index == 0 { "" } else { "\n" };
        let view = if method.kind == Kind::View { "view " } else { "" };
        let start = format!("{separator}{view}{}(", method.exported_name());
        parts.push(quote!(#start));
        for (index, argument) in method.arguments.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            let start = format!("{separator}{}: ", argument.exported_name());
            let ty = argument.owned();
            parts.push(quote!(#start));
            parts.push(quote!(<#ty as ::vm_sdk::abi::Type>::NAME));
        }
        let returned = &method.returned;
        parts.push(quote!(")"));
        parts.push(quote!(::vm_sdk::abi::returned(<#returned as ::vm_sdk::abi::Output>::TYPE).0));
        parts.push(quote!(::vm_sdk::abi::returned(<#returned as ::vm_sdk::abi::Output>::TYPE).1));
    }
    quote! {{
        const PARTS: &[&str] = &[#(#parts),*];
        const TEXT: [u8; ::vm_sdk::abi::length(PARTS)] = ::vm_sdk::abi::joined(PARTS);
        ::vm_sdk::abi::text(&TEXT)
    }}
}

/// Decodes the arguments, calls the author's method, encodes what it returns.
fn perform(contract: &Contract, method: &Method) -> TokenStream {
    let ty = &contract.ty;
    let name = &method.name;
    let decoded = (0..method.arguments.len()).map(|i| format_ident!("argument{i}")).collect::<Vec<_>>();
    let decode = method.arguments.iter().zip(&decoded).map(|(argument, variable)| {
        let (name, owned) = (argument.exported_name(), argument.owned());
        quote!(let #variable: #owned = arguments.next(#name)?;)
    });
    let passed = method.arguments.iter().zip(&decoded).map(|(argument, variable)| {
        let reference = argument.referenced().map(|_| quote!(&));
        quote!(#reference #variable)
    });
    let versions = (method.kind == Kind::Upgrade).then(|| quote!(from, to,));
    quote! {{
        let mut arguments = ::vm_sdk::abi::Arguments::new(call);
        #(#decode)*
        arguments.end()?;
        ::vm_sdk::abi::Output::encode(#ty::#name(cx, #versions #(#passed),*))
    }}
}

/// `NameClient`: the methods of the contract as other contracts call them.
fn client(contract: &Contract) -> TokenStream {
    let ty = &contract.ty;
    let client = format_ident!("{ty}Client");
    let methods = contract.methods.iter().filter(|m| matches!(m.kind, Kind::View | Kind::Call)).map(|method| {
        let Method { name, docs, returned, .. } = method;
        let names = method.arguments.iter().map(|a| &a.name).collect::<Vec<_>>();
        let types = method.arguments.iter().map(|a| &a.written);
        let (context, perform) = match method.kind {
            Kind::View => (quote!(&::vm_sdk::Context<'_>), quote!(query)),
            _ => (quote!(&mut ::vm_sdk::Context<'_>), quote!(call)),
        };
        let text = method.exported_name();
        quote! {
            #(#docs)*
            ///
            /// # Errors
            ///
            /// The called contract refused or failed; or this one must stop.
            pub fn #name(&self, cx: #context, #(#names: #types),*)
                -> ::core::result::Result<<#returned as ::vm_sdk::abi::Output>::Value, ::vm_sdk::Error>
            {
                self.0.#perform(cx, #text, ::vm_sdk::abi::Input::new()#(.with(&#names))*)
            }
        }
    });
    let doc = format!("Calls a contract that has the methods of [`{ty}`].");
    quote! {
        #[doc = #doc]
        #[derive(Debug, Clone)]
        pub struct #client(pub ::vm_sdk::Remote);

        impl #client {
            /// The contract with this name or address; without value, with as much gas as the rules allow.
            pub fn at(target: impl ::core::convert::Into<::vm_sdk::Target>) -> Self {
                Self(::vm_sdk::Remote::new(target))
            }

            #(#methods)*
        }
    }
}

impl Argument {
    /// The name in the interface: a leading underscore only says that the body does not use it.
    fn exported_name(&self) -> String {
        let name = self.name.unraw().to_string();
        name.trim_start_matches('_').to_owned()
    }

    /// What is decoded: for a reference, what it can be borrowed from.
    fn owned(&self) -> TokenStream {
        match self.referenced() {
            Some(referenced) => quote!(<#referenced as ::std::borrow::ToOwned>::Owned),
            None => {
                let written = &self.written;
                quote!(#written)
            }
        }
    }
}
