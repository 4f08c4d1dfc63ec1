//! What a callback says about a message.

/// Whether a message goes on to the routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Flow {
    /// It does.
    Continue,
    /// It does not: the callback has dealt with it, or nobody wants it (OpenSIPS: `HEP_SCRIPT_SKIP`).
    SkipRoutes,
}

/// Why a callback failed: any error, or a text.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What a callback may return: a [`Flow`], or a result with one.
pub trait IntoFlow {
    /// The decision, or why there is none.
    ///
    /// # Errors
    /// Where the callback failed.
    fn into_flow(self) -> Result<Flow, Failure>;
}

impl IntoFlow for Flow {
    fn into_flow(self) -> Result<Flow, Failure> {
        Ok(self)
    }
}

impl<E: Into<Failure>> IntoFlow for Result<Flow, E> {
    fn into_flow(self) -> Result<Flow, Failure> {
        self.map_err(Into::into)
    }
}
