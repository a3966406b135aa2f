//! The counters of `meter` in Prometheus' text format, with what each means.

use super::admin::Admin;
use crate::meter::{Durations, HandlerMeter};
use crate::site::Site;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::Registry;
use std::collections::BTreeMap;
use std::fmt::Error;
use std::sync::Arc;

pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics at this moment.
pub(super) fn encode(admin: &Admin) -> String {
    let mut registry = Registry::with_prefix("squall");
    registry.register_collector(Box::new(Snapshot(admin.clone())));
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = text::encode(&mut out, &registry);
    out
}

#[derive(Debug)]
struct Snapshot(Admin);

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), Error> {
        let site = self.0.registry.site().clone();
        let handlers: Vec<(String, Arc<HandlerMeter>)> = self
            .0
            .registry
            .handlers()
            .into_iter()
            .map(|handler| (handler.name.to_string(), handler.meter.clone()))
            .collect();
        encode_handlers(&mut encoder, &handlers)?;
        encode_generations(&mut encoder, &site)?;
        encode_server(&mut encoder, &self.0)
    }
}

type Handlers = [(String, Arc<HandlerMeter>)];

fn encode_handlers(encoder: &mut DescriptorEncoder, handlers: &Handlers) -> Result<(), Error> {
    counters(
        encoder,
        "requests",
        "Requests answered, by handler and status",
        handlers,
        "status",
        |m| m.requests.get().into_iter().map(|(status, n)| (status.to_string(), n)).collect(),
    )?;
    durations(encoder, handlers)?;
    counters(
        encoder,
        "faults",
        "Failed requests, by handler and kind of fault",
        handlers,
        "kind",
        |m| m.faults().map(|(kind, n)| (kind.label().to_owned(), n)).collect(),
    )?;
    counters(
        encoder,
        "reloads",
        "Looks at a changed component, by result",
        handlers,
        "result",
        |m| owned(m.reloads.get()),
    )?;
    counters(
        encoder,
        "outbound_requests",
        "Outbound requests, by outcome",
        handlers,
        "outcome",
        |m| owned(m.outbound.get()),
    )?;
    counters(
        encoder,
        "outbound_denied",
        "Outbound calls that no grant allows",
        handlers,
        "reason",
        |m| owned(m.outbound_denied.get()),
    )?;
    let help = "Calls of the store, by kind and outcome";
    let mut family =
        encoder.encode_descriptor("state_operations", help, None, MetricType::Counter)?;
    for (handler, meter) in handlers {
        for ((operation, outcome), n) in meter.state_operations.get() {
            let labels =
                [("handler", handler.as_str()), ("operation", operation), ("outcome", outcome)];
            ConstCounter::new(n).encode(family.encode_family(&labels)?)?;
        }
    }
    let counter = |encoder: &mut DescriptorEncoder, name, help, get: fn(&HandlerMeter) -> u64| {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (handler, meter) in handlers {
            let labels = [("handler", handler.as_str())];
            ConstCounter::new(get(meter)).encode(family.encode_family(&labels)?)?;
        }
        Ok::<(), Error>(())
    };
    counter(encoder, "instances_started", "Instances made", |m| m.instances_started.get())?;
    counter(encoder, "request_bytes", "Bytes of request bodies received", |m| {
        m.request_bytes.get()
    })?;
    counter(encoder, "response_bytes", "Bytes of response bodies sent", |m| {
        m.response_bytes.get()
    })?;
    counter(encoder, "guest_log_dropped", "Lines of guests that were not logged", |m| {
        m.log_dropped.get()
    })?;
    counter(encoder, "host_panics", "Panics of the host while it ran a guest", |m| m.panics.get())?;
    let gauge = |encoder: &mut DescriptorEncoder, name, help, get: fn(&HandlerMeter) -> u64| {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (handler, meter) in handlers {
            let labels = [("handler", handler.as_str())];
            ConstGauge::new(get(meter)).encode(family.encode_family(&labels)?)?;
        }
        Ok::<(), Error>(())
    };
    gauge(encoder, "in_flight", "Requests whose response is not complete", |m| m.in_flight.get())?;
    gauge(encoder, "queue", "Requests that wait for an instance", |m| m.queue.get())?;
    gauge(encoder, "instances", "Instances alive", |m| m.instances.get())?;
    gauge(
        encoder,
        "outbound_connections",
        "Outbound connections and TCP sockets open or being made",
        |m| m.outbound_connections.get(),
    )?;
    gauge(encoder, "state_bytes", "Keys and values that the handler keeps", |m| {
        m.state_bytes.get()
    })?;
    gauge(encoder, "state_keys", "Keys that the handler keeps", |m| m.state_keys.get())
}

fn encode_generations(encoder: &mut DescriptorEncoder, site: &Site) -> Result<(), Error> {
    let help = "The number of the generation that serves";
    let mut family = encoder.encode_descriptor("generation", help, None, MetricType::Gauge)?;
    for (handler, generation) in site.handlers() {
        let labels = [("handler", handler.name.as_str())];
        ConstGauge::new(generation.number.0).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

fn encode_server(encoder: &mut DescriptorEncoder, admin: &Admin) -> Result<(), Error> {
    let meter = &admin.meter;
    let plain = |encoder: &mut DescriptorEncoder, name, help, n: u64| {
        let metric = ConstCounter::new(n);
        metric.encode(encoder.encode_descriptor(name, help, None, ConstCounter::<u64>::TYPE)?)
    };
    plain(encoder, "connections_accepted", "Connections accepted", meter.accepted.get())?;
    plain(
        encoder,
        "accept_waits",
        "Times that `connections` was reached and clients had to wait",
        meter.accept_waits.get(),
    )?;
    plain(
        encoder,
        "log_dropped",
        "Lines of the log that nobody took in time",
        admin.log_dropped.dropped_lines() as u64,
    )?;
    plain(
        encoder,
        "access_log_dropped",
        "Lines of the access log that nobody took in time",
        meter.access_dropped.get(),
    )?;
    plain(encoder, "state_flushes", "Flushes of the state's file", meter.state_flushes.get())?;
    for (name, help, n) in [
        ("connections", "Connections open", meter.connections.get()),
        ("files_open", "Responses that have static files open", meter.files_open.get()),
        ("state_queue_bytes", "Writes on their way to the state's file", meter.state_queue.get()),
    ] {
        let descriptor = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        ConstGauge::new(n).encode(descriptor)?;
    }
    let tallies = [
        (
            "connections_closed",
            "Connections that we ended, by reason",
            "reason",
            meter.closed.get(),
        ),
        ("accept_errors", "Errors of accept, by kind", "error", meter.accept_errors.get()),
        (
            "config_reloads",
            "Looks at a changed config, by result",
            "result",
            meter.config_reloads.get(),
        ),
    ];
    for (name, help, label, tally) in tallies {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (value, n) in tally {
            ConstCounter::new(n).encode(family.encode_family(&[(label, value)])?)?;
        }
    }
    let mut family = encoder.encode_descriptor(
        "other_requests",
        "Requests that reached no handler, by status",
        None,
        MetricType::Counter,
    )?;
    for (status, n) in meter.other.requests.get() {
        let status = status.to_string();
        ConstCounter::new(n).encode(family.encode_family(&[("status", status.as_str())])?)?;
    }
    let mut family = encoder.encode_descriptor(
        "rejects",
        "Failed requests that reached no handler, by kind",
        None,
        MetricType::Counter,
    )?;
    for (kind, n) in meter.other.faults() {
        ConstCounter::new(n).encode(family.encode_family(&[("kind", kind.label())])?)?;
    }
    Ok(())
}

/// A counter with one label besides the handler.
fn counters(
    encoder: &mut DescriptorEncoder,
    name: &str,
    help: &str,
    handlers: &Handlers,
    label: &str,
    get: impl Fn(&HandlerMeter) -> Vec<(String, u64)>,
) -> Result<(), Error> {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (handler, meter) in handlers {
        for (value, n) in get(meter) {
            let labels = [("handler", handler.as_str()), (label, value.as_str())];
            ConstCounter::new(n).encode(family.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

fn durations(encoder: &mut DescriptorEncoder, handlers: &Handlers) -> Result<(), Error> {
    let help = "From a request's head to the end of its response";
    let mut family =
        encoder.encode_descriptor("request_duration_seconds", help, None, MetricType::Histogram)?;
    for (handler, meter) in handlers {
        let (counts, sum) = meter.durations.get();
        let bounds = Durations::BOUNDS.into_iter().chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.zip(counts.iter().copied()).collect();
        let labels = [("handler", handler.as_str())];
        let count = counts.iter().sum();
        family
            .encode_family(&labels)?
            .encode_histogram::<[(&str, &str); 0]>(sum, count, &buckets, None)?;
    }
    Ok(())
}

fn owned(tally: BTreeMap<&'static str, u64>) -> Vec<(String, u64)> {
    tally.into_iter().map(|(reason, n)| (reason.to_owned(), n)).collect()
}
