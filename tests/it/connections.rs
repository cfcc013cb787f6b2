//! Ways to the database: TLS in all its modes, services and passwords, an address for the tailer; and the settings.

mod libpq;
mod pooler;
mod secured;
mod settings;
mod tls;
