//! Kinds of tables, and the statements that write to them.

use std::path::Path;

/// A kind of table, and what rows of it are. `{n}` stands for a number by which rows differ.
pub struct Kind {
    /// As SQL spells it.
    pub sql_name: &'static str,
    pub exposed_name: &'static str,
    pub create: &'static str,
    /// The columns that a row gives, and its values.
    pub columns: &'static str,
    pub values: &'static str,
    /// What finds the row again.
    pub is_row: &'static str,
    /// An assignment that changes the row and keeps its key.
    pub change: &'static str,
    /// An assignment that gives it another key; empty where there is none to give.
    pub rekey: &'static str,
    /// The columns of ON CONFLICT; empty where nothing can conflict.
    pub conflict: &'static str,
}

fn numbered(text: &str, n: usize) -> String {
    text.replace("{n}", &n.to_string())
}

impl Kind {
    fn insert(&self, rows: std::ops::Range<usize>) -> String {
        let rows: Vec<String> = rows.map(|n| format!("({})", numbered(self.values, n))).collect();
        format!("insert into {} ({}) values {}", self.sql_name, self.columns, rows.join(", "))
    }

    fn update(&self, change: &str, n: usize) -> String {
        format!("update {} set {} where {}", self.sql_name, numbered(change, n), numbered(self.is_row, n))
    }

    fn delete(&self, n: usize) -> String {
        format!("delete from {} where {}", self.sql_name, numbered(self.is_row, n))
    }

    /// Every kind of statement, each a transaction. `true`: it is to be told as a reset. Files go to `folder`.
    pub fn statements(&self, merge: bool, folder: &Path) -> Vec<(String, bool)> {
        let (table, columns) = (self.sql_name, self.columns);
        let row = |n| numbered(self.values, n);
        let mut statements = vec![
            self.insert(1..2),
            self.insert(2..7),
            format!(
                "create temp table fresh as select {columns} from {table} where false; insert into fresh values ({}); \
                 insert into {table} ({columns}) select {columns} from fresh",
                row(7)
            ),
            self.update(self.change, 1),
            format!("update {table} set {}", numbered(self.change, 1)),
            format!(
                "begin; {0}; savepoint s; {1}; {2}; rollback to s; {0}; commit",
                self.update(self.change, 2),
                self.delete(3),
                self.insert(8..9)
            ),
            format!("begin; {}; rollback", self.delete(1)),
            format!("with gone as ({} returning 1) select count(*) from gone", self.delete(5)),
            self.update(self.change, 99),
            self.delete(6),
        ];
        if !self.rekey.is_empty() {
            statements.push(self.update(self.rekey, 4));
            statements.push(format!("begin; {}; {}; commit", self.update(self.rekey, 2), self.insert(2..3)));
        }
        if !self.conflict.is_empty() {
            let last = columns.rsplit(", ").next().unwrap();
            statements.push(format!("{} on conflict ({}) do nothing", self.insert(1..9), self.conflict));
            statements.push(format!("{} on conflict ({}) do update set {last} = excluded.{last}", self.insert(1..10), self.conflict));
            if merge {
                statements.push(format!(
                    "merge into {table} using (select from generate_series(1, 1)) as source on {} \
                     when matched then delete when not matched then insert ({columns}) values ({})",
                    numbered(self.is_row, 7),
                    row(20)
                ));
                statements.push(format!(
                    "merge into {table} using (select from generate_series(1, 1)) as source on {} \
                     when matched then delete when not matched then insert ({columns}) values ({})",
                    numbered(self.is_row, 21),
                    row(21)
                ));
            }
        }
        let file = folder.join("rows").display().to_string();
        statements.push(format!(
            "\\copy (select {columns} from {table}) to '{file}'\nbegin;\ndelete from {table};\n\\copy {table} ({columns}) from '{file}'\ncommit"
        ));
        let truncate = format!("truncate {table}");
        let bulk = self.insert(30..90);
        let mut all: Vec<(String, bool)> = statements.into_iter().map(|statement| (statement, false)).collect();
        all.extend([(truncate, true), (self.insert(1..4), false), (bulk, true), (format!("delete from {table}"), true)]);
        all
    }
}
