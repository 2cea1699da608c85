//! The calls to STS. Each operation has one file, which makes the calls of its validated request.

use tempcred_core::credentials::Credentials;
use tempcred_core::problem::Problem;
use tempcred_core::request::Operation;
use tempcred_core::request::inputs::Inputs;

use super::session::Session;

macro_rules! define_calls {
    ($($(#[doc = $doc:literal])* $module:ident $name:ident $field:literal $signer:ident;)*) => {
        $(pub(super) mod $module;)*

        /// Makes the calls of a request, signed by `session`.
        ///
        /// # Errors
        /// A [`Problem`] that contains no value of the request or the reply.
        pub async fn call(
            operation: &Operation,
            session: &Session,
            inputs: &Inputs,
        ) -> Result<Credentials, Problem> {
            match operation {
                $(Operation::$name(request) => $module::call(request, session, inputs).await,)*
            }
        }
    };
}

tempcred_core::for_each_operation!(define_calls);
