//! Reads a value out of one part of a path.

use serde::de::value::StringDeserializer;
use serde::de::{Deserializer, Error, Expected, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use std::fmt;
use std::str::FromStr;

/// One part, percent-decoded.
pub(super) struct Value {
    pub(super) name: String,
    pub(super) text: String,
}

/// Why there is no value.
#[derive(Debug)]
pub(super) enum Fault {
    /// A part is not such a value.
    Value(String),
    /// The parts as a whole do not fit, whatever they are.
    Shape(String),
}

impl Value {
    fn parse<T: FromStr>(&self, wanted: &str) -> Result<T, Fault> {
        let Self { name, text } = self;
        let fault = |_| Fault::Value(format!("`{name}`: `{text}` is not a {wanted}"));
        text.parse().map_err(fault)
    }

    /// The text, and what names the part in a fault that is found in it.
    fn split(self) -> (StringDeserializer<Fault>, impl FnOnce(Fault) -> Fault) {
        let Self { name, text } = self;
        let named = move |fault| match fault {
            Fault::Value(fault) => Fault::Value(format!("`{name}`: {fault}")),
            Fault::Shape(fault) => Fault::Shape(fault),
        };
        (text.into_deserializer(), named)
    }
}

macro_rules! parsed {
    ($($deserialize:ident $visit:ident $type:ident,)*) => {$(
        fn $deserialize<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            visitor.$visit(self.parse(stringify!($type))?)
        }
    )*};
}

impl<'de> Deserializer<'de> for Value {
    type Error = Fault;

    parsed! {
        deserialize_bool visit_bool bool,
        deserialize_char visit_char char,
        deserialize_i8 visit_i8 i8,
        deserialize_i16 visit_i16 i16,
        deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64,
        deserialize_i128 visit_i128 i128,
        deserialize_u8 visit_u8 u8,
        deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64,
        deserialize_u128 visit_u128 u128,
        deserialize_f32 visit_f32 f32,
        deserialize_f64 visit_f64 f64,
    }
    forward_to_deserialize_any! {
        str string bytes byte_buf seq tuple tuple_struct map struct identifier ignored_any
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let (text, named) = self.split();
        text.deserialize_any(visitor).map_err(named)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let (text, named) = self.split();
        text.deserialize_enum(name, variants, visitor).map_err(named)
    }
}

/// What serde itself finds to be wrong with the parts as a whole is of the shape.
impl Error for Fault {
    fn custom<T: fmt::Display>(reason: T) -> Self {
        Self::Value(reason.to_string())
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Shape(format!("no part is named `{field}`"))
    }

    fn unknown_field(field: &str, _: &'static [&'static str]) -> Self {
        Self::Shape(format!("the part `{field}` is not expected"))
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Self::Shape(format!("{expected}, and {length} named parts"))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Value(reason) | Self::Shape(reason)) = self;
        f.write_str(reason)
    }
}

impl std::error::Error for Fault {}
