//! The whole `impl` block that `#[contract]` stands on.

use proc_macro2::{Ident, Span, TokenStream};
use syn::parse::Parser;
use syn::{Error, ImplItem, ItemImpl, LitStr, Result, Type};

use crate::method::{Kind, Method};

pub(crate) struct Contract {
    pub(crate) block: ItemImpl,
    /// The type that the block is for.
    pub(crate) ty: Ident,
    /// Overrides the package's name.
    pub(crate) name: Option<LitStr>,
    pub(crate) methods: Vec<Method>,
}

impl Contract {
    pub(crate) fn parse(arguments: TokenStream, mut block: ItemImpl) -> Result<Self> {
        let name = parse_name(arguments)?;
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
        Ok(Self { block, ty, name, methods })
    }

    pub(crate) fn method(&self, kind: Kind) -> Option<&Method> {
        self.methods.iter().find(|method| method.kind == kind)
    }
}

fn parse_name(arguments: TokenStream) -> Result<Option<LitStr>> {
    let mut name = None;
    syn::meta::parser(|meta| {
        if !meta.path.is_ident("name") {
            return Err(meta.error("expected `name = \"...\"`"));
        }
        name = Some(meta.value()?.parse()?);
        Ok(())
    })
    .parse2(arguments)?;
    Ok(name)
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
