//! Tables of every kind: each written by every kind of statement, and after each statement its replica is what a SELECT finds.

mod encoding;
mod kind;
mod large;
mod list;
mod partitions;
mod refused;
mod replicas;
mod views;
