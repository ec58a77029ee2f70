//! Medians, the table and the summary file.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

use crate::load::Workload;
use crate::pgbench::{Length, Run};

/// The runs of one system under one workload.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// The system's name.
    pub(crate) name: &'static str,
    /// In the order they were measured.
    pub(crate) runs: Vec<Run>,
}

impl Row {
    /// No runs yet.
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, runs: Vec::new() }
    }

    fn tps(&self) -> f64 {
        median(self.runs.iter().map(|run| run.tps).collect())
    }

    fn latency_ms(&self) -> f64 {
        median(self.runs.iter().map(|run| run.latency_ms).collect())
    }

    fn cpu_us(&self) -> Option<f64> {
        let cpu: Option<Vec<f64>> = self.runs.iter().map(|run| run.cpu_us).collect();
        cpu.map(median)
    }

    /// How far the runs lie apart, as a part of their median: a large one means a busy machine.
    fn spread(&self) -> f64 {
        let tps = self.runs.iter().map(|run| run.tps);
        let (low, high) = tps.fold((f64::MAX, f64::MIN), |(l, h), x| (l.min(x), h.max(x)));
        (high - low) / self.tps()
    }
}

/// Everything measured, as flat names and numbers.
pub(crate) struct Summary {
    numbers: Map<String, Value>,
}

impl Summary {
    /// Nothing measured yet.
    pub(crate) fn new(rounds: u32, length: Length) -> Self {
        let mut numbers = Map::new();
        numbers.insert("rounds".into(), rounds.into());
        numbers.insert("secs".into(), length.secs.into());
        numbers.insert("rows".into(), length.rows.into());
        Self { numbers }
    }

    /// Takes in one workload and prints its table; the first row is what the others are
    /// compared with.
    pub(crate) fn add(&mut self, workload: Workload, rows: &[Row]) {
        let Workload { name, load, .. } = workload;
        let direct = rows.first().map_or(f64::NAN, Row::tps);
        // A row of a large result costs less than a microsecond.
        let (rate, unit, scale) =
            if load.streams() { ("rows/s", "ns/row", 1e3) } else { ("tps", "us/txn", 1.0) };
        println!("\n{name}");
        let first = rows.first().map_or("", |row| row.name);
        println!("  {:<16} {rate:>9}   of {first}   spread   latency ms   CPU {unit}", "system",);
        for row in rows {
            let (tps, ratio, latency) = (row.tps(), row.tps() / direct, row.latency_ms());
            let cpu = row.cpu_us().map(|cpu| cpu * scale);
            let shown = cpu.map_or_else(|| "-".to_owned(), |cpu| format!("{cpu:.1}"));
            println!(
                "  {:<16} {tps:>9.0} {ratio:>11.3} {:>8.2} {latency:>12.3} {shown:>12}",
                row.name,
                row.spread(),
            );
            let mut set = |what: &str, number: f64| {
                self.set(&format!("{name}_{}_{what}", row.name.replace('-', "_")), number);
            };
            set(if load.streams() { "rows_s" } else { "tps" }, tps);
            set("latency_ms", latency);
            set("spread", row.spread());
            set("ratio", ratio);
            if let Some(cpu) = cpu {
                set(if load.streams() { "cpu_ns" } else { "cpu_us" }, cpu);
            }
        }
    }

    /// Takes in one number.
    pub(crate) fn set(&mut self, name: &str, number: f64) {
        self.numbers.insert(name.to_owned(), rounded(number));
    }

    /// Writes the numbers, one a line, sorted by name.
    pub(crate) fn write(&self, file: &Path) {
        let folder = file.parent().expect("the file stands in a folder");
        fs::create_dir_all(folder).expect("a folder below target can be made");
        let text = serde_json::to_string_pretty(&self.numbers).expect("numbers are JSON");
        fs::write(file, text + "\n").expect("a file below target can be written");
    }
}

/// The middle one, or the mean of the two in the middle; NaN for none.
fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    let upper = numbers.get(middle).copied().unwrap_or(f64::NAN);
    if numbers.len() % 2 == 1 {
        return upper;
    }
    let lower = middle.checked_sub(1).and_then(|lower| numbers.get(lower));
    (lower.copied().unwrap_or(f64::NAN) + upper) / 2.0
}

fn rounded(number: f64) -> Value {
    Value::from((number * 10_000.0).round() / 10_000.0)
}

#[test]
fn the_median_is_in_the_middle() {
    assert_eq!(median(vec![5.0, 1.0, 3.0]), 3.0);
    assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), 2.5);
    assert!(median(vec![]).is_nan());
}

#[test]
fn the_summary_is_flat() {
    use crate::load::Load;

    let run = |tps, cpu_us| Run { tps, latency_ms: 0.5, cpu_us };
    let mut direct = Row::new("direct");
    direct.runs = vec![run(100.0, None), run(120.0, None)];
    let mut gateway = Row::new("gateway-durable");
    gateway.runs = vec![run(55.0, Some(30.0)), run(55.0, Some(40.0))];
    let rows = [direct, gateway];
    let mut summary = Summary::new(1, Length { secs: 1, rows: 1 });
    let workload = Workload { name: "simple_c8", load: Load::Select("simple"), clients: 8 };
    summary.add(workload, &rows);
    let workload = Workload { name: "copy_out", load: Load::CopyOut, clients: 1 };
    summary.add(workload, &rows);
    assert_eq!(summary.numbers["copy_out_gateway_durable_cpu_ns"], 35_000.0);
    assert_eq!(summary.numbers["simple_c8_gateway_durable_ratio"], 0.5);
    assert_eq!(summary.numbers["simple_c8_gateway_durable_cpu_us"], 35.0);
    assert!(!summary.numbers.contains_key("simple_c8_direct_cpu_us"));
    assert!(summary.numbers.values().all(Value::is_number));
}
