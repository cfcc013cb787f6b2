//! rowcast carries every committed change in PostgreSQL to every open browser tab.
//!
//! The path of one change: a trigger appends it to the change log (`sql/`). The tailer ([`tail`]) wakes, reads what is
//! visible now and was not at its cursor ([`cursor`]), and makes a batch of it ([`batch`], [`change`]). The hub ([`hub`])
//! keeps the batch in its ring and answers the parked polls that it concerns ([`filter`]). [`http`] encodes each distinct
//! answer once and sends it to the browser, where the scripts under `static/js/` hand it to every tab.
//!
//! Everything flows one way. The hub knows nothing of SQL, the tailer nothing of HTTP, the pages nothing of either.
//! [`db`] alone knows the pool and the statements on it; the tailer's own session adds LISTEN and the beds. [`server`]
//! wires the parts and ends them in order.

pub mod batch;
pub mod catalog;
pub mod change;
pub mod commands;
pub mod config;
pub mod cursor;
pub mod db;
pub mod error;
pub mod filter;
pub mod follow;
pub mod http;
pub mod hub;
pub mod metrics;
pub mod server;
pub mod stop;
pub mod tail;
