//! The exposed tables as the database's catalog describes them. Plain data, loaded by `db::catalog`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::change::Relation;
use crate::config::Access;

/// A column of an exposed table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    /// The type as SQL spells it, with its modifier: `character varying(20)`.
    pub type_name: String,
    /// Whether a write may name it: neither generated nor an identity that is always generated.
    pub writable: bool,
}

/// What an exposed name is in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableKind {
    Table,
    /// Its rows are those of its partitions.
    Partitioned,
    /// A view, a materialized view or a foreign table: it can be listed, and no trigger sees its rows change.
    View,
}

/// An exposed table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub relation: Relation,
    /// What requests call it: `name`, or `schema.name` outside of public.
    pub exposed_name: String,
    /// The name quoted for SQL, with its schema; made by `format('%I.%I')`.
    pub sql_name: String,
    pub kind: TableKind,
    pub columns: Vec<Column>,
    /// The columns of the primary key, in its order, as places in `columns`; none where there is no such key, or a
    /// deferrable one, which two rows may hold at once.
    pub key: Vec<usize>,
    pub access: Access,
}

impl Table {
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// What FROM, UPDATE and DELETE take: a table's own rows, those that its triggers see, without those of tables that
    /// inherit from it.
    pub fn own_rows(&self) -> String {
        match self.kind {
            TableKind::Table => format!("only {}", self.sql_name),
            TableKind::Partitioned | TableKind::View => self.sql_name.clone(),
        }
    }

    /// Whether its changes are captured.
    pub fn is_followed(&self) -> bool {
        self.kind != TableKind::View
    }

    pub fn key_columns(&self) -> impl ExactSizeIterator<Item = &Column> {
        self.key.iter().map(|&place| &self.columns[place])
    }
}

/// The exposed tables and views that are there now, and what keeps the others away.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    /// In the order of their names.
    by_name: BTreeMap<String, Arc<Table>>,
    by_relation: HashMap<Relation, Arc<Table>>,
    /// Why a table that the configuration exposes cannot be seen, a sentence each.
    pub missing: Vec<String>,
}

impl Catalog {
    pub fn new(tables: Vec<Table>, missing: Vec<String>) -> Catalog {
        let tables: Vec<Arc<Table>> = tables.into_iter().map(Arc::new).collect();
        Catalog {
            by_name: tables.iter().map(|table| (table.exposed_name.clone(), table.clone())).collect(),
            by_relation: tables.into_iter().map(|table| (table.relation, table)).collect(),
            missing,
        }
    }

    pub fn table(&self, exposed_name: &str) -> Option<&Arc<Table>> {
        self.by_name.get(exposed_name)
    }

    pub fn tables(&self) -> impl Iterator<Item = &Arc<Table>> {
        self.by_name.values()
    }

    pub fn relation(&self, relation: Relation) -> Option<&Arc<Table>> {
        self.by_relation.get(&relation)
    }

    /// The relations whose description differs from that in `newer`, or that are not in it.
    pub fn changed(&self, newer: &Catalog) -> Vec<Relation> {
        let differs = |table: &&Arc<Table>| newer.relation(table.relation) != Some(table);
        self.by_relation.values().filter(differs).map(|table| table.relation).collect()
    }
}
