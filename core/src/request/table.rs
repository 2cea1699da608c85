//! The table of operations: one line for each.

/// Calls the macro `$callback` with the table of operations. The columns are: documentation, module, API type, field
/// of the spec, and a variant of `Signer`.
///
/// The core crate generates the API and the validated requests from this table; the program generates the calls.
#[macro_export]
macro_rules! for_each_operation {
    ($callback:ident) => {
        $callback! {
            /// Assume an IAM role, directly or through a chain of other roles. Signed with `identity` if it is set,
            /// otherwise with the operator's own identity.
            assume_role AssumeRole "assumeRole" Operator;
            /// Assume an IAM role with a token of a ServiceAccount or of another identity provider. Not signed: only
            /// the trust policy of the role decides.
            assume_role_with_web_identity AssumeRoleWithWebIdentity "assumeRoleWithWebIdentity" Unsigned;
            /// Assume an IAM role with a SAML assertion. Not signed: only the trust policy of the role decides. An
            /// assertion is valid only for some minutes, so it must be replaced in its Secret before each renewal.
            assume_role_with_saml AssumeRoleWithSaml "assumeRoleWithSAML" Unsigned;
            /// Get a session for one privileged task in a member account of the organization. Requires `identity`.
            assume_root AssumeRoot "assumeRoot" Identity;
            /// Get a session of an IAM user. Requires the long-lived key of that user in
            /// `identity.accessKeySecretRef`. The session has the permissions of the user, but cannot call IAM.
            get_session_token GetSessionToken "getSessionToken" AccessKey;
            /// Get a session for a federated user. Requires the long-lived key of an IAM user in
            /// `identity.accessKeySecretRef`. The session has the permissions that both the user and the session
            /// policies allow. Without session policies it has no permissions.
            get_federation_token GetFederationToken "getFederationToken" AccessKey;
            /// Get a token (a JWT) that proves the AWS identity of the caller to another cloud or service. Requires
            /// `identity`. The token is written to the keys `token` and `expiration` of the Secret. Outbound identity
            /// federation must be enabled for the AWS account.
            get_web_identity_token GetWebIdentityToken "getWebIdentityToken" Identity;
        }
    };
}
