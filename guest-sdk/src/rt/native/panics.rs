//! A panic's words, where nothing else says them.

/// Has panics told to the log. Where there is WASI the standard library prints them; a
/// module without it says nothing.
pub(super) fn tell() {
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    {
        use std::sync::Once;
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            std::panic::set_hook(Box::new(|panic| super::super::log(format_args!("{panic}"))));
        });
    }
}
