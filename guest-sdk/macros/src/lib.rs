//! The attribute macro of `squall-sdk`. It is documented there, as
//! `squall_sdk::handler`.
//!
//! The macro knows nothing of the world that the component targets: it checks
//! the shape of the function, leaves it as it is, and hands it to
//! `squall_sdk::__rt::export_handler!`.

#![deny(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test fails by it"))]

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, FnArg, ItemFn, ReturnType};

/// The attribute itself is in the crate `squall-sdk-macros`.
#[proc_macro_attribute]
pub fn handler(
    arguments: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    expand(arguments.into(), item.into()).into()
}

/// On a fault the function itself is kept, so that the author sees one error and
/// not also those of every place that calls it.
fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let function: ItemFn = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(_) => {
            let error = Error::new_spanned(
                item.clone(),
                "#[handler] stands on an async function, and this is not a function",
            )
            .into_compile_error();
            return quote!(#error #item);
        }
    };
    match check(&arguments, &function) {
        Ok(()) => {
            let export = export(&function);
            quote!(#function #export)
        }
        Err(error) => {
            let error = error.into_compile_error();
            quote!(#error #function)
        }
    }
}

fn check(arguments: &TokenStream, function: &ItemFn) -> Result<(), Error> {
    if !arguments.is_empty() {
        return Err(Error::new_spanned(
            arguments,
            "#[handler] takes no arguments: routes and limits are in squall.toml",
        ));
    }
    let signature = &function.sig;
    if signature.asyncness.is_none() {
        return Err(Error::new(
            signature.fn_token.span,
            "a handler must be async: write `async fn`",
        ));
    }
    if !signature.generics.params.is_empty() {
        return Err(Error::new_spanned(
            &signature.generics,
            "a handler cannot be generic: the server calls exactly one function",
        ));
    }
    if let Some(FnArg::Receiver(receiver)) = signature.inputs.first() {
        return Err(Error::new_spanned(receiver, "a handler is a free function: it has no `self`"));
    }
    if let Some(second) = signature.inputs.iter().nth(1) {
        return Err(Error::new_spanned(
            second,
            "a handler takes one argument, the `Request`, or none",
        ));
    }
    Ok(())
}

fn export(function: &ItemFn) -> TokenStream {
    let name = &function.sig.ident;
    // What is wrong with a type is said where it is written, not at the attribute,
    // because the code that asks something of it claims to stand there.
    let argument = function.sig.inputs.first().map(|input| {
        let span = match input {
            FnArg::Typed(input) => input.ty.span(),
            FnArg::Receiver(_) => name.span(),
        };
        quote_spanned!(span=> ::squall_sdk::__rt::argument(request))
    });
    let span = match &function.sig.output {
        ReturnType::Type(_, ty) => ty.span(),
        ReturnType::Default => name.span(),
    };
    let response = quote_spanned!(span=> ::squall_sdk::__rt::respond(#name(#argument).await));
    quote! {
        // Exported macros live at the root of their crate, so a second handler in
        // any module of it is the error «defined multiple times» for this name.
        #[doc(hidden)]
        #[macro_export]
        macro_rules! a_component_has_only_one_handler {
            () => {};
        }
        ::squall_sdk::__rt::export_handler!(async |request: ::squall_sdk::Request| {
            _ = &request;
            #response
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The message of the one compile error that `item` is answered with.
    fn fault(arguments: TokenStream, item: TokenStream) -> String {
        let text = expand(arguments, item).to_string();
        let (_, rest) = text.split_once("compile_error").expect("a compile error");
        let message = rest.split('"').nth(1).expect("a message");
        message.to_owned()
    }

    #[test]
    fn accepted_shapes_are_exported_and_left_as_they_are() {
        for item in [
            quote!(
                async fn hello() -> &'static str {
                    "hello"
                }
            ),
            quote!(
                async fn hello(request: Request) -> Response {
                    answer_to(request)
                }
            ),
            quote!(
                pub(crate) async fn hello(_: Request) -> impl IntoResponse {
                    "hello"
                }
            ),
            quote!(
                async fn hello(mut request: http::Request<Body>) {}
            ),
        ] {
            let text = expand(TokenStream::new(), item.clone()).to_string();
            assert!(text.starts_with(&item.to_string()), "{text}");
            assert!(text.contains("export_handler !"), "{text}");
            assert!(!text.contains("compile_error"), "{text}");
        }
    }

    #[test]
    fn each_fault_has_its_message() {
        let none = TokenStream::new;
        for (arguments, item, message) in [
            (
                none(),
                quote!(
                    fn hello() {}
                ),
                "a handler must be async",
            ),
            (
                none(),
                quote!(
                    struct Hello;
                ),
                "this is not a function",
            ),
            (
                quote!(path = "/"),
                quote!(
                    async fn hello() {}
                ),
                "takes no arguments",
            ),
            (
                none(),
                quote!(
                    async fn hello<T>(request: T) {}
                ),
                "cannot be generic",
            ),
            (
                none(),
                quote!(
                    async fn hello<'a>(request: &'a str) {}
                ),
                "cannot be generic",
            ),
            (
                none(),
                quote!(
                    async fn hello(&self) {}
                ),
                "free function",
            ),
            (
                none(),
                quote!(
                    async fn hello(a: Request, b: u32) {}
                ),
                "takes one argument",
            ),
        ] {
            let found = fault(arguments, item);
            assert!(found.contains(message), "`{found}` does not say `{message}`");
        }
    }

    #[test]
    fn a_fault_keeps_the_function() {
        let text = expand(
            TokenStream::new(),
            quote!(
                fn hello() {}
            ),
        )
        .to_string();
        assert!(text.ends_with("fn hello () { }"), "{text}");
    }
}
