//! A workspace of some of our crates only, so that they can be built apart.

/// The manifest of a workspace with other members, which must be on one line in it.
pub(crate) fn manifest(manifest: &str, members: &[&str]) -> String {
    let lines = manifest.lines().filter(|line| !line.starts_with("default-members"));
    let line = |line: &str| match line.starts_with("members") {
        true => format!("members = {members:?}\n"),
        false => format!("{line}\n"),
    };
    lines.map(line).collect()
}
