//! The bench's flags.

use std::path::PathBuf;

use clap::Parser;

/// What watching a table costs those who write to it: pgbench on tables with and without triggers
#[derive(Parser)]
#[command(name = "writers")]
struct Flags {
    /// How often every workload runs on every table
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// How long pgbench runs each time
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// One round of one second each
    #[arg(long)]
    quick: bool,
    /// Only workloads whose name contains this, such as `updates` or `-32`; may be repeated
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
    /// One more watched table, on which this SQL file is run by psql (`:table` is its name): to try other triggers; may be repeated
    #[arg(long, value_name = "FILE")]
    also: Vec<PathBuf>,
    /// What `cargo bench` says to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

/// What they come to.
pub struct Options {
    pub rounds: usize,
    pub seconds: u32,
    pub also: Vec<PathBuf>,
    only: Vec<String>,
}

impl Options {
    pub fn read() -> Options {
        let flags = Flags::parse();
        let (rounds, seconds) = if flags.quick { (1, 1) } else { (flags.rounds, flags.seconds) };
        Options { rounds: rounds as usize, seconds, also: flags.also, only: flags.only }
    }

    /// Whether a workload of this name is to run.
    pub fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|text| name.contains(text))
    }
}
