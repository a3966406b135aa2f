//! What is being served: handlers with their generations, the current site behind
//! one atomic pointer, and the reloads that replace it.

mod handler;
mod load;
mod registry;
mod reload;
mod status;
mod watch;

pub use handler::{Generation, Handler, InFlight};
pub use load::LoadError;
pub(crate) use load::{Workshop, load_site};
pub use registry::{Goal, Registry, Site};
pub use reload::{Reload, Reloader};
pub use status::{HandlerStatus, ReloadStatus, SiteStatus};
