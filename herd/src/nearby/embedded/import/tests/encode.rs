//! Writes small PBF files, each kind of element in a blob of its own, nothing packed with zlib but the last.

type Tags<'a> = &'a [(&'a str, &'a str)];

/// A file in the making.
#[derive(Default)]
pub(super) struct Pbf {
    texts: Vec<String>,
    nodes: Vec<u8>,
    ways: Vec<u8>,
    relations: Vec<u8>,
}

impl Pbf {
    /// Nodes with ID, coordinates in 1e-7 degrees, tags.
    pub(super) fn nodes(&mut self, dense: bool, nodes: &[(i64, i64, i64, Tags<'_>)]) {
        if dense {
            let (mut columns, mut texts, mut last) = ([vec![], vec![], vec![]], vec![], [0; 3]);
            for (id, lat, lon, tags) in nodes {
                for ((column, last), value) in columns.iter_mut().zip(&mut last).zip([*id, *lat, *lon]) {
                    varint(zigzag(value - *last), column);
                    *last = value;
                }
                for (key, value) in *tags {
                    varint(self.text(key), &mut texts);
                    varint(self.text(value), &mut texts);
                }
                varint(0, &mut texts);
            }
            let [ids, lats, lons] = columns;
            let parts = [(1, ids), (8, lats), (9, lons), (10, texts)];
            let group = parts.map(|(number, column)| bytes(number, &column)).concat();
            self.nodes = bytes(2, &group);
        } else {
            for (id, lat, lon, tags) in nodes {
                let (keys, values) = self.tags(tags);
                let numbers =
                    [(1, *id), (8, *lat), (9, *lon)].map(|(number, value)| field(number, zigzag(value)));
                self.nodes.extend(bytes(1, &[numbers.concat(), keys, values].concat()));
            }
        }
    }

    pub(super) fn way(&mut self, id: u64, refs: &[i64], tags: Tags<'_>) {
        let (keys, values) = self.tags(tags);
        self.ways.extend(bytes(3, &[field(1, id), keys, values, bytes(8, &differences(refs))].concat()));
    }

    /// Members with type (0 node, 1 way, 2 relation), ID and role.
    pub(super) fn relation(&mut self, id: u64, members: &[(u64, i64, &str)], tags: Tags<'_>) {
        let (keys, values) = self.tags(tags);
        let (mut roles, mut kinds) = (vec![], vec![]);
        for (kind, _, role) in members {
            varint(self.text(role), &mut roles);
            varint(*kind, &mut kinds);
        }
        let ids: Vec<i64> = members.iter().map(|member| member.1).collect();
        let members = [bytes(8, &roles), bytes(9, &differences(&ids)), bytes(10, &kinds)].concat();
        self.relations.extend(bytes(4, &[field(1, id), keys, values, members].concat()));
    }

    pub(super) fn finish(self) -> Vec<u8> {
        let header = [bytes(4, b"OsmSchema-V0.6"), bytes(4, b"DenseNodes")].concat();
        let mut file = blob("OSMHeader", &bytes(1, &header));
        let texts = std::iter::once("").chain(self.texts.iter().map(String::as_str));
        let table: Vec<u8> = texts.flat_map(|text| bytes(1, text.as_bytes())).collect();
        let block = |group: &[u8]| [bytes(1, &table), bytes(2, group), field(17, 100)].concat();
        file.extend(blob("OSMData", &bytes(1, &block(&self.nodes))));
        file.extend(blob("OSMData", &bytes(1, &block(&self.ways))));
        let packed = miniz_oxide::deflate::compress_to_vec_zlib(&block(&self.relations), 6);
        file.extend(blob("OSMData", &bytes(3, &packed)));
        file
    }

    fn text(&mut self, text: &str) -> u64 {
        let known = self.texts.iter().position(|known| known == text);
        let at = known.unwrap_or_else(|| {
            self.texts.push(text.to_owned());
            self.texts.len() - 1
        });
        at as u64 + 1
    }

    fn tags(&mut self, tags: Tags<'_>) -> (Vec<u8>, Vec<u8>) {
        let (mut keys, mut values) = (vec![], vec![]);
        for (key, value) in tags {
            varint(self.text(key), &mut keys);
            varint(self.text(value), &mut values);
        }
        (bytes(2, &keys), bytes(3, &values))
    }
}

fn blob(kind: &str, content: &[u8]) -> Vec<u8> {
    let header = [bytes(1, kind.as_bytes()), field(3, content.len() as u64)].concat();
    let length = u32::try_from(header.len()).unwrap().to_be_bytes();
    [&length[..], &header, content].concat()
}

fn differences(numbers: &[i64]) -> Vec<u8> {
    let (mut packed, mut last) = (vec![], 0);
    for number in numbers {
        varint(zigzag(number - last), &mut packed);
        last = *number;
    }
    packed
}

fn field(number: u64, value: u64) -> Vec<u8> {
    let mut out = vec![];
    varint(number << 3, &mut out);
    varint(value, &mut out);
    out
}

fn bytes(number: u64, content: &[u8]) -> Vec<u8> {
    let mut out = vec![];
    varint(number << 3 | 2, &mut out);
    varint(content.len() as u64, &mut out);
    out.extend(content);
    out
}

fn varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

fn zigzag(number: i64) -> u64 {
    (number << 1 ^ number >> 63).cast_unsigned()
}
