//! Integration tests: one binary, a module a promise, on a real PostgreSQL and real sockets.

mod behind_nginx;
mod bell;
mod capture;
mod commands;
mod connections;
mod cursor;
mod ddl;
mod faults;
mod history;
mod kinds;
mod metrics;
mod notify;
mod operations;
mod oracle;
mod pages;
mod pbp;
mod protocol;
mod pruning;
mod readiness;
mod rest;
mod restart;
mod safe;
#[cfg(target_os = "linux")]
mod soak;
mod support;
mod writers;
