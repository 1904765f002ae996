//! A report as bytes: the same in the table, in the log, on a link and in the digest.
//!
//! Little-endian, no padding; a 20-byte ID makes 52 bytes:
//!
//! | at | size | field |
//! |---|---|---|
//! | 0 | 1 | flags: 1 location as text, 2 time as text, 4 order time follows; the rest zero |
//! | 1 | 1 | fraction digits of the client's time (0 if it is kept as text) |
//! | 2 | 2 | index of the server that took the report, private to whoever holds the bytes |
//! | 4 | 2 | length of the client's ID |
//! | 6 | 8 | received at, nanoseconds |
//! | 14 | 8 | client's time, nanoseconds (cut to nine fraction digits) |
//! | 22 | 8 | order time, only if it is not the client's time |
//! | | 10 | packed location, or 2 bytes of length and the text |
//! | | | 2 bytes of length and the time's text, only if kept as text |
//! | | | the client's ID |
//!
//! A text is kept as text only if its packed form would not print it byte for byte, so equal reports have equal
//! bytes but for the server index. A [`Record`] is always checked: its fields can be trusted.

use std::{iter, ops::Range};

use crate::{
    command::{ClientId, Iamat},
    position::{Location, PackedLocation},
    server::ServerIndex,
    time::{ClientTime, PackedTime, Timestamp},
};

const LOCATION_TEXT: u8 = 1;
const TIME_TEXT: u8 = 2;
const ORDER_TIME: u8 = 4;
const KNOWN_FLAGS: u8 = LOCATION_TEXT | TIME_TEXT | ORDER_TIME;
const SERVER_AT: usize = 2;
const FIXED_BYTES: usize = 22;
const PACKED_LOCATION_BYTES: usize = 10;

/// One encoded report, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// What every record begins with.
    head: &'a [u8; FIXED_BYTES],
    bytes: &'a [u8],
    client_at: usize,
}

/// Why bytes are no record. The peer (or the disk) is at fault; nothing was taken from the rest of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The bytes end within the record.
    #[error("a record is cut short")]
    Short,
    /// A field holds what no server writes.
    #[error("a record has an impossible {0}")]
    Field(&'static str),
}

/// What the server that takes a report adds to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The server that takes it.
    pub server: ServerIndex,
    /// Its clock at that time.
    pub received_at: Timestamp,
    /// The time that the report counts as: the client's, but not far beyond the herd's.
    pub order_time: Timestamp,
}

/// Appends the report that `receipt` makes of a client's claim.
pub fn encode(out: &mut Vec<u8>, iamat: &Iamat<'_>, receipt: Receipt) {
    let (location, time) = (iamat.location.packed(), iamat.time.packed());
    let client = iamat.client.as_bytes();
    let at = iamat.time.at();
    let mut head = [0; FIXED_BYTES];
    head[1] = time.map_or(0, |time| time.fraction_digits);
    head[SERVER_AT..4].copy_from_slice(&receipt.server.to_bits().to_le_bytes());
    head[4..6].copy_from_slice(&length(client));
    head[6..14].copy_from_slice(&receipt.received_at.as_nanos().to_le_bytes());
    head[14..].copy_from_slice(&at.as_nanos().to_le_bytes());
    if let (Some(location), Some(_), true) = (location, time, receipt.order_time == at) {
        // As it nearly always is: all but the client's ID is in one place.
        let mut usual = [0; FIXED_BYTES + PACKED_LOCATION_BYTES];
        usual[..FIXED_BYTES].copy_from_slice(&head);
        usual[FIXED_BYTES..].copy_from_slice(&location.to_bytes());
        out.extend_from_slice(&usual);
        return out.extend_from_slice(client);
    }
    let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
    head[0] = flag(location.is_none(), LOCATION_TEXT)
        | flag(time.is_none(), TIME_TEXT)
        | flag(receipt.order_time != at, ORDER_TIME);
    out.extend_from_slice(&head);
    if receipt.order_time != at {
        out.extend_from_slice(&receipt.order_time.as_nanos().to_le_bytes());
    }
    match location {
        Some(packed) => out.extend_from_slice(&packed.to_bytes()),
        None => push_text(out, iamat.location.text()),
    }
    if time.is_none() {
        push_text(out, iamat.time.text());
    }
    out.extend_from_slice(client);
}

/// Points the record at the start of `bytes` at another server index.
pub fn set_server(bytes: &mut [u8], server: ServerIndex) {
    if let Some(field) = bytes.get_mut(SERVER_AT..SERVER_AT + 2) {
        field.copy_from_slice(&server.to_bits().to_le_bytes());
    }
}

impl<'a> Record<'a> {
    /// Reads and checks the record at the start of `bytes`.
    ///
    /// # Errors
    /// The bytes end too early, or a field holds what [`encode`] never writes.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, RecordError> {
        let record = Self::locate(bytes)?;
        record.check()?;
        Ok(record)
    }

    /// Finds the fields of a record that was checked before (one that lies in our own table or log).
    ///
    /// # Errors
    /// The bytes end too early.
    #[inline]
    pub(crate) fn locate(bytes: &'a [u8]) -> Result<Self, RecordError> {
        let head = bytes.first_chunk().ok_or(RecordError::Short)?;
        let client_at = match head[0] & (LOCATION_TEXT | TIME_TEXT) {
            0 => packed_at(head[0]) + PACKED_LOCATION_BYTES,
            _ => texts(bytes, head[0])?[1].end,
        };
        let client_bytes = usize::from(u16::from_le_bytes([head[4], head[5]]));
        let bytes = bytes.get(..client_at + client_bytes).ok_or(RecordError::Short)?;
        Ok(Self { head, bytes, client_at })
    }

    /// Whether all fields are what [`encode`] writes.
    pub(crate) fn check(&self) -> Result<(), RecordError> {
        let impossible = |field| Err(RecordError::Field(field));
        if self.flags() & !KNOWN_FLAGS != 0 {
            return impossible("flag");
        }
        if ClientId::new(self.client()).is_none() {
            return impossible("client");
        }
        if self.number::<6>() >> 63 != 0 {
            return impossible("receipt");
        }
        if self.number::<14>() >> 63 != 0 || !self.time_is_possible() {
            return impossible("time");
        }
        if self.stored_order().is_some_and(|order| order >> 63 != 0 || order == self.number::<14>()) {
            return impossible("order time");
        }
        let location_possible = match self.location_text() {
            Some(text) => Location::parse(text).is_some_and(|l| l.packed().is_none()),
            None => self.packed_location().is_some(),
        };
        if location_possible { Ok(()) } else { impossible("location") }
    }

    fn time_is_possible(&self) -> bool {
        match self.time_text() {
            Some(text) => {
                self.head[1] == 0
                    && ClientTime::parse(text)
                        .is_some_and(|t| t.at() == self.client_time() && t.packed().is_none())
            }
            None => PackedTime::new(self.client_time(), self.head[1]).is_some(),
        }
    }

    /// The record's bytes, no more.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The server that took the report.
    #[must_use]
    pub fn server(&self) -> ServerIndex {
        ServerIndex::from_bits(u16::from_le_bytes([self.head[SERVER_AT], self.head[SERVER_AT + 1]]))
    }

    /// When that server took it, by its own clock.
    #[must_use]
    pub fn received_at(&self) -> Timestamp {
        Timestamp::from_nanos(self.number::<6>())
    }

    /// When the client says it was there.
    #[must_use]
    pub fn client_time(&self) -> Timestamp {
        Timestamp::from_nanos(self.number::<14>())
    }

    /// The time that the report counts as.
    #[must_use]
    pub fn order_time(&self) -> Timestamp {
        self.stored_order().map_or_else(|| self.client_time(), Timestamp::from_nanos)
    }

    /// Who.
    #[must_use]
    pub fn client(&self) -> &'a [u8] {
        self.bytes.get(self.client_at..).unwrap_or_default()
    }

    /// Appends the location as the client sent it.
    pub fn print_location(&self, out: &mut Vec<u8>) {
        match (self.location_text(), self.packed_location()) {
            (Some(text), _) => out.extend_from_slice(text),
            (None, Some(packed)) => packed.print(out),
            (None, None) => {}
        }
    }

    /// Appends the client's time as the client sent it.
    pub fn print_time(&self, out: &mut Vec<u8>) {
        match (self.time_text(), PackedTime::new(self.client_time(), self.head[1])) {
            (Some(text), _) => out.extend_from_slice(text),
            (None, Some(packed)) => packed.print(out),
            (None, None) => {}
        }
    }

    /// What equal reports share and different ones do not: all bytes but the server index, in two parts.
    #[must_use]
    pub(crate) fn identity(&self) -> ([u8; 2], &'a [u8]) {
        ([self.head[0], self.head[1]], self.bytes.get(SERVER_AT + 2..).unwrap_or_default())
    }

    fn location_text(&self) -> Option<&'a [u8]> {
        let [location, _] = self.texts(LOCATION_TEXT)?;
        self.bytes.get(location)
    }

    fn time_text(&self) -> Option<&'a [u8]> {
        let [_, time] = self.texts(TIME_TEXT)?;
        self.bytes.get(time)
    }

    /// Where its texts are, if it has the one of this flag.
    fn texts(&self, flag: u8) -> Option<[Range<usize>; 2]> {
        (self.flags() & flag != 0).then(|| texts(self.bytes, self.flags()).ok())?
    }

    fn packed_location(&self) -> Option<PackedLocation> {
        let location = self.bytes.get(packed_at(self.flags())..)?;
        PackedLocation::from_bytes(*location.first_chunk()?)
    }

    /// The order time, if it is not the client's time.
    fn stored_order(&self) -> Option<u64> {
        if self.flags() & ORDER_TIME == 0 {
            return None;
        }
        self.bytes.get(FIXED_BYTES..)?.first_chunk().copied().map(u64::from_le_bytes)
    }

    const fn flags(&self) -> u8 {
        self.head[0]
    }

    /// The number at a place in the head.
    fn number<const AT: usize>(&self) -> u64 {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.head[AT..AT + 8]);
        u64::from_le_bytes(bytes)
    }
}

/// The records one after the other of bytes that were checked before.
pub fn records(checked: &[u8]) -> impl Iterator<Item = Record<'_>> {
    let mut rest = checked;
    iter::from_fn(move || {
        let record = Record::locate(rest).ok()?;
        rest = rest.get(record.bytes().len()..)?;
        Some(record)
    })
}

/// As many of the first records as fit into `bytes_max`, at least one if `at_least_one`.
pub(crate) fn whole_records(records: &[u8], bytes_max: usize, at_least_one: bool) -> &[u8] {
    if records.len() <= bytes_max {
        return records;
    }
    let mut end = 0;
    while let Some(Ok(record)) = records.get(end..).filter(|rest| !rest.is_empty()).map(Record::locate) {
        let next = end + record.bytes().len();
        if next > bytes_max && !(at_least_one && end == 0) {
            break;
        }
        end = next;
    }
    records.get(..end).unwrap_or_default()
}

/// Where a location is that is no text.
const fn packed_at(flags: u8) -> usize {
    FIXED_BYTES + if flags & ORDER_TIME == 0 { 0 } else { 8 }
}

/// Where the location is and where the time's text, both without their lengths; the location may be packed, the text empty.
/// Few records have either text, so this is not to stand in the way of others.
#[cold]
fn texts(bytes: &[u8], flags: u8) -> Result<[Range<usize>; 2], RecordError> {
    let start = packed_at(flags);
    let location = if flags & LOCATION_TEXT == 0 {
        start..start + PACKED_LOCATION_BYTES
    } else {
        text_at(bytes, start)?
    };
    let time =
        if flags & TIME_TEXT == 0 { location.end..location.end } else { text_at(bytes, location.end)? };
    Ok([location, time])
}

/// Where the text is whose length is at `at`.
fn text_at(bytes: &[u8], at: usize) -> Result<Range<usize>, RecordError> {
    let start = at + 2;
    Ok(start..start + usize::from(read_u16(bytes, at)?))
}

fn read_u16(bytes: &[u8], at: usize) -> Result<u16, RecordError> {
    let field = bytes.get(at..at + 2).and_then(|b| b.try_into().ok()).ok_or(RecordError::Short)?;
    Ok(u16::from_le_bytes(field))
}

fn push_text(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(&length(text));
    out.extend_from_slice(text);
}

/// Fields come from lines of at most [`crate::limits::LINE_BYTES_MAX`] bytes, less the command word: 16 bits hold any.
fn length(text: &[u8]) -> [u8; 2] {
    debug_assert!(text.len() <= usize::from(u16::MAX), "a field is longer than a line can be");
    u16::try_from(text.len()).unwrap_or(u16::MAX).to_le_bytes()
}
