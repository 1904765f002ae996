//! Answers of the embedded provider: their bytes, their schema, their laws.
