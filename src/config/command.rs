//! What the command line can ask for.

use clap::Subcommand;

/// What to do; without a word for it, serve.
#[derive(Subcommand, Debug, Clone)]
pub enum Command {
    /// Serve pages, tables and changes over HTTP (what happens without a command)
    Serve,
    /// Show every setting that is in force and where it was set, as a file that could be used; never a password
    Config,
    /// Put the schema rowcast into the database, or bring an older one up to date
    Install,
    /// Watch tables, so that their changes are logged: `rowcast watch public.person`
    Watch {
        /// Names as SQL spells them, with quotes where it needs them
        #[arg(required = true, value_name = "TABLE")]
        tables: Vec<String>,
    },
    /// Stop watching tables, and remove what watching added to them
    Unwatch {
        /// Names as SQL spells them, with quotes where it needs them
        #[arg(required = true, value_name = "TABLE")]
        tables: Vec<String>,
    },
}
