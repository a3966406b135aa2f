//! Real sockets on loopback; only the name server is a table.

mod addresses;
mod blocked;
mod denied;
mod faults;
mod harness;
mod http2;
mod pooling;
mod requests;
mod secure;
mod tls;
