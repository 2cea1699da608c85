//! The interface of the requests of all operations.

use super::inputs::Input;
use crate::fields::Duration;

/// A validated request of one operation.
pub trait StsRequest {
    /// The STS action that returns the credentials.
    const ACTION: &'static str;

    /// Number of STS calls that the request needs.
    fn calls(&self) -> u32 {
        1
    }

    /// The target of the request, for messages: usually the ARN of the role.
    fn target(&self) -> &str;

    /// The requested lifetime.
    fn duration(&self) -> Duration;

    /// The inputs that the request needs.
    fn inputs(&self) -> Vec<Input> {
        Vec::new()
    }
}
