//! The folders that a generation is granted. They are opened once, when it is made, and
//! all its instances share them: no thread that runs guests waits for a disk, and no
//! instance is given what has taken a folder's name since.

use super::data::Data;
use crate::config::{Access, Folder};
use wasmtime::component::ResourceTable;
use wasmtime_wasi::filesystem::{WasiFilesystemCtx, WasiFilesystemView};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxView, WasiView};

#[derive(Default)]
pub(crate) struct GrantedFolders(WasiFilesystemCtx);

impl GrantedFolders {
    /// Blocks for as long as a disk does.
    pub(crate) fn open(folders: &[Folder]) -> Result<Self, String> {
        let mut wasi = WasiCtx::builder();
        for Folder { host, guest, access } in folders {
            let perms = match access {
                Access::Read => FsPerms::ReadOnly,
                Access::ReadWrite => FsPerms::ReadWrite,
            };
            let opened = wasi.preopened_dir(host, guest, perms);
            opened.map_err(|e| format!("cannot open folder `{}`: {e:#}", host.display()))?;
        }
        let mut opened = Opened(wasi.build(), ResourceTable::new());
        Ok(GrantedFolders(opened.filesystem().ctx.clone()))
    }

    pub(super) fn give(&self, data: &mut Data) {
        *data.filesystem().ctx = self.0.clone();
    }
}

/// Only a view shows a context's folders.
struct Opened(WasiCtx, ResourceTable);

impl WasiView for Opened {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.0, table: &mut self.1 }
    }
}
