//! A log file that is put aside when it is full, and survives a disk that is full for a while.
//!
//! Knows whole lines and nothing of what they mean. What a failed write leaves behind is cut off before the next one,
//! so no line is ever half there.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::PathBuf,
};

use super::TrafficSettings;

/// The current file and those before it.
#[derive(Debug)]
pub(super) struct RotatingFile {
    settings: TrafficSettings,
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    file: File,
    /// Bytes of whole lines in it.
    bytes: u64,
}

impl RotatingFile {
    pub(super) const fn new(settings: TrafficSettings) -> Self {
        Self { settings, current: None }
    }

    /// Appends whole lines, going on in a new file wherever the next line would make the current one too large.
    /// Takes what was written off the front of `lines`.
    ///
    /// # Errors
    /// The file system is at fault; what is left in `lines` was not written, and the next call opens the file anew.
    pub(super) fn write(&mut self, lines: &mut &[u8]) -> io::Result<()> {
        while !lines.is_empty() {
            let bytes_max = self.settings.file_bytes_max;
            let current = self.open()?;
            let room = usize::try_from(bytes_max.saturating_sub(current.bytes)).unwrap_or(usize::MAX);
            let Some((fitting, rest)) = split_lines(lines, room, current.bytes == 0) else {
                self.put_aside()?;
                continue;
            };
            if let Err(error) = current.file.write_all(fitting) {
                // If this fails too, the next file is opened behind a broken line and begins with an LF.
                let _ = current.file.set_len(current.bytes);
                self.current = None;
                return Err(error);
            }
            current.bytes += fitting.len() as u64;
            *lines = rest;
        }
        Ok(())
    }

    fn open(&mut self) -> io::Result<&mut Current> {
        let current = match self.current.take() {
            Some(current) => current,
            None => {
                if let Some(folder) = self.settings.path.parent() {
                    fs::create_dir_all(folder)?;
                }
                Current::open(
                    OpenOptions::new().create(true).append(true).read(true).open(&self.settings.path)?,
                )?
            }
        };
        Ok(self.current.insert(current))
    }

    /// Renames every file to the next older name, over the oldest.
    fn put_aside(&mut self) -> io::Result<()> {
        self.current = None;
        for age in (0..self.settings.files_max.saturating_sub(1)).rev() {
            match fs::rename(self.path(age), self.path(age + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        if self.settings.files_max <= 1 {
            fs::remove_file(&self.settings.path)?;
        }
        Ok(())
    }

    fn path(&self, age: u32) -> PathBuf {
        let mut name = OsString::from(&self.settings.path);
        if age > 0 {
            name.push(format!(".{age}"));
        }
        name.into()
    }
}

impl Current {
    /// Goes on after what an earlier process left, which may be half a line.
    fn open(mut file: File) -> io::Result<Self> {
        let mut bytes = file.metadata()?.len();
        if bytes > 0 {
            let mut last = [0];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                file.write_all(b"\n")?;
                bytes += 1;
            }
        }
        Ok(Self { file, bytes })
    }
}

/// As many whole lines as fit into `room` bytes, at least one if `at_least_one`, and the rest; `None` if none fits.
fn split_lines(lines: &[u8], room: usize, at_least_one: bool) -> Option<(&[u8], &[u8])> {
    if lines.len() <= room {
        return Some((lines, &[]));
    }
    let is_lf = |&byte: &u8| byte == b'\n';
    let last = lines.get(..room)?.iter().rposition(is_lf);
    let end = last.or_else(|| at_least_one.then(|| lines.iter().position(is_lf)).flatten())?;
    lines.split_at_checked(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(folder: &tempfile::TempDir, file_bytes_max: u64, files_max: u32) -> TrafficSettings {
        TrafficSettings { path: folder.path().join("logs/A.log"), file_bytes_max, files_max }
    }

    fn contents(folder: &tempfile::TempDir) -> Vec<(String, String)> {
        let mut files: Vec<_> = fs::read_dir(folder.path().join("logs"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                (name, fs::read_to_string(path).unwrap())
            })
            .collect();
        files.sort();
        files
    }

    fn named(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect()
    }

    #[test]
    fn a_full_file_is_put_aside_and_the_oldest_removed() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = RotatingFile::new(settings(&folder, 8, 3));
        file.write(&mut b"1\n22\n333\n4444\n".as_slice()).unwrap();
        assert_eq!(
            contents(&folder),
            named(&[("A.log", "4444\n"), ("A.log.1", "333\n"), ("A.log.2", "1\n22\n")])
        );
        file.write(&mut b"a line longer than a file\nx\n".as_slice()).unwrap();
        let expected = [("A.log", "x\n"), ("A.log.1", "a line longer than a file\n"), ("A.log.2", "4444\n")];
        assert_eq!(contents(&folder), named(&expected));
    }

    #[test]
    fn a_single_file_starts_over() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = RotatingFile::new(settings(&folder, 4, 1));
        file.write(&mut b"1\n2\n3\n".as_slice()).unwrap();
        assert_eq!(contents(&folder), named(&[("A.log", "3\n")]));
    }

    #[test]
    fn half_a_line_of_an_earlier_life_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(&folder, 100, 2);
        fs::create_dir(folder.path().join("logs")).unwrap();
        fs::write(&settings.path, "whole\nha").unwrap();
        RotatingFile::new(settings).write(&mut b"next\n".as_slice()).unwrap();
        assert_eq!(contents(&folder), named(&[("A.log", "whole\nha\nnext\n")]));
    }

    #[test]
    fn what_cannot_be_written_is_left_to_the_caller() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(&folder, 100, 2);
        fs::write(folder.path().join("logs"), "in the way").unwrap();
        let mut file = RotatingFile::new(settings);
        let mut lines = b"one\n".as_slice();
        file.write(&mut lines).unwrap_err();
        assert_eq!(lines, b"one\n");
        fs::remove_file(folder.path().join("logs")).unwrap();
        file.write(&mut lines).unwrap();
        assert_eq!(contents(&folder), named(&[("A.log", "one\n")]));
    }
}
