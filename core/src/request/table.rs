//! The table of operations: one line for each.

/// Calls the macro `$callback` with the table of operations. Of each: its documentation, its module, the
/// type of its part of the API, its field in the spec, and a variant of `Signer`.
///
/// `core` makes the API and the validated requests from it, and the program the calls.
#[macro_export]
macro_rules! for_each_operation {
    ($callback:ident) => {
        $callback! {
            /// Assume an IAM role, directly or through other roles. Signed by `identity`, or else by the
            /// operator's own identity.
            assume_role AssumeRole "assumeRole" Operator;
            /// Assume an IAM role with a token of a ServiceAccount or of another identity provider. Unsigned:
            /// the trust policy of the role alone decides.
            assume_role_with_web_identity AssumeRoleWithWebIdentity "assumeRoleWithWebIdentity" Unsigned;
            /// Assume an IAM role with a SAML assertion. Unsigned: the trust policy of the role alone decides.
            assume_role_with_saml AssumeRoleWithSaml "assumeRoleWithSAML" Unsigned;
            /// Do one privileged task in a member account of the organization. Needs `identity`.
            assume_root AssumeRoot "assumeRoot" Identity;
            /// A session of the IAM user whose key `identity.accessKeySecretRef` names.
            get_session_token GetSessionToken "getSessionToken" AccessKey;
            /// A session of a federated user, on behalf of the IAM user whose key
            /// `identity.accessKeySecretRef` names.
            get_federation_token GetFederationToken "getFederationToken" AccessKey;
            /// A token that proves the caller's AWS identity to another cloud or service. Needs `identity`.
            get_web_identity_token GetWebIdentityToken "getWebIdentityToken" Identity;
        }
    };
}
