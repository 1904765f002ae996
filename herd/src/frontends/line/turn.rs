//! What a connection answers in one turn: some lines in a row, few and short enough that others wait less than a tenth of a
//! millisecond.

use arrayvec::ArrayVec;
use herd_core::{
    command::{Command, QuestionLimits},
    wire::{
        line,
        lines::{Line, Lines},
    },
};

/// Lines of a turn: 32 at once pay for the locks.
const LINES_MAX: usize = 64;

/// Bytes after which it ends as well: long lines take longer.
const BYTES_MAX: usize = 16 * 1024;

/// Questions of a turn: their answers are up to 25 KB each.
const QUESTIONS_MAX: usize = 2;

/// See the module.
#[derive(Default)]
pub(super) struct Turn<'a> {
    pub(super) lines: ArrayVec<Line<'a>, LINES_MAX>,
    /// What each of them asks for.
    pub(super) commands: ArrayVec<Command<'a>, LINES_MAX>,
}

impl<'a> Turn<'a> {
    /// Takes its lines off those that are there.
    #[inline]
    pub(super) fn fill(&mut self, from: &mut Lines<'a>, limits: &QuestionLimits) {
        let (start, mut questions) = (from.unread(), 0);
        while self.lines.len() < LINES_MAX
            && questions < QUESTIONS_MAX
            && start - from.unread() < BYTES_MAX
            && let Some((line, command)) = line::next(from, limits)
        {
            questions += usize::from(matches!(command, Command::Whatsat(_)));
            self.lines.push(line);
            self.commands.push(command);
        }
    }
}

#[cfg(test)]
mod tests {
    use herd_core::wire::lines::LineSplitter;

    use super::*;

    /// How many of a hundred such lines one turn has.
    fn taken(line: &str) -> usize {
        let limits = QuestionLimits { radius_km_max: Some(50), bound_max: 20 };
        let mut splitter = LineSplitter::new(64 * 1024);
        let input = format!("{line}\n").repeat(100);
        let split = splitter.split(input.as_bytes());
        let (mut turn, mut lines) = (Turn::default(), split.lines());
        turn.fill(&mut lines, &limits);
        assert_eq!(input.len() - lines.unread(), turn.lines.len() * (line.len() + 1));
        turn.lines.len()
    }

    #[test]
    fn a_turn_ends_with_its_lines_its_bytes_or_its_questions() {
        assert_eq!(taken("IAMAT kiwi +34.068930-118.445127 1520023934.918963997"), LINES_MAX);
        assert_eq!(taken("WHATSAT kiwi 10 5"), QUESTIONS_MAX);
        let usual_and_long = format!("IAMAT {} +34-118 1", "k".repeat(BYTES_MAX / 8));
        assert_eq!(taken(&usual_and_long), 8);
        assert_eq!(taken(&"x".repeat(BYTES_MAX / 8 - 1)), 8);
        assert_eq!(taken(&"x".repeat(3 * BYTES_MAX)), 1);
    }
}
