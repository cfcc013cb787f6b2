//! The HTML pages of rowcast: data in, [`maud::Markup`] out.
//!
//! A page is a function of plain data. It knows neither HTTP nor SQL, and the only dependency of
//! this crate is maud, so the compiler holds it to that.
//!
//! - [`layout`] is what every page shares: the document's head and the frame of its body.
//! - [`hello`] is the page at `/`: the example's table, live in every tab.
//! - [`tables`] is the page at `/` of any other database: its exposed tables.
//! - [`figures`] is the page at `/status`, with its [`chart`]s.
//! - [`live`] is the page of one of these, and [`status`] the strip that all live pages have.
//!
//! Pages are served under a policy that forbids inline styles, inline scripts and `data:` images.
//! So everything that a page looks like is in `static/css/`, and everything that it does is in
//! `static/js/`; markup carries ids and `data-` attributes for both to hold on to.

mod chart;
mod figures;
mod hello;
mod layout;
mod live;
mod status;
mod tables;

pub use chart::{Chart, Unit};
pub use figures::{FiguresPage, figures, status_page};
pub use hello::{HelloPage, hello};
pub use live::{LivePage, live};
pub use maud::Markup;
pub use tables::{Listed, TablesPage, tables};
