//! Which protocols there are.

/// What is spoken on a listener and to a target.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Protocol {
    /// The Kubernetes API over HTTP.
    Kubernetes,
    /// PostgreSQL's frontend/backend protocol.
    #[default]
    Postgres,
}

impl Protocol {
    /// The word of the configuration, the log and plugins.
    pub fn word(self) -> &'static str {
        match self {
            Self::Kubernetes => "kubernetes",
            Self::Postgres => "postgres",
        }
    }
}
