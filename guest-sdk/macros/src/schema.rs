//! The number of a component's state, in a section that the server reads.

use proc_macro2::{Literal, Span, TokenStream};
use quote::quote;
use syn::{Error, LitInt};

pub(crate) fn expand(number: TokenStream) -> TokenStream {
    read(number).map_or_else(Error::into_compile_error, section)
}

const WORDS: &str = "a schema is a whole number from 0 to 4294967295: `schema!(1)`";

fn read(number: TokenStream) -> Result<u32, Error> {
    if number.is_empty() {
        return Err(Error::new(Span::call_site(), WORDS));
    }
    let literal: Result<LitInt, _> = syn::parse2(number.clone());
    let read = literal.ok().and_then(|literal| literal.base10_parse().ok());
    read.ok_or_else(|| Error::new_spanned(number, WORDS))
}

/// Two of them would be joined by the linker and read as one number.
fn section(number: u32) -> TokenStream {
    let digits = number.to_string();
    let (length, digits) = (digits.len(), Literal::byte_string(digits.as_bytes()));
    quote! {
        // Exported macros live at the root of their crate, so a second schema in
        // any module of it is the error «defined multiple times» for this name.
        #[doc(hidden)]
        #[macro_export]
        macro_rules! a_component_has_only_one_schema {
            () => {};
        }
        // Elsewhere sections have other names.
        #[cfg(target_family = "wasm")]
        const _: () = {
            #[used]
            #[unsafe(link_section = "squall:schema")]
            static SCHEMA: [u8; #length] = *#digits;
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_section_has_decimal_digits() {
        for (number, digits) in [
            (quote!(0), "= * b\"0\""),
            (quote!(1_000), "= * b\"1000\""),
            (quote!(0x10), "= * b\"16\""),
            (quote!(4294967295), "= * b\"4294967295\""),
        ] {
            let text = expand(number).to_string();
            assert!(text.contains(digits), "{text}");
        }
    }

    #[test]
    fn what_is_no_schema_is_told() {
        for number in [
            quote!(),
            quote!(-1),
            quote!(4294967296),
            quote!("1"),
            quote!(1.0),
            quote!(1, 2),
            quote!(ONE),
        ] {
            let text = expand(number).to_string();
            assert!(text.contains("whole number from 0 to 4294967295"), "{text}");
        }
    }
}
