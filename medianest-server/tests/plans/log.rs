//! What PostgreSQL logs of the statements that it runs.

use serde_json::Value;

/// A statement, and how it was run.
pub(crate) struct Planned {
    pub(crate) statement: String,
    plan: Value,
}

/// The plans that `auto_explain` has written into a log, as JSON.
pub(crate) fn plans(log: &str) -> Vec<Planned> {
    let mut plans = Vec::new();
    let mut lines = log.lines().peekable();
    while let Some(line) = lines.next() {
        if !line.ends_with("plan:") {
            continue;
        }
        let mut text = String::new();
        while let Some(line) = lines.next_if(|line| line.starts_with('\t')) {
            text.push_str(line);
        }
        let mut explained: Value =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let statement = explained["Query Text"].as_str().unwrap().to_owned();
        plans.push(Planned { statement, plan: explained["Plan"].take() });
    }
    plans
}

impl Planned {
    /// The tables that were read from end to end.
    pub(crate) fn scanned(&self) -> Vec<&str> {
        let mut scanned = Vec::new();
        let mut nodes = vec![&self.plan];
        while let Some(node) = nodes.pop() {
            if node["Node Type"] == "Seq Scan" {
                scanned.extend(node["Relation Name"].as_str());
            }
            nodes.extend(node["Plans"].as_array().into_iter().flatten());
        }
        scanned
    }
}
