//! The error codes of STS, with the reason and the advice for each of them.
//!
//! Everything is in one table: the tests send every row over the network, and `docs/sts-errors.md` is generated from
//! it. AWS uses few codes for many causes, so a row can also require a part of the message. The first row that matches
//! is used, so the more specific rows of a code come first.
//!
//! The codes are those of the STS API reference (common errors and errors of each action) and of the model of the SDK.
//! The example messages are messages of AWS with invented names.

use tempcred_core::problem::Reason;

/// An error of STS.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    /// The error codes that the row matches.
    pub codes: &'static [&'static str],
    /// The text that the message must contain. `None` if any message matches.
    pub part: Option<&'static str>,
    /// The HTTP status of the reply, for tests.
    pub status: u16,
    /// An example of the message of AWS.
    pub example: &'static str,
    /// The reason of the resulting problem.
    pub reason: Reason,
    /// One sentence that says what to change.
    pub advice: &'static str,
}

impl Row {
    fn matches(&self, code: &str, message: &str) -> bool {
        self.codes.contains(&code) && self.part.is_none_or(|part| message.contains(part))
    }
}

/// The first row that matches an error code and a message. `None` for an unknown code.
pub fn find(code: &str, message: &str) -> Option<&'static Row> {
    CODES.iter().find(|row| row.matches(code, message))
}

macro_rules! codes {
    ($($($code:literal)|+ $(with $part:literal)?, $status:literal, $example:literal => $reason:ident, $advice:expr;)*) => {
        /// The known errors of STS.
        pub const CODES: &[Row] = &[$(Row {
            codes: &[$($code),+],
            part: codes!(@part $($part)?),
            status: $status,
            example: $example,
            reason: Reason::$reason,
            advice: $advice,
        },)*];
    };
    (@part) => { None };
    (@part $part:literal) => { Some($part) };
}

codes! {
    // Denials that name the type of the policy.
    "AccessDenied" | "AccessDeniedException" with "service control policy", 403,
        "User: arn:aws:iam::123456789012:user/ci is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/reports with an explicit deny in a service control policy"
        => AccessDenied, "Change the service control policies of the organization: they do not allow this call.";
    "AccessDenied" | "AccessDeniedException" with "explicit deny", 403,
        "User: arn:aws:iam::123456789012:user/ci is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/reports with an explicit deny in a resource-based policy"
        => AccessDenied, "Remove or narrow the Deny statement that the message names: no Allow statement overrides it.";
    "AccessDenied" | "AccessDeniedException" with "permissions boundary", 403,
        "User: arn:aws:iam::123456789012:user/ci is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/reports because no permissions boundary allows the sts:AssumeRole action"
        => AccessDenied, "Allow the action also in the permissions boundary of the caller.";
    // Denials of additional actions of the request.
    "AccessDenied" | "AccessDeniedException" with "sts:TagSession", 403,
        "User: arn:aws:iam::123456789012:user/ci is not authorized to perform: sts:TagSession on resource: arn:aws:iam::123456789012:role/reports"
        => AccessDenied, "Allow sts:TagSession too, in the trust policy of the role and in the policy of the caller, or remove all tags: those of the spec, and the session tags of EKS Pod Identity.";
    "AccessDenied" | "AccessDeniedException" with "sts:SetSourceIdentity", 403,
        "User: arn:aws:iam::123456789012:user/ci is not authorized to perform: sts:SetSourceIdentity on resource: arn:aws:iam::123456789012:role/reports"
        => AccessDenied, "Allow sts:SetSourceIdentity, in addition to the action of the call, in the trust policy of the role and in the policy of the caller, or remove sourceIdentity from the spec.";
    // Denials by action.
    "AccessDenied" | "AccessDeniedException" with "sts:AssumeRoleWithWebIdentity", 403,
        "Not authorized to perform sts:AssumeRoleWithWebIdentity"
        => AccessDenied, "Check that the role exists, and that its trust policy allows sts:AssumeRoleWithWebIdentity for the OIDC provider of the token, with conditions that match the subject and the audience of the token.";
    "AccessDenied" | "AccessDeniedException" with "sts:AssumeRoleWithSAML", 403,
        "Not authorized to perform sts:AssumeRoleWithSAML"
        => AccessDenied, "Check that the assertion lists this pair of role and provider, and that the trust policy of the role allows sts:AssumeRoleWithSAML for the provider, with conditions that match the assertion.";
    "AccessDenied" | "AccessDeniedException" with "sts:AssumeRoot", 403,
        "User: arn:aws:sts::123456789012:assumed-role/central/ops is not authorized to perform: sts:AssumeRoot on resource: arn:aws:iam::210987654321:root"
        => AccessDenied, "Check that the caller belongs to the management account or a delegated administrator account, that its policy allows sts:AssumeRoot with this account and task policy, and that root sessions are enabled in IAM.";
    "AccessDenied" | "AccessDeniedException" with "sts:GetFederationToken", 403,
        "User: arn:aws:iam::123456789012:user/ci is not authorized to perform: sts:GetFederationToken on resource: arn:aws:sts::123456789012:federated-user/alice"
        => AccessDenied, "Allow sts:GetFederationToken on this federated user in the policy of the IAM user.";
    "AccessDenied" | "AccessDeniedException" with "sts:GetWebIdentityToken", 403,
        "User: arn:aws:iam::123456789012:user/ci is not authorized to perform: sts:GetWebIdentityToken on resource: *"
        => AccessDenied, "Allow sts:GetWebIdentityToken in the policy of the caller, with conditions that match this audience, lifetime and signing algorithm.";
    "AccessDenied" | "AccessDeniedException" with "with session credentials", 403,
        "Cannot call GetSessionToken with session credentials"
        => AccessDenied, "Sign with the long-lived access key of an IAM user, not with temporary credentials.";
    "AccessDenied" | "AccessDeniedException" with "root accounts", 403,
        "Roles may not be assumed by root accounts."
        => AccessDenied, "Sign with an IAM user or a role, not with an access key of the root user.";
    "AccessDenied" | "AccessDeniedException" with "no identity-based policy allows", 403,
        "User: arn:aws:iam::123456789012:user/ci is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/reports because no identity-based policy allows the sts:AssumeRole action"
        => AccessDenied, "Allow the action on this role in the policy of the caller.";
    "AccessDenied" | "AccessDeniedException" with "no session policy allows", 403,
        "User: arn:aws:sts::123456789012:assumed-role/hop/ci is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/reports because no session policy allows the sts:AssumeRole action"
        => AccessDenied, "Allow the action in the session policy of the caller's session.";
    "AccessDenied" | "AccessDeniedException" with "sts:AssumeRole", 403,
        "User: arn:aws:iam::123456789012:user/ci is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/reports"
        => AccessDenied, "Check that the role exists, that its trust policy allows the caller, that externalId is the value that the trust policy requires, and that the policy of the caller allows sts:AssumeRole on the role.";
    "AccessDenied" | "AccessDeniedException" | "NotAuthorized", 403,
        "Access denied"
        => AccessDenied, Reason::AccessDenied.advice();
    "OptInRequired", 403,
        "The AWS Access Key Id needs a subscription for the service"
        => AccessDenied, "Activate the AWS account of the caller: its registration is not complete, or it is suspended.";
    "OutboundWebIdentityFederationDisabledException" | "OutboundWebIdentityFederationDisabled", 403,
        "The outbound web identity federation feature is not enabled for this account."
        => AccessDenied, "Enable outbound identity federation in the account settings of IAM.";

    // Errors of signatures. Only the message distinguishes a wrong clock.
    "SignatureDoesNotMatch" | "InvalidSignatureException" with "Signature expired", 403,
        "Signature expired: 20260101T000000Z is now earlier than 20260101T004500Z (20260101T010000Z - 15 min.)"
        => ClockSkewed, Reason::ClockSkewed.advice();
    "SignatureDoesNotMatch" | "InvalidSignatureException" with "Signature not yet current", 403,
        "Signature not yet current: 20260101T010000Z is still later than 20260101T001500Z (20260101T000000Z + 15 min.)"
        => ClockSkewed, Reason::ClockSkewed.advice();
    "RequestExpired", 400,
        "Request has expired."
        => ClockSkewed, Reason::ClockSkewed.advice();
    "SignatureDoesNotMatch" | "InvalidSignatureException", 403,
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method."
        => IdentityRefused, "Correct the secret access key that signs the request: it does not belong to its access key ID, or a proxy changes the requests to STS.";
    "InvalidClientTokenId" | "UnrecognizedClientException", 403,
        "The security token included in the request is invalid."
        => IdentityRefused, "Replace the access key that signs the request: it is deleted, disabled or from another partition, it lacks its session token, or it comes from the global endpoint, whose tokens opt-in regions reject.";
    "IncompleteSignature" | "MissingAuthenticationToken", 403,
        "Request is missing Authentication Token"
        => IdentityRefused, "Check proxies between the operator and STS: the signature of the request is missing or incomplete on arrival.";

    // Errors of tokens: session tokens of the caller, and tokens that are exchanged for credentials.
    "ExpiredTokenException" with "included in the request is expired", 403,
        "The security token included in the request is expired"
        => IdentityExpired, Reason::IdentityExpired.advice();
    "ExpiredTokenException", 400,
        "Token expired: current date/time 1767225600 must be before the expiration date/time 1767222000"
        => TokenRefused, "Write a new token or assertion to the Secret that the spec names; if it is new, check the clock of its issuer.";
    "ExpiredToken", 403,
        "The security token included in the request is expired"
        => IdentityExpired, Reason::IdentityExpired.advice();
    "InvalidIdentityToken" with "audience", 400,
        "Incorrect token audience"
        => TokenRefused, "Add the audience of the token to the client IDs of the OIDC provider in IAM, or set audience in the spec to one of these client IDs.";
    "InvalidIdentityToken" with "No OpenIDConnect provider found", 400,
        "No OpenIDConnect provider found in your account for https://oidc.example.com"
        => TokenRefused, "Create an OIDC provider for exactly this issuer in IAM, in the account of the role.";
    "InvalidIdentityToken" with "thumbprint", 400,
        "OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint"
        => TokenRefused, "Update the thumbprint of the OIDC provider in IAM to that of the certificate authority of the issuer.";
    "InvalidIdentityToken" with "verification key", 400,
        "Couldn't retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity documentation for requirements"
        => TokenRefused, "Make the /.well-known/openid-configuration of the issuer, and the keys that it refers to, available from the internet over HTTPS.";
    "InvalidIdentityToken" with "Issuer not present in specified provider", 400,
        "Issuer not present in specified provider"
        => TokenRefused, "Upload the current metadata of the identity provider to the SAML provider in IAM, or correct principalArn: the assertion has another issuer.";
    "InvalidIdentityToken" with "provider doesn't exist", 400,
        "Specified provider doesn't exist"
        => TokenRefused, "Correct principalArn, or create this SAML provider in IAM, in the account of the role.";
    "InvalidIdentityToken", 400,
        "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
        => TokenRefused, Reason::TokenRefused.advice();
    "IDPRejectedClaim", 403,
        "The identity provider rejected the claim"
        => TokenRefused, "Get a new token or assertion from the identity provider: it reports that this one is invalid, expired or revoked.";
    "IDPCommunicationError", 400,
        "The identity provider could not be reached"
        => StsUnavailable, "The operator retries; if the problem persists, check that the endpoints of the identity provider respond quickly from the internet.";

    "ValidationError" | "ValidationException" with "at 'webIdentityToken'", 400,
        "1 validation error detected: Value 'x' at 'webIdentityToken' failed to satisfy constraint: Member must have length greater than or equal to 4"
        => TokenRefused, "Write a complete token to the Secret that the spec names: its length is not valid for a token.";
    "ValidationError" | "ValidationException" with "at 'sAMLAssertion'", 400,
        "1 validation error detected: Value 'x' at 'sAMLAssertion' failed to satisfy constraint: Member must have length greater than or equal to 4"
        => TokenRefused, "Write a complete assertion, encoded in base64, to the Secret that the spec names: its length is not valid for an assertion.";

    // Errors of the parameters of the request.
    "ValidationError" | "ValidationException" with "by role chaining", 400,
        "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
        => RequestInvalid, "Set duration to at most 1h, or sign with an identity that is not itself a role session: AWS limits sessions of chained roles to one hour.";
    "ValidationError" | "ValidationException" with "MaxSessionDuration", 400,
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        => RequestInvalid, "Lower duration in the spec, or raise the maximum session duration of the role.";
    "InvalidParameterValue" with "transitive tag key", 400,
        "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session."
        => RequestInvalid, "Remove this key from the tags of the spec or the grant: the session inherits it from EKS Pod Identity or from an earlier role of the chain.";
    "ValidationError" | "ValidationException" with "ARN is invalid", 400,
        "Request ARN is invalid"
        => RequestInvalid, "Correct the type, account or partition of the ARN in the spec.";
    "ValidationError" | "ValidationException" | "InvalidParameterValue" | "InvalidParameterCombination" | "MissingParameter", 400,
        "1 validation error detected: Value 'x' at 'roleSessionName' failed to satisfy constraint: Member must have length greater than or equal to 2"
        => RequestInvalid, Reason::RequestInvalid.advice();
    "InvalidAction" | "UnknownOperationException", 400,
        "Could not find operation AssumeRoot for version 2011-06-15"
        => RequestInvalid, "Use a region, or an --sts-endpoint, whose STS supports this call.";
    "SessionDurationEscalationException" | "SessionDurationEscalation", 403,
        "The requested token duration would extend the session beyond its original expiration time."
        => RequestInvalid, "Lower duration in the spec to the remaining lifetime of the session that signs the request, or sign with a longer session.";
    "JWTPayloadSizeExceededException" | "JWTPayloadSizeExceeded", 400,
        "The requested token payload size exceeds the maximum allowed size."
        => RequestInvalid, "Use fewer or shorter tags.";
    "MalformedPolicyDocument", 400,
        "Syntax errors in policy."
        => PolicyInvalid, Reason::PolicyInvalid.advice();
    "PackedPolicyTooLarge", 400,
        "Packed size of session tags consumes 104% of allotted space."
        => PolicyTooLarge, Reason::PolicyTooLarge.advice();
    "RegionDisabledException", 403,
        "STS is not activated in this region for account:123456789012. Your account administrator can activate STS in this region using the IAM Console."
        => RegionDisabled, Reason::RegionDisabled.advice();

    // Errors that do not depend on the request.
    "Throttling" | "ThrottlingException" | "RequestLimitExceeded" | "TooManyRequestsException", 400,
        "Rate exceeded"
        => Throttled, Reason::Throttled.advice();
    "InternalFailure" | "InternalError", 500,
        "We encountered an internal error. Please try again."
        => StsUnavailable, Reason::StsUnavailable.advice();
    "ServiceUnavailable", 503,
        "Service is unable to handle request."
        => StsUnavailable, Reason::StsUnavailable.advice();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_found_by_its_codes_and_its_example() {
        for row in CODES {
            for code in row.codes {
                assert_eq!(find(code, row.example), Some(row), "{code}: {}", row.example);
            }
        }
    }

    #[test]
    fn every_advice_is_one_sentence() {
        for row in CODES {
            let advice = row.advice;
            assert!(advice.starts_with(|c: char| c.is_ascii_uppercase()), "{advice}");
            assert!(advice.ends_with('.') && !advice.contains(". "), "{advice}");
            assert!(row.reason.class().is_some(), "{:?} is not a failure", row.codes);
        }
    }

    #[test]
    fn no_row_is_hidden_by_a_more_general_one() {
        for (at, row) in CODES.iter().enumerate() {
            for code in row.codes {
                let hides = |before: &&Row| before.matches(code, row.part.unwrap_or_default());
                assert_eq!(CODES[..at].iter().find(hides), None, "hides {code} {:?}", row.part);
            }
        }
    }

    #[test]
    fn the_most_specific_cause_in_a_message_wins() {
        let denied = "User: arn:aws:iam::1:user/ci is not authorized to perform: ";
        let rows = [
            (
                "sts:TagSession on resource: r with an explicit deny in a resource-based policy",
                "explicit deny",
            ),
            (
                "sts:AssumeRole on resource: r with an explicit deny in a service control policy",
                "service control policy",
            ),
            (
                "sts:TagSession on resource: r because no identity-based policy allows the sts:TagSession action",
                "sts:TagSession",
            ),
            (
                "sts:AssumeRole on resource: r because no resource-based policy allows the sts:AssumeRole action",
                "sts:AssumeRole",
            ),
        ];
        for (message, part) in rows {
            let found = find("AccessDenied", &format!("{denied}{message}")).unwrap();
            assert_eq!(found.part, Some(part), "{message}");
        }
    }

    #[test]
    fn an_unknown_code_has_no_row_regardless_of_its_message() {
        assert_eq!(find("Forbidden", "sts:AssumeRole"), None);
        assert_eq!(find("", ""), None);
        assert_eq!(find("accessdenied", ""), None);
    }
}
