//! Components in text, where exactness matters.

/// A component of `wasi:http/proxy@0.2` whose handler is `body`, and whose core
/// module also has `fields` (memories, tables, a start function).
pub(crate) fn wat02(fields: &str, body: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
          (import "wasi:http/types@0.2.0" (instance $types
            (export "incoming-request" (type (sub resource)))
            (export "response-outparam" (type (sub resource)))))
          (alias export $types "incoming-request" (type $request))
          (alias export $types "response-outparam" (type $out))
          (core module $m
            {fields}
            (func (export "handle") (param i32 i32) {body}))
          (core instance $i (instantiate $m))
          (func $handle (param "request" (own $request)) (param "response-out" (own $out))
            (canon lift (core func $i "handle")))
          (instance $handler (export "handle" (func $handle)))
          (export "wasi:http/incoming-handler@0.2.0" (instance $handler)))"#
    );
    wat::parse_str(&text).unwrap_or_else(|e| panic!("{e}"))
}
