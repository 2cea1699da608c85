//! The interface of the requests of all operations.

use super::inputs::Input;
use super::invalid::InvalidRequest;
use super::requested_role::{RequestedRole, SessionParameters};
use crate::fields::Duration;

/// What the reply to a request contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Issues {
    /// The access key of a session, and the ARN of its principal.
    KeyOfPrincipal,
    /// The access key of a session.
    Key,
    /// A token for another identity provider.
    Token,
}

/// A validated request of one operation.
pub trait StsRequest: Sized {
    /// Its part of the API.
    type Spec;

    /// The STS action that returns the credentials.
    const ACTION: &'static str;

    /// What the reply contains.
    const ISSUES: Issues = Issues::KeyOfPrincipal;

    /// Lifetime of the session of `identity.webIdentity` that signs the request: by default the shortest that STS
    /// issues, as it is used immediately.
    const SIGNING_SESSION: Duration = Duration::from_secs(900);

    /// Checks a spec. `session` is the session name where the spec sets none.
    ///
    /// # Errors
    /// [`InvalidRequest`] says what to change in the spec.
    fn new(spec: &Self::Spec, session: &str) -> Result<Self, InvalidRequest>;

    /// Number of STS calls that the request takes.
    fn calls(&self) -> u32 {
        1
    }

    /// The target of the request, for messages: usually the ARN of the role.
    fn target(&self) -> &str;

    /// The requested lifetime.
    fn duration(&self) -> Duration;

    /// The ARNs in the request. Other texts, such as accounts, may be among them.
    fn arns(&self) -> Vec<&str> {
        Vec::new()
    }

    /// The inputs that the request needs.
    fn inputs(&self) -> Vec<Input> {
        Vec::new()
    }

    /// The roles that the request assumes as its signer, in this order.
    fn requested_roles(&self) -> Vec<RequestedRole<'_>> {
        Vec::new()
    }

    /// The same request, with the session parameters that the grants allow and set, in the order of the requested roles.
    fn granted(self, _: Vec<SessionParameters>) -> Self {
        self
    }
}
