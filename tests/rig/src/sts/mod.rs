//! STS responder.
