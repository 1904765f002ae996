//! OSM XML, read as a stream: what is in memory is one element.

use std::{
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
};

use quick_xml::{
    Reader, XmlVersion,
    events::{BytesStart, Event},
};

use super::{
    ImportError, Location, Progress,
    element::{Body, Element, ElementKind, Elements, Member},
    pbf::pass,
};
use crate::nearby::embedded::place::Coordinates;

/// A file that is opened anew for each pass.
pub(super) struct XmlFile<'a> {
    path: &'a Path,
    length: u64,
    progress: &'a mut dyn FnMut(Progress<'_>),
}

/// An element being read.
struct Open {
    kind: ElementKind,
    id: i64,
    at: Option<Coordinates>,
    tags: Vec<(String, String)>,
    refs: Vec<i64>,
    members: Vec<Member>,
}

impl<'a> XmlFile<'a> {
    pub(super) fn open(
        path: &'a Path,
        progress: &'a mut dyn FnMut(Progress<'_>),
    ) -> Result<Self, ImportError> {
        let length =
            std::fs::metadata(path).map_err(|error| ImportError::Read { path: path.into(), error })?.len();
        Ok(Self { path, length, progress })
    }
}

impl Elements for XmlFile<'_> {
    fn visit(&mut self, kind: ElementKind, each: &mut dyn FnMut(Element<'_>)) -> Result<(), ImportError> {
        let file =
            File::open(self.path).map_err(|error| ImportError::Read { path: self.path.into(), error })?;
        let mut reader = Reader::from_reader(BufReader::with_capacity(1 << 16, file));
        let mut buffer = Vec::new();
        let mut open = None;
        let mut depth = 0_usize;
        for count in 0_u64.. {
            let at = reader.buffer_position();
            let wrong = |reason: String| malformed(self.path, at, reason);
            if count % 4096 == 0 {
                (self.progress)(Progress { path: self.path, pass: pass(kind), done: at, of: self.length });
            }
            buffer.clear();
            match reader.read_event_into(&mut buffer).map_err(|error| wrong(error.to_string()))? {
                Event::Start(tag) => {
                    check_root(&tag, depth).map_err(wrong)?;
                    depth += 1;
                    begin(&tag, kind, &mut open).map_err(wrong)?;
                }
                Event::Empty(tag) => {
                    check_root(&tag, depth).map_err(wrong)?;
                    begin(&tag, kind, &mut open).map_err(wrong)?;
                    if kind_of(&tag).is_some() {
                        show(open.take(), each).map_err(wrong)?;
                    }
                }
                Event::End(tag) => {
                    depth = depth.saturating_sub(1);
                    if matches!(tag.name().as_ref(), "node" | "way" | "relation") {
                        show(open.take(), each).map_err(wrong)?;
                    }
                }
                Event::Eof if depth > 0 => return Err(wrong("the file ends within an element".into())),
                Event::Eof => break,
                Event::Text(_)
                | Event::CData(_)
                | Event::Comment(_)
                | Event::Decl(_)
                | Event::PI(_)
                | Event::DocType(_)
                | Event::GeneralRef(_) => {}
            }
        }
        Ok(())
    }
}

fn malformed(path: &Path, at: u64, reason: String) -> ImportError {
    ImportError::Malformed { path: PathBuf::from(path), at: Location::Byte(at), reason }
}

/// Other XML has elements of other meanings, some under the same names.
fn check_root(tag: &BytesStart<'_>, depth: usize) -> Result<(), String> {
    let name = tag.name();
    if depth > 0 || name.as_ref() == "osm" {
        return Ok(());
    }
    Err(format!("expected OSM XML, whose root is <osm>, found <{}>", name.as_ref()))
}

fn kind_of(tag: &BytesStart<'_>) -> Option<ElementKind> {
    match tag.name().as_ref() {
        "node" => Some(ElementKind::Node),
        "way" => Some(ElementKind::Way),
        "relation" => Some(ElementKind::Relation),
        _ => None,
    }
}

/// Takes in an opening tag: an element of the wanted kind, or a part of the one being read.
fn begin(tag: &BytesStart<'_>, wanted: ElementKind, open: &mut Option<Open>) -> Result<(), String> {
    if let Some(kind) = kind_of(tag) {
        *open = None;
        // Deleted elements of history files are shown as invisible.
        if kind == wanted && attribute(tag, "visible")?.as_deref() != Some("false") {
            let id = number(tag, "id")?;
            let at = if kind == ElementKind::Node { Some(coordinates(tag)?) } else { None };
            *open = Some(Open { kind, id, at, tags: Vec::new(), refs: Vec::new(), members: Vec::new() });
        }
        return Ok(());
    }
    let Some(open) = open else { return Ok(()) };
    match tag.name().as_ref() {
        "tag" => open.tags.push((required(tag, "k")?, required(tag, "v")?)),
        "nd" => open.refs.push(number(tag, "ref")?),
        "member" => {
            let kind = match required(tag, "type")?.as_str() {
                "node" => ElementKind::Node,
                "way" => ElementKind::Way,
                "relation" => ElementKind::Relation,
                other => return Err(format!("a member is a node, way or relation, not {other:?}")),
            };
            let inner = attribute(tag, "role")?.as_deref() == Some("inner");
            open.members.push(Member { kind, id: number(tag, "ref")?, inner });
        }
        _ => {}
    }
    Ok(())
}

fn show(open: Option<Open>, each: &mut dyn FnMut(Element<'_>)) -> Result<(), String> {
    let Some(open) = open else { return Ok(()) };
    let tags: Vec<(&str, &str)> =
        open.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let body = match open.kind {
        ElementKind::Node => Body::Node(open.at.ok_or("a node lies nowhere")?),
        ElementKind::Way => Body::Way(&open.refs),
        ElementKind::Relation => Body::Relation(&open.members),
    };
    each(Element { id: open.id, tags: &tags, body });
    Ok(())
}

fn coordinates(tag: &BytesStart<'_>) -> Result<Coordinates, String> {
    let (lat, lon): (f64, f64) = (number(tag, "lat")?, number(tag, "lon")?);
    Coordinates::from_degrees(lat, lon).ok_or_else(|| format!("no such place on the globe: {lat} {lon}"))
}

/// The number in an attribute that must be there.
pub(in crate::nearby) fn number<T: std::str::FromStr>(tag: &BytesStart<'_>, name: &str) -> Result<T, String> {
    let text = required(tag, name)?;
    text.parse().map_err(|_| format!("{name:?} should be a number: {text:?}"))
}

/// An attribute that must be there.
pub(in crate::nearby) fn required(tag: &BytesStart<'_>, name: &str) -> Result<String, String> {
    attribute(tag, name)?.ok_or_else(|| format!("<{}> lacks {name:?}", tag.name().as_ref()))
}

/// An attribute, unescaped.
pub(in crate::nearby) fn attribute(tag: &BytesStart<'_>, name: &str) -> Result<Option<String>, String> {
    for attribute in tag.attributes().with_checks(false) {
        let attribute = attribute.map_err(|error| error.to_string())?;
        if attribute.key.as_ref() == name {
            let value =
                attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| error.to_string())?;
            return Ok(Some(value.into_owned()));
        }
    }
    Ok(None)
}
