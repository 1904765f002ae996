//! OSM PBF: blobs of zlib-packed protobuf, of which one is in memory at a time.
//!
//! Read by hand: it takes two hundred lines, and no byte of a file can make it panic, overflow or allocate past
//! the format's own limits. The first pass notes which kinds of elements a blob holds; later passes skip the others.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    path::Path,
};

use super::{
    ImportError, Location, Progress,
    element::{Body, Element, ElementKind, Elements, Member},
};
use crate::nearby::embedded::place::Coordinates;

mod protobuf;

use self::protobuf::{Fields, Packed, Wire, unzigzag};

/// Limits of the format: a blob header has at most 64 KiB, an unpacked blob 32 MiB.
const HEADER_BYTES_MAX: u32 = 64 * 1024;
const BLOB_BYTES_MAX: usize = 32 * 1024 * 1024;

/// What a reader must understand to read a file.
const FEATURES: [&[u8]; 2] = [b"OsmSchema-V0.6", b"DenseNodes"];

/// An open file and what is known about its blobs.
pub(super) struct PbfFile<'a> {
    path: &'a Path,
    file: BufReader<File>,
    length: u64,
    blobs: Option<Vec<Blob>>,
    progress: &'a mut dyn FnMut(Progress<'_>),
}

/// Where the packed content of a data blob is, and which kinds of elements are in it (nodes, ways, relations).
#[derive(Clone, Copy)]
struct Blob {
    start: u64,
    length: usize,
    holds: [bool; 3],
}

/// What is wrong with a blob.
type Wrong = &'static str;

impl<'a> PbfFile<'a> {
    pub(super) fn open(
        path: &'a Path,
        progress: &'a mut dyn FnMut(Progress<'_>),
    ) -> Result<Self, ImportError> {
        let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
        let (length, file) = opened.map_err(|error| ImportError::Read { path: path.into(), error })?;
        Ok(Self { path, file: BufReader::new(file), length, blobs: None, progress })
    }

    /// Walks over all blob headers.
    fn find_blobs(&mut self) -> Result<Vec<Blob>, ImportError> {
        let mut blobs = Vec::new();
        let mut at = 0;
        while at < self.length {
            let (kind, start, length) = self.read_header(at).map_err(|error| self.failed(at, error))?;
            let end = start.saturating_add(length as u64);
            if length > BLOB_BYTES_MAX || end > self.length {
                return Err(self.wrong(at, "the blob is cut off or too large"));
            }
            match kind.as_slice() {
                b"OSMData" => blobs.push(Blob { start, length, holds: [true; 3] }),
                b"OSMHeader" => {
                    let content = self.unpack(start, length)?;
                    check_features(&content).map_err(|reason| self.wrong(at, reason))?;
                }
                // Others are to be ignored, says the format.
                _ => {}
            }
            at = end;
        }
        Ok(blobs)
    }

    /// Type, start and length of the blob whose header starts at `at`.
    fn read_header(&mut self, at: u64) -> io::Result<(Vec<u8>, u64, usize)> {
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "this is no blob header");
        self.file.seek(SeekFrom::Start(at))?;
        let mut size = [0; 4];
        self.file.read_exact(&mut size)?;
        let size = u32::from_be_bytes(size);
        if size > HEADER_BYTES_MAX {
            return Err(damaged());
        }
        let mut header = vec![0; usize::try_from(size).map_err(io::Error::other)?];
        self.file.read_exact(&mut header)?;
        let (mut kind, mut length) = (Vec::new(), None);
        for field in Fields::new(&header) {
            match field.ok_or_else(damaged)? {
                (1, Wire::Bytes(name)) => kind = name.to_vec(),
                (3, Wire::Varint(bytes)) => length = usize::try_from(bytes).ok(),
                _ => {}
            }
        }
        Ok((kind, at + 4 + u64::from(size), length.ok_or_else(damaged)?))
    }

    fn unpack(&mut self, start: u64, length: usize) -> Result<Vec<u8>, ImportError> {
        let mut packed = vec![0; length];
        let read = self.file.seek(SeekFrom::Start(start)).and_then(|_| self.file.read_exact(&mut packed));
        read.map_err(|error| self.failed(start, error))?;
        unpack(&packed).map_err(|reason| self.wrong(start, reason))
    }

    fn failed(&self, at: u64, error: io::Error) -> ImportError {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            self.wrong(at, "the file ends within a blob")
        } else if error.kind() == io::ErrorKind::InvalidData {
            self.wrong(at, "this is no blob header")
        } else {
            ImportError::Read { path: self.path.into(), error }
        }
    }

    fn wrong(&self, at: u64, reason: Wrong) -> ImportError {
        ImportError::Malformed { path: self.path.into(), at: Location::Byte(at), reason: reason.into() }
    }
}

impl Elements for PbfFile<'_> {
    fn visit(&mut self, kind: ElementKind, each: &mut dyn FnMut(Element<'_>)) -> Result<(), ImportError> {
        let mut blobs = match self.blobs.take() {
            Some(blobs) => blobs,
            None => self.find_blobs()?,
        };
        for blob in &mut blobs {
            let step = Progress { path: self.path, pass: pass(kind), done: blob.start, of: self.length };
            (self.progress)(step);
            if blob.holds[kind as usize] {
                let content = self.unpack(blob.start, blob.length)?;
                let shown = visit_block(&content, kind, each);
                blob.holds = shown.map_err(|reason| self.wrong(blob.start, reason))?;
            }
        }
        self.blobs = Some(blobs);
        Ok(())
    }
}

/// What the elements of a kind are read for, in words.
pub(super) const fn pass(kind: ElementKind) -> &'static str {
    match kind {
        ElementKind::Node => "nodes",
        ElementKind::Way => "ways",
        ElementKind::Relation => "relations",
    }
}

fn unpack(blob: &[u8]) -> Result<Vec<u8>, Wrong> {
    for field in Fields::new(blob) {
        match field.ok_or("the blob is damaged")? {
            (1, Wire::Bytes(raw)) => return Ok(raw.to_vec()),
            (3, Wire::Bytes(packed)) => {
                return miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(packed, BLOB_BYTES_MAX)
                    .map_err(|_| "the zlib data of the blob is damaged or too large");
            }
            (4..=7, Wire::Bytes(_)) => return Err("the blob is packed otherwise than with zlib"),
            _ => {}
        }
    }
    Err("the blob is empty")
}

fn check_features(header: &[u8]) -> Result<(), Wrong> {
    for field in Fields::new(header) {
        if let (4, Wire::Bytes(feature)) = field.ok_or("the file header is damaged")?
            && !FEATURES.contains(&feature)
        {
            return Err("the file needs a feature that is unknown here (a history file?)");
        }
    }
    Ok(())
}

/// Texts and scales that a block's elements share.
struct Block<'a> {
    texts: Vec<&'a str>,
    granularity: i64,
    offset: [i64; 2],
}

/// Shows the elements of a kind; returns which kinds there are.
fn visit_block(
    block: &[u8],
    kind: ElementKind,
    each: &mut dyn FnMut(Element<'_>),
) -> Result<[bool; 3], Wrong> {
    const DAMAGED: Wrong = "the block is damaged";
    let mut shared = Block { texts: Vec::new(), granularity: 100, offset: [0; 2] };
    let mut groups = Vec::new();
    for field in Fields::new(block) {
        match field.ok_or(DAMAGED)? {
            (1, Wire::Bytes(table)) => {
                for text in Fields::new(table) {
                    if let (1, Wire::Bytes(text)) = text.ok_or(DAMAGED)? {
                        shared.texts.push(std::str::from_utf8(text).map_err(|_| "a text is not UTF-8")?);
                    }
                }
            }
            (2, Wire::Bytes(group)) => groups.push(group),
            (17, Wire::Varint(value)) => shared.granularity = value.cast_signed(),
            (19, Wire::Varint(value)) => shared.offset[0] = value.cast_signed(),
            (20, Wire::Varint(value)) => shared.offset[1] = value.cast_signed(),
            _ => {}
        }
    }
    let mut holds = [false; 3];
    for field in groups.into_iter().flat_map(Fields::new) {
        let (number, Wire::Bytes(content)) = field.ok_or(DAMAGED)? else { continue };
        let found = match number {
            1 | 2 => ElementKind::Node,
            3 => ElementKind::Way,
            4 => ElementKind::Relation,
            _ => continue,
        };
        holds[found as usize] = true;
        if found == kind {
            let shown = match number {
                1 => shared.node(content, each),
                2 => shared.dense_nodes(content, each),
                3 => shared.way(content, each),
                _ => shared.relation(content, each),
            };
            shown.ok_or("an element is damaged")?;
        }
    }
    Ok(holds)
}

impl<'a> Block<'a> {
    fn text(&self, number: u64) -> Option<&'a str> {
        self.texts.get(usize::try_from(number).ok()?).copied()
    }

    fn coordinates(&self, lat: i64, lon: i64) -> Option<Coordinates> {
        // Nanodegrees to units of 1e-7 degrees.
        let unit = |value: i64, offset: i64| {
            i32::try_from(value.checked_mul(self.granularity)?.checked_add(offset)? / 100).ok()
        };
        Coordinates::new(unit(lat, self.offset[0])?, unit(lon, self.offset[1])?)
    }

    fn tags(&self, keys: &[u8], values: &[u8]) -> Option<Vec<(&'a str, &'a str)>> {
        Packed(keys)
            .zip(Packed(values))
            .map(|(key, value)| Some((self.text(key?)?, self.text(value?)?)))
            .collect()
    }

    fn node(&self, node: &[u8], each: &mut dyn FnMut(Element<'_>)) -> Option<()> {
        let Parts { numbers, bytes } = Parts::read(node)?;
        let tags = self.tags(bytes[2], bytes[3])?;
        let [id, lat, lon] = [1, 8, 9].map(|number: usize| unzigzag(numbers[number]));
        each(Element { id, tags: &tags, body: Body::Node(self.coordinates(lat, lon)?) });
        Some(())
    }

    fn dense_nodes(&self, nodes: &[u8], each: &mut dyn FnMut(Element<'_>)) -> Option<()> {
        let Parts { bytes, .. } = Parts::read(nodes)?;
        let (mut id, mut lat, mut lon) = (0_i64, 0_i64, 0_i64);
        let mut texts = Packed(bytes[10]);
        let mut tags = Vec::new();
        for ((id_step, lat_step), lon_step) in Packed(bytes[1]).zip(Packed(bytes[8])).zip(Packed(bytes[9])) {
            id = id.checked_add(unzigzag(id_step?))?;
            lat = lat.checked_add(unzigzag(lat_step?))?;
            lon = lon.checked_add(unzigzag(lon_step?))?;
            tags.clear();
            // Pairs of texts; a zero ends a node's. A block without any tags has none at all.
            while let Some(key) = texts.next() {
                match key? {
                    0 => break,
                    key => tags.push((self.text(key)?, self.text(texts.next()??)?)),
                }
            }
            each(Element { id, tags: &tags, body: Body::Node(self.coordinates(lat, lon)?) });
        }
        Some(())
    }

    fn way(&self, way: &[u8], each: &mut dyn FnMut(Element<'_>)) -> Option<()> {
        let Parts { numbers, bytes } = Parts::read(way)?;
        let tags = self.tags(bytes[2], bytes[3])?;
        each(Element { id: numbers[1].cast_signed(), tags: &tags, body: Body::Way(&sums(bytes[8])?) });
        Some(())
    }

    fn relation(&self, relation: &[u8], each: &mut dyn FnMut(Element<'_>)) -> Option<()> {
        let Parts { numbers, bytes } = Parts::read(relation)?;
        let tags = self.tags(bytes[2], bytes[3])?;
        let ids = sums(bytes[9])?;
        let mut members = Vec::with_capacity(ids.len());
        for ((id, role), kind) in ids.into_iter().zip(Packed(bytes[8])).zip(Packed(bytes[10])) {
            let kind = match kind? {
                0 => ElementKind::Node,
                1 => ElementKind::Way,
                _ => ElementKind::Relation,
            };
            members.push(Member { kind, id, inner: self.text(role?)? == "inner" });
        }
        each(Element { id: numbers[1].cast_signed(), tags: &tags, body: Body::Relation(&members) });
        Some(())
    }
}

/// The fields of an element by their numbers, which go to 10.
struct Parts<'a> {
    numbers: [u64; 11],
    bytes: [&'a [u8]; 11],
}

impl<'a> Parts<'a> {
    fn read(element: &'a [u8]) -> Option<Self> {
        let mut parts = Self { numbers: [0; 11], bytes: [&[]; 11] };
        for field in Fields::new(element) {
            let (number, wire) = field?;
            match (usize::try_from(number).ok()?, wire) {
                (number @ 1..=10, Wire::Varint(value)) => parts.numbers[number] = value,
                (number @ 1..=10, Wire::Bytes(bytes)) => parts.bytes[number] = bytes,
                _ => {}
            }
        }
        Some(parts)
    }
}

/// The numbers whose differences are packed.
fn sums(packed: &[u8]) -> Option<Vec<i64>> {
    let mut sum = 0_i64;
    let step = |step: Option<u64>| {
        sum = sum.checked_add(unzigzag(step?))?;
        Some(sum)
    };
    Packed(packed).map(step).collect()
}
