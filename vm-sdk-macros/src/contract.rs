//! The whole `impl` block that `#[contract]` stands on.

use proc_macro2::{Ident, Span, TokenStream};
use syn::parse::Parser;
use syn::{Error, ImplItem, ItemImpl, LitInt, LitStr, Result, Type};

use crate::method::{Kind, Method};

pub(crate) struct Contract {
    pub(crate) block: ItemImpl,
    /// The type that the block is for.
    pub(crate) ty: Ident,
    /// Overrides the package's name.
    pub(crate) name: Option<LitStr>,
    /// How many calls a process of it takes at a time, at least 1.
    pub(crate) concurrency: u32,
    pub(crate) methods: Vec<Method>,
}

impl Contract {
    pub(crate) fn parse(arguments: TokenStream, mut block: ItemImpl) -> Result<Self> {
        let Arguments { name, concurrency } = Arguments::parse(arguments)?;
        let ty = contract_type(&block)?;
        let mut methods: Vec<Method> = Vec::new();
        for item in &mut block.items {
            let ImplItem::Fn(function) = item else {
                continue;
            };
            let Some(method) = Method::parse(function)? else {
                continue;
            };
            let single = matches!(method.kind, Kind::Init | Kind::Upgrade);
            if single && methods.iter().any(|m| m.kind == method.kind) {
                let message = format!("a contract has one #[{}]", method.exported_name());
                return Err(Error::new_spanned(&method.name, message));
            }
            methods.push(method);
        }
        if methods.is_empty() {
            return Err(Error::new(
                Span::call_site(),
                "a contract has at least one `pub fn` whose first argument is the context",
            ));
        }
        Ok(Self { block, ty, name, concurrency, methods })
    }

    pub(crate) fn method(&self, kind: Kind) -> Option<&Method> {
        self.methods.iter().find(|method| method.kind == kind)
    }
}

/// What stands in the parentheses of `#[contract(...)]`.
struct Arguments {
    name: Option<LitStr>,
    concurrency: u32,
}

impl Arguments {
    fn parse(arguments: TokenStream) -> Result<Self> {
        let mut parsed = Self { name: None, concurrency: 1 };
        syn::meta::parser(|meta| {
            if meta.path.is_ident("name") {
                parsed.name = Some(meta.value()?.parse()?);
            } else if meta.path.is_ident("concurrency") {
                let number: LitInt = meta.value()?.parse()?;
                parsed.concurrency = number.base10_parse()?;
                if parsed.concurrency == 0 {
                    return Err(Error::new_spanned(number, "a process takes at least one call at a time"));
                }
            } else {
                return Err(meta.error("expected `name = \"...\"` or `concurrency = ...`"));
            }
            Ok(())
        })
        .parse2(arguments)?;
        Ok(parsed)
    }
}

fn contract_type(block: &ItemImpl) -> Result<Ident> {
    if block.trait_.is_some() || !block.generics.params.is_empty() {
        return Err(Error::new_spanned(
            &block.self_ty,
            "#[contract] stands on the contract's own `impl Name { ... }`, without trait and generics",
        ));
    }
    match &*block.self_ty {
        Type::Path(path) if path.path.get_ident().is_some() => path.path.require_ident().cloned(),
        other => Err(Error::new_spanned(other, "expected the name of a type of this module")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;
    use syn::parse_quote;

    fn error(block: ItemImpl) -> String {
        match Contract::parse(TokenStream::new(), block) {
            Ok(_) => panic!("the block was accepted"),
            Err(error) => error.to_string(),
        }
    }

    fn method_error(method: TokenStream) -> String {
        error(parse_quote!(impl Token { #method }))
    }

    #[test]
    fn only_public_functions_are_methods() {
        let contract = Contract::parse(
            quote!(name = "coin", concurrency = 4),
            parse_quote! {
                impl Token {
                    const LIMIT: u8 = 3;
                    #[init]
                    pub fn create(cx: &mut Context) {}
                    #[view]
                    pub fn limit(cx: &Context) -> u8 { 3 }
                    pub(crate) fn inside(anything: u8) {}
                    fn own<T>(&self, t: T) {}
                }
            },
        );
        let contract = contract.unwrap_or_else(|error| panic!("{error}"));
        let names: Vec<_> = contract.methods.iter().map(Method::exported_name).collect();
        assert_eq!((names, contract.name.unwrap().value()), (vec!["init".into(), "limit".into()], "coin".to_owned()));
        assert_eq!(contract.concurrency, 4);
    }

    #[test]
    fn blocks_that_are_no_contract() {
        assert!(error(parse_quote!(impl Token {})).contains("at least one `pub fn`"));
        assert!(error(parse_quote!(impl Clone for Token {})).contains("without trait"));
        assert!(
            error(parse_quote!(
                impl<T> Token<T> {}
            ))
            .contains("without trait and generics")
        );
        assert!(
            error(parse_quote!(
                impl (u8, u8) {}
            ))
            .contains("name of a type")
        );
        let renamed = Contract::parse(quote!(nome = "x"), parse_quote!(impl Token {}));
        assert!(renamed.err().unwrap().to_string().contains("expected `name"));
        let idle = Contract::parse(quote!(concurrency = 0), parse_quote!(impl Token {}));
        assert!(idle.err().unwrap().to_string().contains("at least one call"));
    }

    #[test]
    fn the_context_comes_first_and_says_what_may_change() {
        for (method, expected) in [
            (
                quote!(
                    pub fn f() {}
                ),
                "starts with `cx: &mut Context`",
            ),
            (
                quote!(
                    pub fn f(&mut self) {}
                ),
                "its state lies behind the context",
            ),
            (
                quote!(
                    pub fn f(amount: u8) {}
                ),
                "expected `&mut Context` or `&Context`",
            ),
            (
                quote!(
                    pub fn f(cx: Context) {}
                ),
                "expected `&mut Context` or `&Context`",
            ),
            (
                quote!(
                    pub fn f(cx: &Context) {}
                ),
                "or mark the method #[view]",
            ),
            (
                quote!(
                    #[view]
                    pub fn f(cx: &mut Context) {}
                ),
                "a #[view] changes nothing",
            ),
            (
                quote!(
                    #[upgrade]
                    pub fn f(cx: &mut Context) {}
                ),
                "from: &str, to: &str",
            ),
            (
                quote!(
                    #[upgrade]
                    pub fn f(cx: &mut Context, a: &str, b: u8) {}
                ),
                "from: &str, to: &str",
            ),
        ] {
            let error = method_error(method);
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn methods_that_no_caller_could_use() {
        for (method, expected) in [
            (
                quote!(
                    pub fn init(cx: &mut Context) {}
                ),
                "mark it #[init]",
            ),
            (
                quote!(
                    pub fn upgrade(cx: &mut Context) {}
                ),
                "mark it #[upgrade]",
            ),
            (
                quote!(
                    #[view]
                    fn f(cx: &Context) {}
                ),
                "write `pub fn`",
            ),
            (
                quote!(
                    #[view]
                    #[init]
                    pub fn f(cx: &Context) {}
                ),
                "one of #[init], #[view], #[upgrade]",
            ),
            (
                quote!(
                    #[view(x)]
                    pub fn f(cx: &Context) {}
                ),
                "takes no arguments",
            ),
            (
                quote!(
                    pub async fn f(cx: &mut Context) {}
                ),
                "not async",
            ),
            (
                quote!(
                    pub unsafe fn f(cx: &mut Context) {}
                ),
                "not unsafe",
            ),
            (
                quote!(
                    pub fn f<T>(cx: &mut Context, t: T) {}
                ),
                "not generic",
            ),
            (
                quote!(
                    pub fn f(cx: &mut Context, (a, b): (u8, u8)) {}
                ),
                "part of the interface",
            ),
            (
                quote!(
                    #[cfg(x)]
                    pub fn f(cx: &mut Context) {}
                ),
                "in every build",
            ),
            (
                quote!(
                    #[init]
                    pub fn a(cx: &mut Context) {}
                    #[init]
                    pub fn b(cx: &mut Context) {}
                ),
                "a contract has one #[init]",
            ),
        ] {
            let error = method_error(method);
            assert!(error.contains(expected), "{error}");
        }
    }
}
