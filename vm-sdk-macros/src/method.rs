//! One method of a contract, as the author wrote it.

use proc_macro2::Ident;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, Error, FnArg, ImplItemFn, Pat, PathArguments, Result, ReturnType, Type, parse_quote};

/// How a method is entered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `#[init]`: once, at deployment.
    Init,
    /// `#[upgrade]`: when new code takes over the state of an older version.
    Upgrade,
    /// `#[view]`: changes nothing.
    View,
    /// Everything else that is public.
    Call,
}

pub(crate) struct Method {
    pub(crate) kind: Kind,
    pub(crate) name: Ident,
    /// The arguments that come from outside: not the context, nor an upgrade's two versions.
    pub(crate) arguments: Vec<Argument>,
    pub(crate) returned: Type,
    /// Doc comments, deprecations and silenced lints, for the client.
    pub(crate) docs: Vec<Attribute>,
}

pub(crate) struct Argument {
    pub(crate) name: Ident,
    /// As written; perhaps a reference.
    pub(crate) written: Type,
}

impl Method {
    /// Takes the attributes of this crate off `function` and gives the method that it exports, if it does.
    pub(crate) fn parse(function: &mut ImplItemFn) -> Result<Option<Self>> {
        let kind = take_kind(&mut function.attrs)?;
        let public = matches!(function.vis, syn::Visibility::Public(_));
        if let (Some(_), false) = (kind, public) {
            return Err(Error::new(function.sig.span(), "an entry point is public: write `pub fn`"));
        }
        if !public {
            name_lifetime(function);
            return Ok(None);
        }
        let kind = kind.unwrap_or(Kind::Call);
        let signature = &function.sig;
        refuse_modifiers(signature)?;
        if let Some(cfg) = function.attrs.iter().find(|attribute| attribute.path().is_ident("cfg")) {
            return Err(Error::new_spanned(cfg, "a contract has the same methods in every build"));
        }
        if kind != Kind::Init && signature.ident == "init" || kind != Kind::Upgrade && signature.ident == "upgrade" {
            let message = format!(
                "`{0}` is the name of an entry point: mark it #[{0}] or call it something else",
                signature.ident
            );
            return Err(Error::new_spanned(&signature.ident, message));
        }

        let mut inputs = signature.inputs.iter();
        check_context(kind, inputs.next(), signature.span())?;
        if kind == Kind::Upgrade {
            for _ in 0..2 {
                if !matches!(inputs.next(), Some(FnArg::Typed(version)) if is_str(&version.ty)) {
                    return Err(Error::new(
                        signature.span(),
                        "an upgrade hook starts with `cx: &mut Context, from: &str, to: &str`",
                    ));
                }
            }
        }
        let arguments = inputs.map(Argument::parse).collect::<Result<_>>()?;
        let returned = match &signature.output {
            ReturnType::Default => parse_quote!(()),
            ReturnType::Type(_, returned) => (**returned).clone(),
        };
        let kept = ["doc", "deprecated", "allow"];
        let docs = function.attrs.iter().filter(|a| kept.iter().any(|name| a.path().is_ident(name)));
        let method = Self { kind, name: signature.ident.clone(), arguments, returned, docs: docs.cloned().collect() };
        name_lifetime(function);
        Ok(Some(method))
    }

    /// The name under which it is called.
    pub(crate) fn exported_name(&self) -> String {
        match self.kind {
            Kind::Init => "init".to_owned(),
            Kind::Upgrade => "upgrade".to_owned(),
            Kind::View | Kind::Call => self.name.unraw().to_string(),
        }
    }
}

impl Argument {
    fn parse(input: &FnArg) -> Result<Self> {
        if let FnArg::Typed(argument) = input
            && let Pat::Ident(name) = &*argument.pat
        {
            return Ok(Self { name: name.ident.clone(), written: (*argument.ty).clone() });
        }
        Err(Error::new_spanned(
            input,
            "an argument of a contract's method is `name: type`: the name is part of the interface",
        ))
    }

    /// The type without the reference, if there is one.
    pub(crate) fn referenced(&self) -> Option<&Type> {
        match &self.written {
            Type::Reference(reference) => Some(&reference.elem),
            _ => None,
        }
    }
}

fn take_kind(attributes: &mut Vec<Attribute>) -> Result<Option<Kind>> {
    let mut found = None;
    let mut excess = None;
    attributes.retain(|attribute| {
        let path = attribute.path();
        let kind = if path.is_ident("init") {
            Kind::Init
        } else if path.is_ident("upgrade") {
            Kind::Upgrade
        } else if path.is_ident("view") {
            Kind::View
        } else {
            return true;
        };
        if attribute.meta.require_path_only().is_err() {
            excess = Some(Error::new_spanned(attribute, "takes no arguments"));
        } else if found.replace(kind).is_some() {
            excess = Some(Error::new_spanned(attribute, "a method is one of #[init], #[view], #[upgrade]"));
        }
        false
    });
    excess.map_or(Ok(found), Err)
}

fn refuse_modifiers(signature: &syn::Signature) -> Result<()> {
    let refused = if let Some(token) = &signature.asyncness {
        Some(Error::new_spanned(token, "a contract's method is not async"))
    } else if let Some(token) = &signature.unsafety {
        Some(Error::new_spanned(token, "a contract's method is not unsafe"))
    } else if !signature.generics.params.is_empty() {
        Some(Error::new_spanned(&signature.generics, "a contract's method is not generic: callers only know its name"))
    } else {
        None
    };
    refused.map_or(Ok(()), Err)
}

/// The first argument must be `&Context` for a view and `&mut Context` for everything else.
fn check_context(kind: Kind, input: Option<&FnArg>, whole: proc_macro2::Span) -> Result<()> {
    let Some(FnArg::Typed(context)) = input else {
        return Err(Error::new(
            input.map_or(whole, Spanned::span),
            "a contract's method starts with `cx: &mut Context`, or, if it is a #[view], with \
             `cx: &Context`; its state lies behind the context, not in `self`",
        ));
    };
    let mutable = match &*context.ty {
        Type::Reference(reference) if is_context(&reference.elem) => reference.mutability.is_some(),
        other => {
            return Err(Error::new_spanned(other, "expected `&mut Context` or `&Context`"));
        }
    };
    match (kind, mutable) {
        (Kind::View, true) => Err(Error::new_spanned(&context.ty, "a #[view] changes nothing: take `&Context`")),
        (Kind::Init | Kind::Upgrade | Kind::Call, false) => Err(Error::new_spanned(
            &context.ty,
            "take `&mut Context`, or mark the method #[view] if it changes nothing",
        )),
        _ => Ok(()),
    }
}

fn is_context(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|s| s.ident == "Context"))
}

fn is_str(ty: &Type) -> bool {
    matches!(ty, Type::Reference(reference) if matches!(&*reference.elem, Type::Path(path) if path.path.is_ident("str")))
}

/// Lets authors write `&mut Context` for `&mut Context<'_>`, also under `rust_2018_idioms`.
fn name_lifetime(function: &mut ImplItemFn) {
    for input in &mut function.sig.inputs {
        if let FnArg::Typed(argument) = input
            && let Type::Reference(reference) = &mut *argument.ty
            && is_context(&reference.elem)
            && let Type::Path(path) = &mut *reference.elem
            && let Some(last) = path.path.segments.last_mut()
            && last.arguments.is_none()
        {
            last.arguments = PathArguments::AngleBracketed(parse_quote!(<'_>));
        }
    }
}
