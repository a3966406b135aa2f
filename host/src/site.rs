//! What is being served: handlers with their generations, the current site behind
//! one atomic pointer, and the reloads that replace it.

mod given;
mod handler;
mod inspect;
mod load;
mod precious;
mod read;
mod refusal;
mod registry;
mod reload;
mod state;
mod status;
mod watch;

pub use handler::{Generation, Handler, InFlight};
pub(crate) use inspect::inspect_site;
pub(crate) use load::{Workshop, load_site};
pub(crate) use read::read_component;
pub use registry::{Goal, Registry, Site};
pub use reload::Reloader;
pub(crate) use state::{Place, State};
pub use status::{HandlerStatus, ReloadStatus, SiteStatus};
