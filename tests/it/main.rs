//! Integration tests: one binary, a module a promise, on a real PostgreSQL and real sockets.

mod capture;
mod connections;
mod cursor;
mod faults;
mod install;
mod notify;
mod operations;
mod rest;
mod safe;
mod support;
