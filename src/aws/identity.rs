//! The operator's own identity: where the default chain of the SDK finds its credentials.

use std::error::Error;

use aws_credential_types::Credentials;
use aws_credential_types::credential_feature::AwsCredentialFeature;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sts::error::SdkError;
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError;
use tempcred_core::problem::{Problem, Reason};

use super::errors;
use super::sts::Sts;

/// Where the default chain of the SDK found credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The variables `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`.
    Environment,
    /// A profile in the files of the AWS CLI.
    Profile,
    /// A token in the file `AWS_WEB_IDENTITY_TOKEN_FILE`, as with IRSA.
    WebIdentity,
    /// The endpoint in `AWS_CONTAINER_CREDENTIALS_FULL_URI`, as with EKS Pod Identity.
    Container,
    /// The instance metadata service.
    InstanceMetadata,
    /// Another provider.
    Other,
}

/// The operator's own credentials. They cannot be printed.
pub struct Identity {
    pub(super) credentials: Credentials,
    /// Where they come from.
    pub source: Source,
    /// Whether they are those of a session: they have a session token.
    pub is_session: bool,
}

impl Sts {
    /// Fetches the operator's own credentials, as the first call of the operator would.
    ///
    /// # Errors
    /// `IdentityMissing` if the default chain finds none, `IdentityUnavailable` if they cannot be fetched, or the error of
    /// STS if it does not accept the web identity token.
    pub async fn identity(&self) -> Result<Identity, Problem> {
        let provider = self.credentials().ok_or_else(missing)?;
        let credentials = provider.provide_credentials().await.map_err(|error| problem(&error))?;
        let none = Vec::new();
        let features = credentials.get_property::<Vec<AwsCredentialFeature>>().unwrap_or(&none);
        let source = source(features);
        let is_session = credentials.session_token().is_some();
        Ok(Identity { credentials, source, is_session })
    }
}

fn missing() -> Problem {
    let reason = Reason::IdentityMissing;
    Problem::new(reason, format!("The operator has no AWS identity. {}", reason.advice()))
}

/// The provider that sets these features on its credentials.
fn source(features: &[AwsCredentialFeature]) -> Source {
    use AwsCredentialFeature as F;
    let has = |wanted: &[F]| features.iter().any(|feature| wanted.contains(feature));
    // Other providers may set theirs, too, on behalf of a profile.
    if has(&[
        F::CredentialsProfile,
        F::CredentialsProfileSourceProfile,
        F::CredentialsProfileNamedProvider,
        F::CredentialsProfileSso,
        F::CredentialsProfileProcess,
        F::CredentialsProfileLogin,
    ]) {
        Source::Profile
    } else if has(&[
        F::CredentialsProfileStsWebIdToken,
        F::CredentialsEnvVarsStsWebIdToken,
        F::CredentialsStsAssumeRoleWebId,
    ]) {
        Source::WebIdentity
    } else if has(&[F::CredentialsHttp]) {
        Source::Container
    } else if has(&[F::CredentialsImds]) {
        Source::InstanceMetadata
    } else if has(&[F::CredentialsEnvVars]) {
        Source::Environment
    } else {
        Source::Other
    }
}

/// Converts an error of the chain. It may contain a reply, so it is not passed on.
fn problem(error: &CredentialsError) -> Problem {
    if let Some(refused) = exchange_error(error) {
        let role = std::env::var("AWS_ROLE_ARN").ok();
        let target = role.as_deref().unwrap_or("the operator's role");
        return errors::problem("AssumeRoleWithWebIdentity", target, refused);
    }
    let (reason, what) = match error {
        CredentialsError::CredentialsNotLoaded(_) => return missing(),
        CredentialsError::InvalidConfiguration(_) => {
            (Reason::IdentityMissing, "The configuration of the operator's AWS identity is invalid")
        }
        CredentialsError::ProviderTimedOut(_) => (
            Reason::IdentityUnavailable,
            "The operator's AWS identity could not be fetched in time",
        ),
        _ => (Reason::IdentityUnavailable, "The operator's AWS identity could not be fetched"),
    };
    Problem::new(reason, format!("{what}. {}", reason.advice()))
}

/// The error of the call that exchanges a web identity token.
fn exchange_error(error: &CredentialsError) -> Option<&SdkError<AssumeRoleWithWebIdentityError>> {
    std::iter::successors(error.source(), |&error| error.source())
        .find_map(<dyn Error>::downcast_ref)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_features_of_credentials_name_their_provider() {
        use AwsCredentialFeature as F;
        for (features, expected) in [
            (vec![F::CredentialsEnvVars], Source::Environment),
            (vec![F::CredentialsProfileStsWebIdToken], Source::WebIdentity),
            (vec![F::CredentialsHttp], Source::Container),
            (vec![F::CredentialsImds], Source::InstanceMetadata),
            (vec![F::CredentialsSso, F::CredentialsProfile], Source::Profile),
            (vec![], Source::Other),
        ] {
            assert_eq!(source(&features), expected, "{features:?}");
        }
    }

    #[test]
    fn an_error_of_the_chain_is_not_repeated() {
        for (row, error, reason) in [
            ("none", CredentialsError::not_loaded("hush"), Reason::IdentityMissing),
            ("invalid", CredentialsError::invalid_configuration("hush"), Reason::IdentityMissing),
            ("failed", CredentialsError::provider_error("hush"), Reason::IdentityUnavailable),
        ] {
            let problem = problem(&error);
            assert_eq!(problem.reason, reason, "{row}");
            assert!(!problem.message.contains("hush"), "{row}: {}", problem.message);
            assert!(problem.message.ends_with(reason.advice()), "{row}: {}", problem.message);
        }
    }
}
