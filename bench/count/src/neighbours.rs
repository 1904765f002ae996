//! What neighbours make the core do: records out of the log into frames, and out of frames into the table.

use std::hint::black_box;

use anyhow::{Context, ensure};
use herd_core::{
    limits::{FRAME_BYTES_MAX, LINK_PIECE_BYTES},
    log::{LogPosition, Source},
    node::Node,
    server::Name,
    wire::{
        peer::{self, Frame},
        record::Record,
    },
};

use crate::{
    pieces::Work,
    reports::{self, BATCH, CLIENTS, OTHER, ROUNDS_MAX, clock, rounds},
};

pub(crate) fn encode_record() -> anyhow::Result<Work> {
    let iamats = reports::iamats(reports::lines(0))?;
    let mut out = Vec::with_capacity(CLIENTS * 64);
    Ok(Box::new(move |_| {
        out.clear();
        for iamat in &iamats {
            reports::encode(&mut out, black_box(iamat), OTHER, clock(0));
        }
        black_box(&out);
        Ok(())
    }))
}

pub(crate) fn decode_record() -> anyhow::Result<Work> {
    let records = reports::records(0)?;
    Ok(Box::new(move |_| {
        let mut rest = black_box(records.as_slice());
        while !rest.is_empty() {
            let record = black_box(Record::decode(rest)?);
            rest = rest.get(record.bytes().len()..).unwrap_or_default();
        }
        Ok(())
    }))
}

pub(crate) fn read_log() -> anyhow::Result<Work> {
    let node = reports::node_with(0)?;
    let mut out = Vec::with_capacity(LINK_PIECE_BYTES);
    Ok(Box::new(move |_| {
        let mut position = LogPosition::default();
        loop {
            out.clear();
            position = node.read_log(position, Source::NOBODY, LINK_PIECE_BYTES, &mut out)?;
            if black_box(&out).is_empty() {
                return Ok(());
            }
        }
    }))
}

pub(crate) fn encode_frame() -> anyhow::Result<Work> {
    let pieces = reports::pieces(&reports::records(0)?, BATCH)?;
    let mut out = Vec::with_capacity(BATCH * 64);
    Ok(Box::new(move |_| {
        for records in &pieces {
            out.clear();
            let next = LogPosition::from_bytes(black_box(1 << 20));
            peer::encode(&mut out, &Frame::Reports { next, records });
            black_box(&out);
        }
        Ok(())
    }))
}

pub(crate) fn decode_frame() -> anyhow::Result<Work> {
    let mut frames = Vec::new();
    for records in &reports::pieces(&reports::records(0)?, BATCH)? {
        peer::encode(&mut frames, &Frame::Reports { next: LogPosition::from_bytes(1 << 20), records });
    }
    Ok(Box::new(move |_| {
        let mut rest = black_box(frames.as_slice());
        while let Some((frame, taken)) = peer::decode(rest, FRAME_BYTES_MAX)? {
            black_box(frame);
            rest = rest.get(taken..).unwrap_or_default();
        }
        Ok(())
    }))
}

pub(crate) fn merge_newer() -> anyhow::Result<Work> {
    let node = reports::node_with(0)?;
    let source = meet(&node)?;
    let pieces = rounds().map(|round| reports::pieces(&reports::records(round + 1)?, BATCH));
    Ok(merge(node, source, pieces.collect::<anyhow::Result<_>>()?, true))
}

pub(crate) fn merge_known() -> anyhow::Result<Work> {
    let node = reports::node_with(0)?;
    let source = meet(&node)?;
    let records = reports::records(1)?;
    node.merge(source, &records, clock(1))?;
    Ok(merge(node, source, vec![reports::pieces(&records, BATCH)?; ROUNDS_MAX], false))
}

/// Merges what a neighbour sends in each round; all of it is news, or nothing.
fn merge(node: Node, source: Source, rounds: Vec<Vec<Vec<u8>>>, is_news: bool) -> Work {
    Box::new(move |round| {
        for records in rounds.get(round).context("no such round")? {
            let effects = node.merge(source, records, clock(round + 1))?;
            ensure!(effects.fresh.is_empty() != is_news, "news is not what it should be");
        }
        Ok(())
    })
}

/// The neighbour whose server is [`OTHER`] to the node.
fn meet(node: &Node) -> anyhow::Result<Source> {
    let neighbour = Name::new("Bailey")?;
    ensure!(node.names().intern(&neighbour) == Some(OTHER), "the second name has another number");
    Ok(node.source_of(&neighbour, 1))
}
