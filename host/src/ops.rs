//! For the operator: the admin listener with health, status and metrics.

mod admin;
mod metrics;

pub use admin::{Admin, serve};
