//! What clients make the core do: lines into commands, commands into the table, answers into replies.

use std::hint::black_box;

use anyhow::{Context, ensure};
use herd_core::{
    command::Command,
    limits::LINE_BYTES_MAX,
    node::{Answer, Node},
    wire::{line, lines::LineSplitter},
};

use crate::{
    pieces::Work,
    reports::{self, BATCH, CLIENTS, LIMITS, ROUNDS_MAX, SERVER, clock, rounds},
};

pub(crate) fn cut() -> anyhow::Result<Work> {
    let lines = reports::lines(0);
    let mut splitter = LineSplitter::new(LINE_BYTES_MAX);
    Ok(Box::new(move |_| {
        // As much as the front-end reads at once.
        for read in lines.chunks(64 * 1024) {
            for line in splitter.split(black_box(read)).lines() {
                black_box(line);
            }
        }
        Ok(())
    }))
}

pub(crate) fn parse() -> anyhow::Result<Work> {
    let lines: Vec<&[u8]> = reports::each(reports::lines(0)).collect();
    Ok(Box::new(move |_| {
        for line in &lines {
            black_box(line::parse(black_box(line), &LIMITS));
        }
        Ok(())
    }))
}

pub(crate) fn print() -> anyhow::Result<Work> {
    let iamats = reports::iamats(reports::lines(0))?;
    let mut out = Vec::with_capacity(CLIENTS * 128);
    Ok(Box::new(move |_| {
        out.clear();
        for iamat in &iamats {
            line::print_reply(&mut out, SERVER, black_box(263_873_386), iamat);
        }
        black_box(&out);
        Ok(())
    }))
}

pub(crate) fn apply_first() -> anyhow::Result<Work> {
    let rounds = rounds().map(|round| reports::commands(reports::lines_of(1, round))).collect();
    Ok(apply(reports::node(SERVER)?, rounds, BATCH, true))
}

pub(crate) fn apply_newer(batch: usize) -> anyhow::Result<Work> {
    let rounds = rounds().map(|round| reports::commands(reports::lines(round + 1))).collect();
    Ok(apply(reports::node_with(0)?, rounds, batch, true))
}

pub(crate) fn apply_stale() -> anyhow::Result<Work> {
    let rounds = rounds().map(|round| reports::commands(reports::lines(round))).collect();
    Ok(apply(reports::node_with(ROUNDS_MAX)?, rounds, BATCH, false))
}

/// Applies the rounds to a node in batches; all of it is news, or nothing.
fn apply(node: Node, rounds: Vec<Vec<Command<'static>>>, batch: usize, is_news: bool) -> Work {
    let mut answers = Vec::new();
    Box::new(move |round| {
        for commands in rounds.get(round).context("no such round")?.chunks(batch) {
            answers.clear();
            let effects = node.apply(commands, clock(round + 1), &mut answers);
            ensure!(effects.fresh.is_empty() != is_news, "news is not what it should be");
            black_box(&answers);
        }
        Ok(())
    })
}

/// What the front-end asks of the core for one read.
pub(crate) fn request(batch: usize) -> anyhow::Result<Work> {
    let node = reports::node_with(0)?;
    let reads = |round| {
        let lines: Vec<&[u8]> = reports::lines(round + 1).split_inclusive(|&byte| byte == b'\n').collect();
        lines.chunks(batch).map(<[&[u8]]>::concat).collect::<Vec<_>>()
    };
    let rounds: Vec<Vec<Vec<u8>>> = rounds().map(reads).collect();
    let mut splitter = LineSplitter::new(LINE_BYTES_MAX);
    let mut out = Vec::with_capacity(batch * 128);
    Ok(Box::new(move |round| {
        for read in rounds.get(round).context("no such round")? {
            out.clear();
            let split = splitter.split(read);
            let mut lines = split.lines();
            let mut commands = Vec::with_capacity(batch);
            while let Some((_, command)) = line::next(&mut lines, &LIMITS) {
                commands.push(command);
            }
            let mut answers = Vec::with_capacity(commands.len());
            black_box(node.apply(&commands, clock(round + 1), &mut answers));
            for (command, answer) in commands.iter().zip(&answers) {
                if let (Command::Iamat(iamat), Answer::Taken { skew_nanos }) = (command, answer) {
                    line::print_reply(&mut out, SERVER, *skew_nanos, iamat);
                }
            }
            ensure!(out.starts_with(b"AT "), "no reply");
        }
        Ok(())
    }))
}
