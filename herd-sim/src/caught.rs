//! Code under test that panics fails its own run, as a violation, and not the runs beside it.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Does some work; says that it panicked if it did, in one line. What it worked on is good for nothing but numbers then.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let lines: Vec<_> = message(&*panic).lines().map(str::trim).collect();
        format!("a panic ({})", lines.join(" "))
    })
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("of no text")
}
