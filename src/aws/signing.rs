//! Selects the identity that signs a request: the operator, an access key, or a role that is assumed first.

use secrecy::ExposeSecret;
use tempcred_core::problem::Problem;
use tempcred_core::request::identity::Caller;
use tempcred_core::request::inputs::Inputs;

use super::calls::assume_role_with_web_identity;
use super::session::Session;

/// A session that this caller signs. `session` is the session of the operator.
///
/// # Errors
/// A [`Problem`] if an input is missing, or the role of the caller cannot be assumed.
pub async fn sign(caller: &Caller, session: Session, inputs: &Inputs) -> Result<Session, Problem> {
    match caller {
        Caller::Operator => Ok(session),
        Caller::AccessKey { id, secret, token } => {
            let id = inputs.get(id)?.expose_secret().trim();
            let token = token.as_ref().map(|token| inputs.get(token)).transpose()?;
            Ok(session.signed_with(id, inputs.get(secret)?, token))
        }
        Caller::WebIdentity(exchange) => {
            let credentials =
                assume_role_with_web_identity::call(exchange, &session, inputs).await?;
            session.signed_by(&credentials)
        }
    }
}
