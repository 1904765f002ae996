//! OpenStreetMap elements to places, in six passes over a file of either format.
//!
//! Relations and ways say which nodes matter; only the locations of those are kept, 16 bytes each, sorted by ID. Then
//! nodes, ways and relations become places, and at last the streets pass the places without an address.

use super::{
    Gathered, ImportError,
    element::{Body, Element, ElementKind, Elements, Member},
    shape::Shape,
    streets::Streets,
};
use crate::nearby::embedded::{
    build::{Record, TextRef},
    kinds::Kind,
    place::{Coordinates, PlaceKey, Source},
    tags::{Tags, kind_of_tags, tag},
};

/// Reads a file.
pub(super) fn read(file: &mut dyn Elements, gathered: &mut Gathered) -> Result<(), ImportError> {
    let first = gathered.builder.records.len();
    let mut ways = Sorted::default();
    let mut nodes = Sorted::default();
    file.visit(ElementKind::Relation, &mut |relation| {
        if let Body::Relation(members) = relation.body
            && is_place(relation.tags)
        {
            for member in outline(members) {
                match member.kind {
                    ElementKind::Node => nodes.push(member.id),
                    ElementKind::Way => ways.push(member.id),
                    ElementKind::Relation => {}
                }
            }
        }
    })?;
    let ways = ways.finish();
    file.visit(ElementKind::Way, &mut |way| {
        if let Body::Way(refs) = way.body
            && (is_place(way.tags) || street(way.tags).is_some() || ways.binary_search(&way.id).is_ok())
        {
            refs.iter().for_each(|id| nodes.push(*id));
        }
    })?;
    let mut nodes = Locations::new(nodes.finish());
    file.visit(ElementKind::Node, &mut |node| {
        if let Body::Node(at) = node.body {
            nodes.set(node.id, at);
            gathered.add(&node, Source::OsmNode, Some((at, None)));
        }
    })?;
    let mut shapes = Vec::new();
    file.visit(ElementKind::Way, &mut |way| {
        let Body::Way(refs) = way.body else { return };
        let wanted = ways.binary_search(&way.id).is_ok();
        if wanted || is_place(way.tags) {
            let shape = Shape::of_line(&nodes.line(refs));
            shapes.extend(shape.filter(|_| wanted).map(|shape| (way.id, shape)));
            gathered.add(&way, Source::OsmWay, shape.map(|shape| (shape.middle(), Some(shape))));
        }
    })?;
    shapes.sort_unstable_by_key(|(id, _)| *id);
    file.visit(ElementKind::Relation, &mut |relation| {
        let Body::Relation(members) = relation.body else { return };
        if is_place(relation.tags) {
            let shape = shape_of(members, &shapes, &nodes);
            gathered.add(&relation, Source::OsmRelation, shape.map(|shape| (shape.middle(), Some(shape))));
        }
    })?;
    drop(shapes);
    name_streets(file, &nodes, first, gathered)
}

/// Gives places without an address the street that they lie on.
fn name_streets(
    file: &mut dyn Elements,
    nodes: &Locations,
    first: usize,
    gathered: &mut Gathered,
) -> Result<(), ImportError> {
    let builder = &mut gathered.builder;
    let texts = &mut builder.texts;
    let mut streets = Streets::new(&builder.records, first, |record| {
        // Towns and mountains are on no street.
        texts.get(record.types).ends_with("point_of_interest establishment")
    });
    file.visit(ElementKind::Way, &mut |way| {
        if let Body::Way(refs) = way.body
            && let Some(name) = street(way.tags)
        {
            streets.pass(name, &nodes.line(refs), texts);
        }
    })?;
    streets.finish(&mut builder.records);
    Ok(())
}

fn is_place(tags: &Tags<'_>) -> bool {
    name(tags).is_some() && kind_of_tags(tags).is_some()
}

fn name<'a>(tags: &Tags<'a>) -> Option<&'a str> {
    ["name", "name:en", "brand"].into_iter().find_map(|key| tag(tags, key))
}

/// The name of a street.
fn street<'a>(tags: &Tags<'a>) -> Option<&'a str> {
    tag(tags, "highway").and_then(|_| tag(tags, "name"))
}

/// The members that a relation's extent is made of: ways, unless there are only nodes.
fn outline(members: &[Member]) -> impl Iterator<Item = &Member> {
    let kind = if members.iter().any(|member| member.kind == ElementKind::Way) {
        ElementKind::Way
    } else {
        ElementKind::Node
    };
    members.iter().filter(move |member| member.kind == kind && !member.inner)
}

fn shape_of(members: &[Member], shapes: &[(i64, Shape)], nodes: &Locations) -> Option<Shape> {
    let parts = outline(members).filter_map(|member| match member.kind {
        ElementKind::Node => Shape::of_line(&[nodes.get(member.id)?]),
        ElementKind::Way => {
            let at = shapes.binary_search_by_key(&member.id, |(id, _)| *id).ok()?;
            shapes.get(at).map(|(_, shape)| *shape)
        }
        ElementKind::Relation => None,
    });
    Shape::of_parts(&parts.collect::<Vec<_>>())
}

impl Gathered {
    /// Takes in an element if its tags make it a place, and its address if it has one.
    fn add(&mut self, element: &Element<'_>, source: Source, place: Option<(Coordinates, Option<Shape>)>) {
        let tags = element.tags;
        if tags.is_empty() {
            return;
        }
        let town = town_of(tags).map(|town| self.builder.texts.add(&town));
        if let (Some(town), Some((at, _))) = (town, place) {
            self.towns.add_address(at, town);
        }
        let (Some(name), Some(kind)) = (name(tags), kind_of_tags(tags)) else { return };
        let Some((at, shape)) = place else {
            self.unlocated += 1;
            return;
        };
        let key = PlaceKey::new(source, element.id);
        let population = population(tags);
        let texts = &mut self.builder.texts;
        let name = texts.add(name);
        if matches!(kind.name, "locality" | "sublocality") {
            self.towns.add(key, at, population, kind.name == "sublocality", name);
        }
        let record = Record {
            key,
            score: if kind.is_political() { town_score(population) } else { score(kind, tags, shape) },
            at,
            name,
            types: texts.add(&kind.types()),
            vicinity: street_of(tags).map_or_else(TextRef::default, |street| texts.add(&street)),
            locality: town.unwrap_or_default(),
            half: shape.map_or([0; 2], |shape| shape.half()),
        };
        self.builder.records.push(record);
    }
}

/// House number and street of an address.
fn street_of(tags: &Tags<'_>) -> Option<String> {
    let street = tag(tags, "addr:street").or_else(|| tag(tags, "addr:place"))?;
    Some(
        tag(tags, "addr:housenumber")
            .map_or_else(|| street.to_owned(), |number| format!("{number} {street}")),
    )
}

/// Town and state of an address.
fn town_of(tags: &Tags<'_>) -> Option<String> {
    let city = tag(tags, "addr:city")?;
    Some(tag(tags, "addr:state").map_or_else(|| city.to_owned(), |state| format!("{city}, {state}")))
}

/// People in a town; where nobody counted them, what such a place usually has.
fn population(tags: &Tags<'_>) -> f64 {
    let counted = tag(tags, "population").and_then(|number| number.replace([',', ' '], "").parse().ok());
    let usual = match tag(tags, "place") {
        Some("city") => 200_000.0,
        Some("town") => 15_000.0,
        Some("village" | "suburb" | "borough") => 1_000.0,
        _ => 60.0,
    };
    counted.filter(|number| (0.0..1e9).contains(number)).unwrap_or(usual)
}

/// Prominence of a town: a hundred thousand people are as much as a well-known museum, four million stand above all.
pub(super) fn town_score(population: f64) -> f32 {
    narrow(16.0 * population.max(1.0).log10())
}

/// Prominence of anything else: its kind, what is written about it elsewhere, and its size.
fn score(kind: &Kind, tags: &Tags<'_>, shape: Option<Shape>) -> f32 {
    const SIGNS: [(&[&str], f64); 5] = [
        (&["wikidata"], 8.0),
        (&["wikipedia"], 6.0),
        (&["website", "contact:website", "url"], 2.0),
        (&["opening_hours"], 2.0),
        (&["brand"], 1.0),
    ];
    let known: f64 = SIGNS
        .iter()
        .filter(|(keys, _)| keys.iter().any(|key| tag(tags, key).is_some()))
        .map(|(_, sign)| sign)
        .sum();
    let size = shape.map_or(0.0, |shape| 4.0 * (shape.box_m2() / 1000.0).max(1.0).log10());
    narrow(f64::from(kind.weight) + known + size.min(20.0))
}

#[expect(clippy::cast_possible_truncation, reason = "scores are below 200")]
pub(super) const fn narrow(score: f64) -> f32 {
    score as f32
}

/// IDs, each once, in order.
#[derive(Debug, Default)]
struct Sorted {
    ids: Vec<i64>,
    /// How many were left when they were last sorted.
    settled: usize,
}

impl Sorted {
    fn push(&mut self, id: i64) {
        self.ids.push(id);
        // Repetitions never take more than the IDs themselves.
        if self.ids.len() > 2 * self.settled + (1 << 20) {
            self.settle();
        }
    }

    fn settle(&mut self) {
        self.ids.sort_unstable();
        self.ids.dedup();
        self.settled = self.ids.len();
    }

    fn finish(mut self) -> Vec<i64> {
        self.settle();
        self.ids.shrink_to_fit();
        self.ids
    }
}

/// Where the wanted nodes are.
struct Locations {
    ids: Vec<i64>,
    /// Outside of the globe as long as it is unknown.
    at: Vec<[i32; 2]>,
}

impl Locations {
    fn new(ids: Vec<i64>) -> Self {
        let at = vec![[i32::MIN; 2]; ids.len()];
        Self { ids, at }
    }

    fn set(&mut self, id: i64, at: Coordinates) {
        if let Ok(number) = self.ids.binary_search(&id) {
            self.at[number] = [at.latitude(), at.longitude()];
        }
    }

    fn get(&self, id: i64) -> Option<Coordinates> {
        let [lat, lng] = *self.at.get(self.ids.binary_search(&id).ok()?)?;
        Coordinates::new(lat, lng)
    }

    /// A way, as far as its nodes are in the file.
    fn line(&self, refs: &[i64]) -> Vec<Coordinates> {
        refs.iter().filter_map(|id| self.get(*id)).collect()
    }
}
