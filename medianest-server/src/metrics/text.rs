use std::fmt::Write;

/// Prometheus' [text format](https://prometheus.io/docs/instrumenting/exposition_formats/), as it grows.
pub(super) struct Text(String);

#[derive(Clone, Copy)]
pub(super) enum Kind {
    Counter,
    Gauge,
}

impl Text {
    /// Begins a family of values: what is written next belongs to it.
    pub(super) fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> Family<'_> {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        // Writing to a string does not fail.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        Family { text: &mut self.0, name }
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.0
    }
}

pub(super) struct Family<'a> {
    text: &'a mut String,
    name: &'static str,
}

impl Family<'_> {
    /// Labels are words of ours, in which nothing has to be escaped.
    pub(super) fn value(&mut self, labels: &[(&str, &str)], value: f64) {
        let labels: Vec<_> = labels.iter().map(|(key, value)| format!("{key}=\"{value}\"")).collect();
        let _ = match labels.is_empty() {
            true => writeln!(self.text, "{} {value}", self.name),
            false => writeln!(self.text, "{}{{{}}} {value}", self.name, labels.join(",")),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_below_their_family() {
        let mut text = Text::from(String::new());
        let mut family = text.family("queue_jobs", Kind::Gauge, "Jobs");
        family.value(&[("kind", "render"), ("state", "dead")], 3.0);
        text.family("cpu_seconds_total", Kind::Counter, "Seconds").value(&[], 0.25);
        assert_eq!(
            String::from(text),
            "# HELP queue_jobs Jobs\n# TYPE queue_jobs gauge\nqueue_jobs{kind=\"render\",state=\"dead\"} 3\n\
             # HELP cpu_seconds_total Seconds\n# TYPE cpu_seconds_total counter\ncpu_seconds_total 0.25\n"
        );
    }
}
