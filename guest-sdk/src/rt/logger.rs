//! What takes the lines of the crate `log`.

use super::world;
use log::kv::{self, Key, Value, VisitSource};
use log::{Log, Metadata, Record};

/// Named values of a line.
pub(super) type Fields = Vec<(String, String)>;

/// Has the lines of this instance told to the server, unless the handler has a logger of
/// its own. Asks nothing of the host: it is asked when there is a line.
pub(super) fn install() {
    if log::set_logger(&Logger).is_ok() {
        log::set_max_level(world::MOST_VERBOSE);
    }
}

struct Logger;

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        world::is_enabled(metadata.level())
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        match record.args().as_str() {
            Some(message) => world::write(record.level(), message, &fields(record)),
            None => world::write(record.level(), &record.args().to_string(), &fields(record)),
        }
    }

    fn flush(&self) {}
}

fn fields(record: &Record<'_>) -> Fields {
    let mut collector = Collector(Vec::new());
    // Nothing here fails, and what a value's own `Debug` does is not worth losing the line.
    _ = record.key_values().visit(&mut collector);
    let Collector(mut fields) = collector;
    // Where it is the module there is nothing that its author wanted to say by it.
    if record.module_path() != Some(record.target()) {
        fields.push(("target".to_owned(), record.target().to_owned()));
    }
    fields
}

struct Collector(Fields);

impl<'kvs> VisitSource<'kvs> for Collector {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
        self.0.push((key.as_str().to_owned(), value.to_string()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use log::Level;

    /// Outside of a component the host's functions end the process.
    #[test]
    fn the_host_is_asked_nothing_before_the_first_line() {
        install();
        assert_eq!(log::max_level(), world::MOST_VERBOSE);
    }

    #[test]
    fn values_and_a_target_of_ones_own_are_fields() {
        let (name, tries) = ("Ada", 3);
        let values: &[(&str, Value<'_>)] = &[("user", name.into()), ("tries", tries.into())];
        let mut record = Record::builder();
        record.level(Level::Info).module_path(Some("notes")).key_values(&values);
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let expected = [pair("user", "Ada"), pair("tries", "3"), pair("target", "audit")];
        assert_eq!(fields(&record.target("audit").build()), expected);
        assert_eq!(fields(&record.target("notes").build()), expected[..2]);
    }
}
