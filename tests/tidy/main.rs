//! The rules of the repository, as a test.
