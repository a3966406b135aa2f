//! Reads a value out of all parts of a path.

use super::value::{Fault, Value};
use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use std::vec;

/// The parts in their order, with their names.
pub(super) struct Captures(Vec<(String, String)>);

impl Captures {
    pub(super) fn new(captures: Vec<(String, String)>) -> Self {
        Self(captures)
    }

    fn only(self) -> Result<Value, Fault> {
        match <[_; 1]>::try_from(self.0) {
            Ok([(name, text)]) => Ok(Value { name, text }),
            Err(captures) => {
                let reason = format!("one value, and {} named parts", captures.len());
                Err(Fault::Shape(reason))
            }
        }
    }

    fn map(self, fields: &'static [&'static str]) -> Map {
        Map { rest: self.0.into_iter(), fields, next: None }
    }
}

macro_rules! of_the_only_part {
    ($($deserialize:ident)*) => {$(
        fn $deserialize<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            self.only()?.$deserialize(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Captures {
    type Error = Fault;

    of_the_only_part! {
        deserialize_bool deserialize_char deserialize_str deserialize_string
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64
    }
    forward_to_deserialize_any! { bytes byte_buf unit_struct map identifier ignored_any }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_map(self.map(&[]))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_map(self.map(fields))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_seq(Seq(self.0.into_iter()))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, n: usize, visitor: V) -> Result<V::Value, Fault> {
        if self.0.len() != n {
            return Err(Fault::invalid_length(self.0.len(), &visitor));
        }
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        n: usize,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_tuple(n, visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.only()?.deserialize_enum(name, variants, visitor)
    }
}

struct Seq(vec::IntoIter<(String, String)>);

impl<'de> SeqAccess<'de> for Seq {
    type Error = Fault;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Fault> {
        let part = self.0.next();
        part.map(|(name, text)| seed.deserialize(Value { name, text })).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

struct Map {
    rest: vec::IntoIter<(String, String)>,
    /// What the struct calls them. Their names may have come in another case.
    fields: &'static [&'static str],
    next: Option<Value>,
}

impl<'de> MapAccess<'de> for Map {
    type Error = Fault;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Fault> {
        let Some((name, text)) = self.rest.next() else { return Ok(None) };
        let field = self.fields.iter().find(|field| field.eq_ignore_ascii_case(&name));
        let key: StrDeserializer<'_, Fault> =
            field.map_or(&*name, |field| field).into_deserializer();
        let key = seed.deserialize(key)?;
        self.next = Some(Value { name, text });
        Ok(Some(key))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Fault> {
        let value = self.next.take().ok_or_else(|| Fault::custom("a value before its name"))?;
        seed.deserialize(value)
    }
}
