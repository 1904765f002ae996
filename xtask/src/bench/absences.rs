//! Who or what has no numbers, and why: so that a run goes on without, and says so.

/// Names and reasons.
#[derive(Debug, Default)]
pub(super) struct Absences {
    /// Not on this machine.
    absent: Vec<String>,
    /// Here, and did not work.
    failed: Vec<String>,
}

impl Absences {
    /// What is there; else notes why it is not: an inner error is an absence, an outer one a failure.
    pub(super) fn unless_present<T>(
        &mut self,
        name: &str,
        found: anyhow::Result<Result<T, String>>,
    ) -> Option<T> {
        let (kind, list, reason) = match found {
            Ok(Ok(found)) => return Some(found),
            Ok(Err(reason)) => ("absent", &mut self.absent, reason),
            Err(error) => ("failed", &mut self.failed, format!("{error:#}")),
        };
        println!("   {kind}: {name}: {reason}");
        list.push(format!("{name} ({reason})"));
        None
    }

    /// What worked; else notes the failure.
    pub(super) fn unless_failed<T>(&mut self, name: &str, found: anyhow::Result<T>) -> Option<T> {
        self.unless_present(name, found.map(Ok))
    }

    pub(super) fn failed(&self) -> &[String] {
        &self.failed
    }

    /// As sentences.
    pub(super) fn print(&self) -> String {
        let list = |names: &[String]| if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
        let absent = format!("Absent: {}.", list(&self.absent));
        if self.failed.is_empty() { absent } else { format!("{absent} **Failed: {}.**", list(&self.failed)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_its_reason() {
        let mut absences = Absences::default();
        assert_eq!(absences.print(), "Absent: nobody.");
        assert_eq!(absences.unless_present("echo", Ok(Ok(1))), Some(1));
        assert_eq!(absences.unless_present::<u8>("java", Ok(Err("no javac".to_owned()))), None);
        assert_eq!(absences.unless_failed::<u8>("node", Err(anyhow::anyhow!("not ready"))), None);
        assert_eq!(absences.print(), "Absent: java (no javac). **Failed: node (not ready).**");
        assert_eq!(absences.failed(), ["node (not ready)"]);
    }
}
