//! What operators see of containers: lines that contracts write, and metrics.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock},
    time::{Duration, Instant},
};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use tracing::field::{Field, Visit};
use tracing_subscriber::{Layer, layer::SubscriberExt};

use vm_core::{Code, RuntimeKind};
use vm_docker::DockerConfig;

use crate::{
    daemon::Daemon,
    world::{World, config},
};

const LIMIT: Duration = Duration::from_secs(30);

/// Waits for something that is told soon.
pub(crate) fn soon<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "it was not told");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// All events of contracts, each as its fields and its text.
pub(crate) fn events() -> &'static Mutex<Vec<BTreeMap<String, String>>> {
    static EVENTS: OnceLock<Mutex<Vec<BTreeMap<String, String>>>> = OnceLock::new();
    struct Keep;
    struct Fields(BTreeMap<String, String>);
    impl Visit for Fields {
        fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
            self.0.insert(field.name().into(), format!("{value:?}").trim_matches('"').to_owned());
        }
    }
    impl<S: tracing::Subscriber> Layer<S> for Keep {
        fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
            if matches!(event.metadata().target(), "vm::contract" | "vm_docker::runtime") {
                let mut fields = Fields(BTreeMap::new());
                event.record(&mut fields);
                EVENTS.get().unwrap().lock().unwrap().push(fields.0);
            }
        }
    }
    EVENTS.get_or_init(|| {
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Keep)).unwrap();
        Mutex::default()
    })
}

/// The event with this text, if it was told.
pub(crate) fn find(message: &str) -> Option<BTreeMap<String, String>> {
    let events = events().lock().unwrap();
    events.iter().find(|event| event.get("message").is_some_and(|found| found == message)).cloned()
}

#[test]
fn what_a_contract_prints_is_told_with_contract_and_call() {
    let Some(daemon) = Daemon::shared() else { return };
    events();
    let world = World::with_probe(config(daemon, "print"), LIMIT);
    let text = format!("hello from {}", std::process::id());
    world.call("print", &text);
    let printed = soon(|| find(&text));
    assert_eq!((&*printed["contract"], &*printed["stream"]), ("probe", "stdout"));
    let printed_error = soon(|| find(&format!("error: {text}")));
    assert_eq!(printed_error["stream"], "stderr");
    assert_eq!(printed_error["transaction"], printed["transaction"]);
    assert!(printed["container"].starts_with("vm-"));

    world.call("print", &format!("{text} again"));
    let again = soon(|| find(&format!("{text} again")));
    assert_ne!(again["transaction"], printed["transaction"], "another call");
}

#[test]
fn what_a_contract_logs_is_told_with_contract_and_call() {
    let Some(daemon) = Daemon::shared() else { return };
    events();
    let world = World::with_probe(config(daemon, "log"), LIMIT);
    let told = ["first", "second"].map(|text| {
        let text = format!("{text} line of {}", std::process::id());
        world.call("log", &text);
        find(&text).expect("it is told before the call has ended")
    });
    assert!(told.iter().all(|event| event["contract"] == "probe"), "{told:?}");
    assert_ne!(told[0]["transaction"], told[1]["transaction"]);
}

#[test]
fn what_is_loosened_is_warned_of() {
    let Some(daemon) = Daemon::shared() else { return };
    events();
    let loose = DockerConfig { allow_network: true, allow_file_system: true, ..config(daemon, "loose") };
    let world = World::start(DockerConfig { enable_sandbox: false, ..loose }, LIMIT);
    let events = events().lock().unwrap().clone();
    for switch in ["enable_sandbox = false", "allow_network = true", "allow_file_system = true"] {
        let warns = |event: &BTreeMap<String, String>| {
            event["message"].starts_with("containers are less strictly confined") && event["message"].contains(switch)
        };
        assert!(events.iter().any(warns), "no warning of {switch}");
        assert!(world.detail("loosened").contains(switch));
    }
}

#[test]
fn who_prints_too_much_is_cut_short_and_goes_on() {
    let Some(daemon) = Daemon::shared() else { return };
    events();
    let world = World::with_probe(config(daemon, "prints"), LIMIT);
    world.call("print_much", "");
    let told = soon(|| {
        // What was dropped is told with the first line of another second.
        world.call("print", "and one more");
        let events = events().lock().unwrap();
        let end = events.iter().position(|event| event["message"].ends_with(" more lines)"))?;
        let lines = |event: &&BTreeMap<String, String>| event["message"].starts_with("line ");
        Some((events.iter().filter(lines).count(), events[end]["message"].clone()))
    });
    assert!((100..1_000).contains(&told.0), "{told:?}");
}

/// Empty lines are not even told.
#[test]
fn who_prints_without_end_waits() {
    let Some(daemon) = Daemon::shared() else { return };
    let world = World::with_probe(config(daemon, "feeds"), LIMIT);
    let (second, start) = (512 << 10, Instant::now());
    let written: u64 = world.text("print_feeds", "3000").parse().unwrap();
    // What is read in seconds that have begun, and what the pipe holds.
    let seconds = start.elapsed().as_secs() + 2;
    assert!(written > second && written <= seconds * second + (64 << 10), "{written} bytes in {seconds} s");
}

/// Keeps the last value, or the sum, of every metric by its name and labels.
#[derive(Clone, Default)]
struct Values {
    values: Arc<Mutex<BTreeMap<String, f64>>>,
    shapes: Arc<Mutex<Shapes>>,
}

/// By name, what kind of a metric it is, and the names of its labels.
type Shapes = BTreeMap<String, (&'static str, BTreeSet<String>)>;

struct One(Values, String);

impl One {
    fn with(&self, change: impl FnOnce(f64) -> f64) {
        let mut values = self.0.lock();
        let value = values.entry(self.1.clone()).or_default();
        *value = change(*value);
    }
}

impl CounterFn for One {
    fn increment(&self, value: u64) {
        self.with(|sum| sum + value as f64);
    }
    fn absolute(&self, value: u64) {
        self.with(|_| value as f64);
    }
}

impl GaugeFn for One {
    fn increment(&self, value: f64) {
        self.with(|sum| sum + value);
    }
    fn decrement(&self, value: f64) {
        self.with(|sum| sum - value);
    }
    fn set(&self, value: f64) {
        self.with(|_| value);
    }
}

impl HistogramFn for One {
    fn record(&self, _: f64) {
        self.with(|count| count + 1.0);
    }
}

impl Values {
    /// The values that every test adds to.
    fn shared() -> &'static Self {
        static SHARED: OnceLock<Values> = OnceLock::new();
        SHARED.get_or_init(|| {
            let values = Self::default();
            metrics::set_global_recorder(values.clone()).unwrap();
            values
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, f64>> {
        self.values.lock().unwrap()
    }

    fn one(&self, kind: &'static str, key: &Key) -> Arc<One> {
        let names = key.labels().map(|label| label.key().to_owned()).collect();
        self.shapes.lock().unwrap().insert(key.name().into(), (kind, names));
        let labels: Vec<_> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let one = One(self.clone(), format!("{} {}", key.name(), labels.join(" ")));
        one.with(|value| value);
        Arc::new(one)
    }

    /// The largest value of a metric.
    fn largest(&self, name: &str, label: &str) -> f64 {
        let values = self.lock();
        let fits = |key: &str| key.split(' ').next() == Some(name) && key.contains(label);
        values.iter().filter(|(key, _)| fits(key)).map(|(_, value)| *value).fold(0.0, f64::max)
    }
}

impl Recorder for Values {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.one("counter", key))
    }
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.one("gauge", key))
    }
    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.one("histogram", key))
    }
}

#[test]
fn what_containers_use_and_how_they_end_are_metrics() {
    let Some(daemon) = Daemon::shared() else { return };
    let values = Values::shared();
    let world = World::with_probe(config(daemon, "metrics"), LIMIT);
    let told = |name: &str, label: &str| soon(|| Some(values.largest(name, label)).filter(|value| *value > 0.0));
    told("vm_docker_container_memory_bytes", "place=0");
    told("vm_docker_container_cpu_microseconds_total", "place=0");
    told("vm_docker_pool", "state=idle");
    told("vm_docker_starts_total", "outcome=started");
    told("vm_docker_start_duration_seconds", "");
    told("vm_docker_wait_duration_seconds", "");
    // An image that no other test has: what is told of it is its own doing.
    let own = crate::images::archive(&crate::world::probe(), &["/opt/program"], &["PROBE_IMAGE=metrics".to_owned()]);
    let own = Code::new(RuntimeKind::Docker, own);
    let images = || {
        let keys: Vec<_> = values.lock().keys().cloned().collect();
        let labels = keys.iter().flat_map(|key| key.split(' ')).filter_map(|label| label.strip_prefix("image="));
        labels.map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let before = images();
    world.deploy("own", own).unwrap();
    let new = &images() - &before;
    world.try_call("own", "hog", "").unwrap_err();
    // Other tests may have brought images in the meantime.
    let image = soon(|| new.iter().find(|image| values.largest("vm_docker_oom_kills_total", image) == 1.0));
    assert_eq!(image.len(), 12, "{image}");
    for name in ["broken_total", "starts_total", "start_duration_seconds", "wait_duration_seconds"] {
        told(&format!("vm_docker_{name}"), image);
    }
    assert_eq!((world.detail("oom_kills"), world.detail("broken")), ("1".into(), "1".into()));
}

/// What is registered stands in the document with its kind and its labels, and the other way round.
#[test]
fn the_document_has_all_metrics() {
    let Some(daemon) = Daemon::shared() else { return };
    let values = Values::shared();
    let _world = World::with_probe(config(daemon, "documented"), LIMIT);
    let ours = |name: &str| name.starts_with("vm_docker_");
    let registered: BTreeMap<_, _> = values.shapes.lock().unwrap().clone();
    let registered: BTreeMap<_, _> = registered.into_iter().filter(|(name, _)| ours(name)).collect();
    let document = include_str!("../../../docs/metrics.md");
    let rows = document.lines().map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
    let documented: BTreeMap<_, _> = rows
        .filter_map(|row| {
            let [_, name, kind, labels, ..] = row[..] else { return None };
            let name = name.trim_matches('`');
            let kind = ["counter", "gauge", "histogram"].into_iter().find(|known| *known == kind)?;
            // Values stand in parentheses.
            let labels = labels.split(')').map(|part| part.split('(').next().unwrap());
            let labels = labels.flat_map(|part| part.split('`').skip(1).step_by(2)).map(str::to_owned).collect();
            ours(name).then(|| (name.to_owned(), (kind, labels)))
        })
        .collect();
    assert_eq!(registered, documented);
}
