//! Safe as shipped: each line of the promise as something that is refused, beside a control that is not.

mod browsers;
mod exposure;
mod limits;
mod start;
