//! The bench's flags, and those of the processes that it starts from itself.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// What parked polls take, and how fast one change reaches them all
#[derive(Parser, Debug)]
#[command(name = "fanout")]
pub struct Options {
    #[command(subcommand)]
    pub role: Option<Role>,
    /// Polls that are parked at each server
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(10..))]
    clients: u32,
    /// How often each server tells one change to all
    #[arg(long, default_value_t = 11, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// A tenth of the clients, three rounds
    #[arg(long)]
    quick: bool,
    /// Only this part; may be repeated
    #[arg(long, value_enum)]
    only: Vec<Part>,
    /// Seconds between heartbeats, as in the shipped script: 15 for a lone tab, 2 where there are several
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=60))]
    pub heartbeat: u32,
    /// One more build of rowcast to compare, by its binary; may be repeated
    #[arg(long, value_name = "BINARY")]
    pub also: Vec<PathBuf>,
    /// What `cargo bench` says to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum Part {
    /// One change for everybody who polls
    Polls,
    /// One change for everybody who follows by server-sent events
    Events,
    /// One change of one row, everybody having a row of their own
    Rows,
}

/// What a process is that the bench starts from itself, so that each one's time and memory are its own.
#[derive(Clone, Debug, Subcommand)]
pub enum Role {
    /// The load
    #[command(hide = true)]
    Client(Load),
    /// A server that is nothing but sockets, on one thread
    #[command(hide = true)]
    Sockets(Yardstick),
    /// A server that is nothing but hyper
    #[command(hide = true)]
    Hyper(Yardstick),
}

/// What a load does.
#[derive(Args, Clone, Debug)]
pub struct Load {
    #[arg(long)]
    pub port: u16,
    #[arg(long)]
    pub clients: usize,
    /// The cursor to begin with
    #[arg(long)]
    pub since: String,
    #[arg(long)]
    pub heartbeat: u32,
    #[arg(long, value_enum)]
    pub form: Form,
    /// Each client follows a row of its own
    #[arg(long)]
    pub rows: bool,
}

/// How a client follows.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum Form {
    Poll,
    Events,
}

/// What a server answers that knows nothing.
#[derive(Args, Clone, Debug)]
pub struct Yardstick {
    /// The head of every answer
    #[arg(long)]
    pub head: String,
    /// Seconds between heartbeats
    #[arg(long)]
    pub heartbeat: u64,
}

impl Options {
    pub fn clients(&self) -> usize {
        if self.quick { self.clients as usize / 10 } else { self.clients as usize }
    }

    pub fn rounds(&self) -> usize {
        if self.quick { 3 } else { self.rounds as usize }
    }

    pub fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }
}
