//! OpenStreetMap notes as messages: the XML of the planet's notes dump, one `<note>` with its `<comment>`s each.
//!
//! A note says what its first comment says, by whom that was written, when and where the note was opened. Notes that say
//! nothing are left out.

use quick_xml::{
    Reader,
    escape::unescape,
    events::{BytesStart, Event},
};

use super::{Message, Origin, x::seconds};
use crate::nearby::embedded::import::xml::{attribute, number, required};

/// Where and why a text is no list of notes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    /// The byte near which it is.
    pub(super) at: u64,
    pub(super) reason: String,
}

/// Whether a text is XML rather than JSON.
pub(super) fn is_xml(text: &str) -> bool {
    text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']).starts_with('<')
}

/// The notes in `text`, in its order.
pub(super) fn parse(text: &str) -> Result<Vec<Message>, Mistake> {
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    let mut messages = Vec::new();
    let mut open: Option<Message> = None;
    let mut has_root = false;
    let mut depth = 0_usize;
    loop {
        let at = reader.buffer_position();
        let wrong = |reason: String| Mistake { at, reason };
        match reader.read_event().map_err(|error| wrong(error.to_string()))? {
            Event::Start(tag) if !has_root => {
                check_root(&tag).map_err(wrong)?;
                (has_root, depth) = (true, 1);
            }
            Event::Empty(tag) if !has_root => {
                check_root(&tag).map_err(wrong)?;
                has_root = true;
            }
            Event::Start(tag) if tag.name().as_ref() == "comment" => {
                let said = reader.read_text(tag.name()).map_err(|error| wrong(error.to_string()))?;
                let said = unescape(&said).map_err(|error| wrong(error.to_string()))?;
                if let Some(note) = open.as_mut().filter(|note| note.text.is_empty()) {
                    comment(&tag, &said, note).map_err(wrong)?;
                }
            }
            Event::Start(tag) => {
                depth += 1;
                if tag.name().as_ref() == "note" {
                    open = Some(note(&tag).map_err(wrong)?);
                }
            }
            Event::End(tag) => {
                depth = depth.saturating_sub(1);
                if tag.name().as_ref() == "note" {
                    messages.extend(open.take().filter(|note| !note.text.is_empty()));
                }
            }
            Event::Eof if depth > 0 => return Err(wrong("the file ends within an element".into())),
            Event::Eof if has_root => return Ok(messages),
            Event::Eof => return Err(wrong("expected <osm-notes>, found nothing".into())),
            Event::Empty(_)
            | Event::Text(_)
            | Event::CData(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_)
            | Event::DocType(_)
            | Event::GeneralRef(_) => {}
        }
    }
}

fn check_root(tag: &BytesStart<'_>) -> Result<(), String> {
    let name = tag.name();
    if name.as_ref() == "osm-notes" {
        return Ok(());
    }
    Err(format!("expected <osm-notes>, found <{}>", name.as_ref()))
}

fn note(tag: &BytesStart<'_>) -> Result<Message, String> {
    let id = number(tag, "id")?;
    let created = required(tag, "created_at")?;
    Ok(Message {
        id,
        time: seconds(&created).ok_or_else(|| format!("not a time: {created:?}"))?,
        lat: number(tag, "lat")?,
        lon: number(tag, "lon")?,
        user: "anonymous".into(),
        lang: "und".into(),
        text: String::new(),
        origin: Origin::Note { user_id: 0, url: format!("https://www.openstreetmap.org/note/{id}") },
    })
}

fn comment(tag: &BytesStart<'_>, said: &str, note: &mut Message) -> Result<(), String> {
    said.trim().clone_into(&mut note.text);
    if let Some(user) = attribute(tag, "user")? {
        note.user = user;
    }
    if let (Origin::Note { user_id, .. }, Some(_)) = (&mut note.origin, attribute(tag, "uid")?) {
        *user_id = number(tag, "uid")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMP: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<osm-notes>
  <note id="7" lat="51.5" lon="-0.1" created_at="2013-04-24T08:07:02Z" closed_at="2013-04-25T00:00:00Z">
    <comment action="opened" timestamp="2013-04-24T08:07:02Z" uid="12" user="Jo &amp; Co">The &lt;bridge&gt;
is closed</comment>
    <comment action="closed" timestamp="2013-04-25T00:00:00Z" uid="3" user="x">done</comment>
  </note>
  <note id="8" lat="51.6" lon="-0.2" created_at="2014-01-01T00:00:00Z"><comment action="opened" timestamp="2014-01-01T00:00:00Z">&#8364; 5?</comment></note>
  <note id="9" lat="0" lon="0" created_at="2014-01-01T00:00:00Z"><comment action="opened" timestamp="2014-01-01T00:00:00Z"></comment></note>
</osm-notes>"#;

    #[test]
    fn a_note_says_what_its_first_comment_says() {
        let notes = parse(DUMP).unwrap();
        let told: Vec<_> = notes.iter().map(|n| (n.id, n.time, n.user.as_str(), n.text.as_str())).collect();
        let expected = [
            (7, 1_366_790_822, "Jo & Co", "The <bridge>\nis closed"),
            (8, 1_388_534_400, "anonymous", "\u{20ac} 5?"),
        ];
        assert_eq!(told, expected);
        assert_eq!((notes[0].lat, notes[0].lon), (51.5, -0.1));
        let url = "https://www.openstreetmap.org/note/7".to_owned();
        assert_eq!(notes[0].origin, Origin::Note { user_id: 12, url });
    }

    #[test]
    fn what_is_no_dump_of_notes_is_an_error_that_says_where() {
        let check = |text: &str, reason: &str| {
            let mistake = parse(text).unwrap_err();
            assert!(mistake.reason.contains(reason), "{text}: {mistake:?}");
        };
        check("<gpx></gpx>", "expected <osm-notes>, found <gpx>");
        check(&DUMP.replace("id=\"7\"", ""), "id");
        check(&DUMP.replace("51.5", "north"), "north");
        check(&DUMP.replace("2013-04-24T08:07:02Z\" closed", "yesterday\" closed"), "yesterday");
        for end in 0..DUMP.len() {
            assert!(parse(&DUMP[..end]).is_err(), "cut at {end}");
        }
    }
}
