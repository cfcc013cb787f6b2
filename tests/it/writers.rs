//! Writers neither wait for rowcast nor fail because of it, whatever their session is set to and whatever is done to us.

mod half;
mod locks;
mod sessions;
