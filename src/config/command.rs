//! What the command line can ask for.

use clap::{Args, Subcommand};

/// What to do; without a word for it, serve.
#[derive(Subcommand, Debug, Clone)]
pub enum Command {
    /// Serve pages, tables and changes over HTTP (what happens without a command)
    Serve,
    /// Show every setting that is in force and where it was set, as a file that could be used; never a password
    Config,
    /// Put the schema rowcast into the database, or bring an older one up to date
    Install {
        /// Print the SQL, for psql or for a person, and change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Watch tables, so that their changes are logged: `rowcast watch public.person`
    Watch(Watch),
    /// Stop watching tables, and remove what watching added to them
    Unwatch {
        /// Names as SQL spells them, with quotes where it needs them
        #[arg(required = true, value_name = "TABLE")]
        tables: Vec<String>,
    },
    /// Print the changes of tables as they come, without a server: `rowcast listen person`
    Listen(Listen),
    /// Tell what is watched and exposed, how large the log is, and how far behind the server is
    Status {
        /// As JSON, for a program
        #[arg(long)]
        json: bool,
    },
    /// Tell what is missing, wrong or insecure, each with the command that mends it; the exit code is 1 if anything is
    Check {
        /// As JSON, for a program
        #[arg(long)]
        json: bool,
        /// First watch those tables again whose triggers or mtime are not as they should be
        #[arg(long)]
        mend: bool,
    },
    /// Take the schema rowcast and all that it added out of the database again
    Uninstall {
        /// Print the SQL, for psql or for a person, and change nothing
        #[arg(long)]
        dry_run: bool,
        /// Do not ask first
        #[arg(long, short)]
        yes: bool,
    },
}

#[derive(Args, Debug, Clone)]
pub struct Listen {
    /// Names as under [expose] in the configuration: person, or schema.person outside of public
    #[arg(required = true, value_name = "TABLE")]
    pub tables: Vec<String>,
    /// Only rows with this value: column=value, or "column is null"; for one of several tables table.column=value
    #[arg(long = "where", value_name = "CONDITION")]
    pub filters: Vec<String>,
    /// Begin after this cursor, as it was printed at the end, instead of now
    #[arg(long, value_name = "CURSOR")]
    pub since: Option<String>,
    /// As JSON, one line a change, also in a terminal; a pipe gets it anyway
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug, Clone)]
pub struct Watch {
    /// Names as SQL spells them, with quotes where it needs them
    #[arg(required_unless_present = "all", value_name = "TABLE")]
    pub tables: Vec<String>,
    /// Watch every table that can be watched, of the schema public or the one named
    #[arg(long, value_name = "SCHEMA", num_args = 0..=1, default_missing_value = "public", conflicts_with = "tables")]
    pub all: Option<String>,
    /// Changes of the table in one transaction; more is told as one reset [default: as it is, at first 1000]
    #[arg(long, value_name = "N")]
    pub bulk_rows: Option<i32>,
    /// Size of one change, old and new row together; more is told as a reset [default: as it is, at first 4194304]
    #[arg(long, value_name = "BYTES")]
    pub image_bytes: Option<i32>,
    /// Log also what is written where session_replication_role is replica: by logical replication, by some restores
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub always: Option<bool>,
}
