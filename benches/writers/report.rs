//! The tables that are printed.

use std::fmt::Write;

use crate::figures::{Figures, thousands};
use crate::load::{Promise, Workload};
use crate::stage::{Run, Stage};
use crate::tables::{How, Kind};

/// All that was measured.
#[derive(Default)]
pub struct Report {
    /// In the order of the rounds, for each workload and kind by name.
    runs: Vec<(Workload, String, Run)>,
}

impl Report {
    pub fn add(&mut self, workload: &Workload, kind: &Kind, run: Run) {
        self.runs.push((*workload, kind.name.clone(), run));
    }

    /// One table a workload, and a line for each promise.
    pub fn print(&self, stage: &Stage, workloads: &[&Workload]) -> String {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut text = format!(
            "PostgreSQL {}, {cores} cores, synchronous_commit on; median of the rounds (least to most of the rounds' ratios)\n\
             CPU: of the backends, and of the rowcast server with its sessions, both in µs a row; WAL in bytes a row;\n\
             pruning: time to prune and vacuum the log afterwards, in µs a row\n",
            stage.version
        );
        for workload in workloads {
            let _ = write!(text, "\n{}\n", workload.title());
            let _ = writeln!(
                text,
                "  {:<22}{:>10}{:>24}{:>8}{:>8}{:>7}{:>7}{:>9}",
                "",
                if workload.is_bulk() { "time" } else { "rate" },
                if workload.is_bulk() { "times bare" } else { "of bare" },
                "CPU",
                "server",
                "WAL",
                "HOT",
                "pruning"
            );
            for kind in &stage.kinds {
                text.push_str(&self.line(workload, kind).unwrap_or_default());
            }
            for kind in stage.kinds.iter().filter(|kind| kind.how == How::Watched) {
                text.push_str(&self.promise(workload, kind).unwrap_or_default());
            }
        }
        text
    }

    fn values(&self, workload: &Workload, kind: &str, value: impl Fn(&Run) -> f64) -> Vec<f64> {
        self.runs.iter().filter(|(of, name, _)| of == workload && name == kind).map(|(_, _, run)| value(run)).collect()
    }

    fn median(&self, workload: &Workload, kind: &str, value: impl Fn(&Run) -> f64) -> Option<f64> {
        Some(Figures::of(&self.values(workload, kind, value))?.median)
    }

    /// Round by round against the bare table: of its rate, or how many times as long.
    fn ratio(&self, workload: &Workload, kind: &str) -> Option<Figures> {
        let rates = self.values(workload, kind, |run| run.rate);
        let bare = self.values(workload, "bare", |run| run.rate);
        let ratio = |(rate, bare): (f64, f64)| if workload.is_bulk() { bare / rate } else { rate / bare };
        Figures::of(&rates.into_iter().zip(bare).map(ratio).collect::<Vec<f64>>())
    }

    fn line(&self, workload: &Workload, kind: &Kind) -> Option<String> {
        let name = kind.name.as_str();
        let ratio = self.ratio(workload, name)?;
        let spread = format!("{:.2} ({:.2} to {:.2})", ratio.median, ratio.least, ratio.most);
        let number =
            |value: fn(&Run) -> f64, decimals: usize| self.median(workload, name, value).map(|number| format!("{number:.decimals$}"));
        let hot = self.median(workload, name, |run| run.hot.unwrap_or(f64::NAN)).filter(|share| !share.is_nan());
        let is_logged = kind.how == How::Watched;
        Some(format!(
            "  {:<22}{:>10}{spread:>24}{:>8}{:>8}{:>7}{:>7}{:>9}\n",
            name,
            workload.show(self.median(workload, name, |run| run.rate)?),
            number(|run| run.cpu, 1)?,
            if is_logged { number(|run| run.server_cpu, 1)? } else { String::new() },
            thousands(self.median(workload, name, |run| run.wal)?),
            hot.map_or(String::new(), |share| format!("{:.0} %", share * 100.0)),
            if is_logged { number(|run| run.pruning, 1)? } else { String::new() },
        ))
    }

    /// Whether what is promised was reached. A bench tells; whether it is good enough is for people to say.
    fn promise(&self, workload: &Workload, kind: &Kind) -> Option<String> {
        let ratio = self.ratio(workload, &kind.name)?.median;
        let verdict = |kept| if kept { "reached" } else { "MISSED" };
        let said = match workload.promise? {
            Promise::Rate { reach, stretch } => {
                format!("at least {reach:.2} of bare: {}; stretch {stretch:.2}: {}", verdict(ratio >= reach), verdict(ratio >= stretch))
            }
            Promise::Time { reach } => {
                let mtime = self.ratio(workload, "mtime trigger alone")?.median;
                format!(
                    "at most {reach:.2} times bare: {}; stretch, the mtime trigger's own {mtime:.2}: {}",
                    verdict(ratio <= reach),
                    verdict(ratio <= mtime)
                )
            }
        };
        Some(format!("  to reach, {}: {said}\n", kind.name))
    }
}
