//! From a wasmtime error to a fault: which limit was hit, or what the guest did.

use super::data::Data;
use crate::fault::{Fault, FaultKind};
use rustix::io::Errno;
use std::any::Any;
use wasmtime::Trap;
use wasmtime_wasi::{I32Exit, ResourceTableError};

/// A call has computed for longer than its limit.
#[derive(Debug, thiserror::Error)]
#[error("computed for more than {} ms", .0.as_millis())]
pub(super) struct CpuExceeded(pub(super) std::time::Duration);

/// Tells what ended an instance. `data` is that of its store.
pub(super) fn classify(error: &wasmtime::Error, data: &Data) -> Fault {
    let kind = kind_of(error, data);
    // The alternate form would drop the guest's backtrace; Debug has cause and
    // frames with the names of functions.
    Fault::new(kind, format!("{error:?}"))
}

fn kind_of(error: &wasmtime::Error, data: &Data) -> FaultKind {
    if error.downcast_ref::<CpuExceeded>().is_some() {
        return FaultKind::Cpu;
    }
    if error.downcast_ref::<I32Exit>().is_some() {
        return FaultKind::Exit;
    }
    if matches!(error.downcast_ref::<ResourceTableError>(), Some(ResourceTableError::Full)) {
        return FaultKind::Resources;
    }
    if error.downcast_ref::<wasmtime::PoolConcurrencyLimitError>().is_some() {
        return FaultKind::InFlight;
    }
    if is_shortage(error) {
        return FaultKind::Unavailable;
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => return FaultKind::Stack,
        Some(Trap::AllocationTooLarge) => return FaultKind::Memory,
        Some(Trap::MemoryOutOfBounds) if is_below_zero(error) => return FaultKind::Stack,
        _ => {}
    }
    let text = format!("{error:#}");
    if text.contains(HOSTCALL_FUEL) {
        return FaultKind::Hostcall;
    }
    if text.contains(HANDLES) {
        return FaultKind::Resources;
    }
    // A guest whose allocation was denied gives up in its own way.
    if data.limiter.denied() { FaultKind::Memory } else { FaultKind::Trap }
}

/// Whether the system had no descriptor or memory left, which is nobody's fault.
fn is_shortage(error: &wasmtime::Error) -> bool {
    let errno = error.downcast_ref::<Errno>().copied();
    let errno = errno.or_else(|| error.downcast_ref().and_then(Errno::from_io_error));
    errno.is_some_and(|errno| matches!(errno, Errno::MFILE | Errno::NFILE | Errno::NOMEM))
}

/// Compilers for WebAssembly keep large frames on a stack of their own that grows
/// down to address 0: the access that overflows it wraps around to the top of the
/// 32-bit address space, where no guest of ours has memory.
fn is_below_zero(error: &wasmtime::Error) -> bool {
    /// The largest frame that is told from a wild pointer.
    const FRAME: u64 = 16 << 20;
    let text = format!("{error:#}");
    let address = text.split_once(MEMORY_FAULT).and_then(|(_, rest)| {
        let digits = rest.split(|c: char| !c.is_ascii_hexdigit()).next()?;
        u64::from_str_radix(digits, 16).ok()
    });
    address.is_some_and(|address| address > (1 << 32) - FRAME)
}

/// wasmtime does not give the address in another way (`runtime/vm.rs`).
const MEMORY_FAULT: &str = "memory fault at wasm address 0x";

/// wasmtime has no type for this error (`component/func/options.rs`).
const HOSTCALL_FUEL: &str = "too much data is being copied between the host and the guest";

/// Nor for this, of streams, futures and tasks (`vm/component/handle_table.rs`).
const HANDLES: &str = "handle limit exceeded";

/// The words of a panic.
pub(super) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no words".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn what_the_system_lacks_is_no_bug() {
        let lacks = |errno: Errno| wasmtime::Error::from(io::Error::from(errno));
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOMEM] {
            assert!(is_shortage(&lacks(errno)) && is_shortage(&wasmtime::Error::from(errno)));
        }
        assert!(!is_shortage(&lacks(Errno::NOENT)));
    }
}
