//! Where an index goes, and how it comes into being there: as a whole or not at all.

use std::{
    fs::{File, FileType},
    io::{self, BufWriter, Write},
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
};

use crate::nearby::embedded::build::Builder;

/// Where the output goes: what comes into being under its name replaces a file or nothing. Renaming would replace anything
/// else too, a device as well as a link to a file.
pub(super) fn destination(output: &Path) -> io::Result<PathBuf> {
    match output.metadata().map(|found| found.file_type()) {
        Ok(found) if !found.is_file() => {
            return Err(io::Error::other(format!("expected a file, found {}", kind_of(found))));
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        // A new file, perhaps where a link leads that leads nowhere yet.
        Ok(_) | Err(_) => {}
    }
    let mut path = output.to_owned();
    // It ends, since the system has just followed the links: it gives up after 40.
    while let Ok(target) = path.read_link() {
        path.pop();
        path.push(target);
    }
    Ok(path)
}

fn kind_of(found: FileType) -> &'static str {
    if found.is_dir() {
        "a folder"
    } else if found.is_fifo() {
        "a pipe"
    } else if found.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

/// Writes beside the output and renames. A failed import leaves nothing behind.
pub(super) fn write(builder: Builder, output: &Path) -> io::Result<(usize, u64)> {
    let mut name = output.file_name().ok_or_else(|| io::Error::other("this is no file name"))?.to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = output.with_file_name(name);
    let written = File::create(&temporary).and_then(|file| {
        let mut out = BufWriter::with_capacity(1 << 20, file);
        let places = builder.write(&mut out)?;
        out.flush()?;
        out.get_ref().sync_all()?;
        let bytes = out.get_ref().metadata()?.len();
        std::fs::rename(&temporary, output)?;
        Ok((places, bytes))
    });
    if written.is_err() {
        // The first error is the one to tell; there may be no file to remove.
        let _ = std::fs::remove_file(&temporary);
    }
    written
}
