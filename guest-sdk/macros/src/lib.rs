//! The macros of `squall-sdk`. They are documented there, as `squall_sdk::handler` and
//! `squall_sdk::schema`.
//!
//! The attribute knows nothing of the world that the component targets: it checks
//! the shape of the function, leaves it as it is, and hands a call of it to
//! `squall_sdk::__rt::export_handler!`.

#![deny(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test fails by it"))]

mod schema;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, FnArg, ItemFn, ReturnType, Signature, Type};

/// The macro itself is in the crate `squall-sdk-macros`.
#[proc_macro]
pub fn schema(number: proc_macro::TokenStream) -> proc_macro::TokenStream {
    schema::expand(number.into()).into()
}

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
        Ok(shape) => {
            let export = export(&shape, &function);
            quote!(#function #export)
        }
        Err(error) => {
            let error = error.into_compile_error();
            quote!(#error #function)
        }
    }
}

/// What a function makes a handler by.
enum Shape {
    /// Being called for each request.
    Answers,
    /// Making a tower service, which is called for each request.
    MakesService,
}

fn check(arguments: &TokenStream, function: &ItemFn) -> Result<Shape, Error> {
    if !arguments.is_empty() {
        return Err(Error::new_spanned(
            arguments,
            "#[handler] takes no arguments: routes and limits are in squall.toml",
        ));
    }
    let signature = &function.sig;
    if !signature.generics.params.is_empty() {
        return Err(Error::new_spanned(
            &signature.generics,
            "a handler cannot be generic: the server calls exactly one function",
        ));
    }
    for input in &signature.inputs {
        match input {
            FnArg::Receiver(receiver) => {
                return Err(Error::new_spanned(
                    receiver,
                    "a handler is a free function: it has no `self`",
                ));
            }
            FnArg::Typed(input) => {
                if let Type::ImplTrait(ty) = &*input.ty {
                    return Err(Error::new_spanned(
                        ty,
                        "a handler cannot be generic: write the type of each argument",
                    ));
                }
            }
        }
    }
    if signature.asyncness.is_some() {
        return Ok(Shape::Answers);
    }
    // Without a result it can only have been meant to answer.
    if signature.inputs.is_empty() && matches!(signature.output, ReturnType::Type(..)) {
        return Ok(Shape::MakesService);
    }
    Err(Error::new(
        signature.fn_token.span,
        "a handler must be async: write `async fn`, or for one that makes a tower service \
         `fn` without arguments",
    ))
}

fn export(shape: &Shape, function: &ItemFn) -> TokenStream {
    let answer = match shape {
        Shape::Answers => call(&function.sig),
        Shape::MakesService => call_service(&function.sig),
    };
    quote! {
        // Exported macros live at the root of their crate, so a second handler in
        // any module of it is the error «defined multiple times» for this name.
        #[doc(hidden)]
        #[macro_export]
        macro_rules! a_component_has_only_one_handler {
            () => {};
        }
        ::squall_sdk::__rt::export_handler!(async |request: ::squall_sdk::Request| { #answer });
    }
}

/// Makes the arguments from the request, one after the other, and answers it.
///
/// What is wrong with a type is said where it is written, not at the attribute,
/// because the code that asks something of it claims to stand there.
fn call(signature: &Signature) -> TokenStream {
    let types: Vec<&Type> = signature
        .inputs
        .iter()
        .filter_map(|input| match input {
            FnArg::Typed(input) => Some(&*input.ty),
            FnArg::Receiver(_) => None,
        })
        .collect();
    let arguments: Vec<Ident> = (0..types.len())
        .map(|n| format_ident!("argument_{n}", span = Span::mixed_site()))
        .collect();
    let made = arguments.iter().zip(&types).enumerate().map(|(n, (argument, ty))| {
        let made = if n + 1 < types.len() {
            quote_spanned!(ty.span()=> ::squall_sdk::__rt::argument(&request).await)
        } else {
            quote_spanned!(ty.span()=> ::squall_sdk::__rt::last_argument(request).await)
        };
        quote! {
            let #argument = match #made {
                ::core::result::Result::Ok(argument) => argument,
                ::core::result::Result::Err(response) => return response,
            };
        }
    });
    let name = &signature.ident;
    let response = quote_spanned!(result(signature)=>
        ::squall_sdk::__rt::respond(#name(#(#arguments),*).await));
    quote!(_ = &request; #(#made)* #response)
}

/// Makes the service once. An instance has one thread, so that is once per instance.
fn call_service(signature: &Signature) -> TokenStream {
    let span = result(signature);
    let mut name = signature.ident.clone();
    name.set_span(name.span().located_at(span));
    let app = quote_spanned!(span=> ::squall_sdk::__rt::App::new(#name()));
    quote! {
        ::std::thread_local! {
            static APP: ::squall_sdk::__rt::App = #app;
        }
        APP.with(|app| app.call(request)).await
    }
}

fn result(signature: &Signature) -> Span {
    match &signature.output {
        ReturnType::Type(_, ty) => ty.span(),
        ReturnType::Default => signature.ident.span(),
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
            quote!(
                async fn hello(Path(id): Path<u64>, method: Method, Json(b): Json<B>) {}
            ),
            quote!(
                fn app() -> axum::Router {
                    axum::Router::new()
                }
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
                    fn hello(request: Request) -> Response {}
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
                    async fn hello(a: impl Into<Body>) {}
                ),
                "write the type of each argument",
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
