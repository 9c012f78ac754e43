//! What truly differs between the databases, one module each with the same names.

#[macro_use]
mod postgres;
#[macro_use]
mod sqlite;
