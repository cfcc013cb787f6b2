//! The tables that are written, and what holds in each of their committed states.

use crate::support::rows::Filter;

/// A table of the oracle.
pub struct Table {
    pub name: &'static str,
    pub create: &'static str,
    /// What `rowcast.watch` is told beside the name.
    pub watch: &'static str,
    /// TRUNCATE shows itself to older snapshots, so a list may be empty before its cursor says so.
    pub is_truncated: bool,
    /// The filters that clients use.
    pub filters: &'static [Filter],
}

/// What the accounts of one branch have together, always.
pub const BRANCH_SUM: i64 = 1_000;

/// What both piles have together, always.
pub const PILES_SUM: i64 = 2_000;

const fn by(column: &'static str, json: &'static str) -> Filter {
    Filter { column, json }
}

pub static TABLES: &[Table] = &[
    // The branch is the id modulo 4.
    Table {
        name: "account",
        create: "create table account (id int primary key, branch int not null, amount bigint not null); \
                 insert into account select i, i % 4, 100 from generate_series(0, 39) i",
        watch: "",
        is_truncated: false,
        filters: &[by("branch", "2"), by("branch", "3")],
    },
    // What is stored of these two is not what a BEFORE trigger of ours would see.
    Table {
        name: "left_pile",
        create: "create table left_pile (id int primary key, amount bigint not null, twice bigint generated always as (amount * 2) stored); \
                 insert into left_pile select i, 100 from generate_series(1, 10) i",
        watch: "",
        is_truncated: false,
        filters: &[],
    },
    Table {
        name: "right_pile",
        create: "create table right_pile (id int primary key, amount bigint not null, label text); \
                 create function label() returns trigger language plpgsql as $$ begin new.label := 'has ' || new.amount; return new; end $$; \
                 create trigger \"~s\" before insert or update on right_pile for each row execute function label(); \
                 insert into right_pile select i, 100 from generate_series(1, 10) i",
        watch: "",
        is_truncated: false,
        filters: &[],
    },
    Table {
        name: "parent",
        create: "create table parent (id int primary key, name text); insert into parent select i, 'p' || i from generate_series(1, 15) i",
        watch: "",
        is_truncated: false,
        filters: &[],
    },
    Table {
        name: "child",
        create: "create table child (id int primary key, note text, \
                   parent_id int not null references parent on delete cascade on update cascade); \
                 create index on child (parent_id); \
                 insert into child select i, 'c' || i, 1 + i % 15 from generate_series(1, 60) i",
        watch: "",
        is_truncated: false,
        filters: &[by("parent_id", "3")],
    },
    // The application has a trigger, which changes rows that the same statement has yet to log.
    Table {
        name: "place",
        create: "create table place (v text, region text, code int, note text, at timestamptz, primary key (region, code)); \
                 insert into place select 'v' || i, (array['north', 'south', 'it''s \"east\"'])[1 + i % 3], i from generate_series(1, 20) i; \
                 create function echo() returns trigger language plpgsql as $$ begin \
                   update place set v = left(v || '*', 30) where region = new.region and code between new.code and new.code + 2; \
                   return null; end $$; \
                 create trigger echo after insert on place for each row execute function echo()",
        watch: "",
        is_truncated: false,
        filters: &[by("region", "\"north\""), by("note", "null")],
    },
    Table {
        name: "heap",
        create: "create table heap (a int, b text, c numeric, d interval)",
        watch: "",
        is_truncated: true,
        filters: &[by("a", "7")],
    },
    // How often the heap has been truncated: its one row below 0 says the same number.
    Table {
        name: "generation",
        create: "create table generation (id int primary key, n int not null); insert into generation values (1, 0); \
                 insert into heap values (-1, '0')",
        watch: "",
        is_truncated: false,
        filters: &[],
    },
    Table {
        name: "doc",
        create: "create table doc (id int primary key, kind text, count int, body text, data json)",
        watch: "",
        is_truncated: false,
        filters: &[by("kind", "\"b\"")],
    },
    Table {
        name: "bulk",
        create: "create table bulk (id int primary key, v text)",
        watch: ", bulk_rows => 30",
        is_truncated: true,
        filters: &[],
    },
];

/// The table of that name.
pub fn table(name: &str) -> &'static Table {
    TABLES.iter().find(|table| table.name == name).unwrap_or_else(|| panic!("there is no table {name}"))
}
