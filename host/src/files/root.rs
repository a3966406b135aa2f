//! The jail: everything is opened relative to one folder's handle, beneath it
//! only, and only regular files come out (faults G37 and G38).
//!
//! On cap-std: on Linux that is `openat2` with `RESOLVE_BENEATH` and
//! `RESOLVE_NO_MAGICLINKS`, so the kernel judges each step of the way while it
//! takes it and a swapped link finds no gap. Using `openat2` ourselves would be
//! as short, but fails where a container's seccomp filter or an old kernel does
//! not let it through; there and on other systems cap-std walks by hand, no less
//! strictly. It is compiled in anyway, for wasmtime.
//!
//! A link that stays beneath the root works, because ConfigMap volumes of
//! Kubernetes and many releases are built of such links. One that is absolute
//! or leaves the root on its way, even to come back, is refused.
//!
//! Everything here blocks. This file must never know HTTP.

use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use rustix::fs::OFlags;
use rustix::io::Errno;

/// A folder that is held open.
#[derive(Debug)]
pub(super) struct Root {
    dir: Dir,
    /// For the log, and to see whether another folder has it now.
    name: PathBuf,
}

/// What a path names, if it may be shown.
pub(super) enum Node {
    Folder,
    /// A regular file, with its metadata as its own handle gave them.
    File(File, Metadata),
}

impl Root {
    pub(super) fn open(path: &Path) -> anyhow::Result<Root> {
        let dir = Dir::open_ambient_dir(path, cap_std::ambient_authority())
            .with_context(|| format!("cannot open the static folder `{}`", path.display()))?;
        Ok(Root { dir, name: path.to_owned() })
    }

    pub(super) fn name(&self) -> &Path {
        &self.name
    }

    /// Whether the name still leads to this folder, or to none.
    pub(super) fn is_current(&self) -> bool {
        let (Ok(here), Ok(there)) = (self.dir.dir_metadata(), std::fs::metadata(&self.name)) else {
            return true;
        };
        use cap_std::fs::MetadataExt as _;
        use std::os::unix::fs::MetadataExt as _;
        !there.is_dir() || (here.dev(), here.ino()) == (there.dev(), there.ino())
    }

    /// What is at `path`; `None` for whatever is not there or not for strangers,
    /// an error only for what is nobody's choice, such as a failing disk.
    pub(super) fn look(&self, path: &Path) -> io::Result<Option<Node>> {
        match self.node(path) {
            Err(error) if is_refusal(&error) => Ok(None),
            other => other,
        }
    }

    fn node(&self, path: &Path) -> io::Result<Option<Node>> {
        // To open a FIFO wakes its writer and to open a device may rewind a
        // tape, so what is not a regular file is not even opened.
        let seen = self.dir.metadata(path)?;
        if seen.is_dir() {
            return Ok(Some(Node::Folder));
        }
        if !seen.is_file() {
            return Ok(None);
        }
        // It may be something else by now. Then the flags keep the open from
        // waiting for a writer, and the check on the handle has the last word.
        let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(flags.bits().cast_signed());
        let file = self.dir.open_with(path, &options)?.into_std();
        let metadata = file.metadata()?;
        if !metadata.is_file() || is_made_by_kernel(&file)? {
            return Ok(None);
        }
        Ok(Some(Node::File(file, metadata)))
    }
}

/// True for an error that says that the path leads to nothing a stranger may
/// have, however it says so. All of them become one answer.
fn is_refusal(error: &io::Error) -> bool {
    match Errno::from_io_error(error) {
        Some(errno) => matches!(
            errno,
            Errno::NOENT
                | Errno::NOTDIR
                | Errno::ISDIR
                | Errno::ACCESS
                | Errno::PERM
                | Errno::LOOP
                | Errno::NAMETOOLONG
                | Errno::INVAL
                | Errno::ILSEQ
                | Errno::XDEV
                | Errno::NXIO
                | Errno::NODEV
                | Errno::STALE
        ),
        // cap-std's own error for a path that leads out has no number.
        None => {
            matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput)
        }
    }
}

/// True for a file of `/proc`, `/sys` and their like. They call themselves
/// regular, but are a view into the kernel, and could be mounted below the root.
#[cfg(target_os = "linux")]
fn is_made_by_kernel(file: &File) -> io::Result<bool> {
    /// From `linux/magic.h`: proc, sysfs, cgroup, cgroup2, debugfs, tracefs,
    /// configfs, securityfs, selinuxfs, pstore, efivarfs, bpf.
    const MAGIC: [u32; 12] = [
        0x0000_9fa0,
        0x6265_6572,
        0x0027_e0eb,
        0x6367_7270,
        0x6462_6720,
        0x7472_6163,
        0x6265_6570,
        0x7363_6673,
        0xf97c_ff8c,
        0x6165_676c,
        0xde5e_81e4,
        0xcafe_4a11,
    ];
    // Signed or not, of 32 or 64 bits, as the architecture has it.
    let magic = rustix::fs::fstatfs(file)?.f_type as u32;
    Ok(MAGIC.contains(&magic))
}

#[cfg(not(target_os = "linux"))]
fn is_made_by_kernel(_file: &File) -> io::Result<bool> {
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_disk_is_not_a_missing_file() {
        for errno in [Errno::IO, Errno::MFILE, Errno::NFILE, Errno::NOMEM] {
            assert!(!is_refusal(&errno.into()), "{errno}");
        }
        for errno in [Errno::NOENT, Errno::ACCESS, Errno::LOOP, Errno::NXIO] {
            assert!(is_refusal(&errno.into()), "{errno}");
        }
        assert!(is_refusal(&io::ErrorKind::PermissionDenied.into()));
        assert!(!is_refusal(&io::Error::other("strange")));
    }
}
