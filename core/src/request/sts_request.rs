//! What the requests of all operations have in common.

use super::inputs::Input;
use crate::fields::Duration;

/// A validated request of one operation.
pub trait StsRequest {
    /// The STS action that returns the credentials.
    const ACTION: &'static str;

    /// Number of STS calls that the request takes.
    fn calls(&self) -> u32 {
        1
    }

    /// What is requested, for messages: usually the ARN of the role.
    fn target(&self) -> &str;

    /// The requested lifetime.
    fn duration(&self) -> Duration;

    /// The values that the request needs from the cluster.
    fn inputs(&self) -> Vec<Input> {
        Vec::new()
    }
}
