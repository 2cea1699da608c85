//! What STS answers when it does not give credentials, and what a person is to change then.
//!
//! One table: the tests send every row over the wire, and `docs/sts-errors.md` is made from it. AWS
//! uses few codes for many causes, so a row may also ask for a part of the message. The first row
//! that fits holds: of the same code, the more specific ones come first.
//!
//! Codes are from the API reference of STS (its common errors and those of each action) and from the
//! model of the SDK; messages are what AWS sends, with made-up names.

use tempcred_core::problem::Reason;

/// One thing that STS answers.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    /// The codes it comes with.
    pub codes: &'static [&'static str],
    /// What the message holds if it means this; `None` if the code says it all.
    pub part: Option<&'static str>,
    /// The HTTP status it comes with.
    pub status: u16,
    /// The message that AWS sends, for example.
    pub example: &'static str,
    /// What it means here.
    pub reason: Reason,
    /// What to change, in one sentence.
    pub advice: &'static str,
}

impl Row {
    fn fits(&self, code: &str, message: &str) -> bool {
        self.codes.contains(&code) && self.part.is_none_or(|part| message.contains(part))
    }
}

/// The row that a reply means, if there is one.
pub fn find(code: &str, message: &str) -> Option<&'static Row> {
    CODES.iter().find(|row| row.fits(code, message))
}

macro_rules! codes {
    ($($($code:literal)|+ $(with $part:literal)?, $status:literal, $example:literal => $reason:ident, $advice:expr;)*) => {
        /// Everything that STS is known to answer when it does not give credentials.
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
    // Whose policy it is that says no, where AWS tells.
    "AccessDenied" | "AccessDeniedException" with "service control policy", 403,
        "User: arn:aws:iam::123456789012:user/ci is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/reports with an explicit deny in a service control policy"
        => AccessDenied, "Have a service control policy of the organization changed: it does not let the caller make this call.";
    "AccessDenied" | "AccessDeniedException" with "explicit deny", 403,
        "User: arn:aws:iam::123456789012:user/ci is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/reports with an explicit deny in a resource-based policy"
        => AccessDenied, "Remove or narrow the Deny statement that the message speaks of: no Allow overrides it.";
    "AccessDenied" | "AccessDeniedException" with "permissions boundary", 403,
        "User: arn:aws:iam::123456789012:user/ci is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/reports because no permissions boundary allows the sts:AssumeRole action"
        => AccessDenied, "Allow the action in the permissions boundary of the caller too.";
    // What more than the role itself was asked for.
    "AccessDenied" | "AccessDeniedException" with "sts:TagSession", 403,
        "User: arn:aws:iam::123456789012:user/ci is not authorized to perform: sts:TagSession on resource: arn:aws:iam::123456789012:role/reports"
        => AccessDenied, "Allow sts:TagSession, beside the action itself, in the trust policy of the role and in the caller's own policy, or remove tags from the spec.";
    "AccessDenied" | "AccessDeniedException" with "sts:SetSourceIdentity", 403,
        "User: arn:aws:iam::123456789012:user/ci is not authorized to perform: sts:SetSourceIdentity on resource: arn:aws:iam::123456789012:role/reports"
        => AccessDenied, "Allow sts:SetSourceIdentity, beside the action itself, in the trust policy of the role and in the caller's own policy, or remove sourceIdentity from the spec.";
    // Which call it was.
    "AccessDenied" | "AccessDeniedException" with "sts:AssumeRoleWithWebIdentity", 403,
        "Not authorized to perform sts:AssumeRoleWithWebIdentity"
        => AccessDenied, "Check that the role exists, and that its trust policy allows sts:AssumeRoleWithWebIdentity to the OIDC provider of the token, with conditions that its subject and audience meet.";
    "AccessDenied" | "AccessDeniedException" with "sts:AssumeRoleWithSAML", 403,
        "Not authorized to perform sts:AssumeRoleWithSAML"
        => AccessDenied, "Check that the assertion lists this pair of role and provider, and that the trust policy of the role allows sts:AssumeRoleWithSAML to the provider, with conditions that the assertion meets.";
    "AccessDenied" | "AccessDeniedException" with "sts:AssumeRoot", 403,
        "User: arn:aws:sts::123456789012:assumed-role/central/ops is not authorized to perform: sts:AssumeRoot on resource: arn:aws:iam::210987654321:root"
        => AccessDenied, "Check that the caller belongs to the management account or a delegated administrator, may call sts:AssumeRoot for this account with this task policy, and that root sessions are enabled in IAM's centralized root access.";
    "AccessDenied" | "AccessDeniedException" with "sts:GetFederationToken", 403,
        "User: arn:aws:iam::123456789012:user/ci is not authorized to perform: sts:GetFederationToken on resource: arn:aws:sts::123456789012:federated-user/alice"
        => AccessDenied, "Allow sts:GetFederationToken on this federated user in the policy of the IAM user.";
    "AccessDenied" | "AccessDeniedException" with "sts:GetWebIdentityToken", 403,
        "User: arn:aws:iam::123456789012:user/ci is not authorized to perform: sts:GetWebIdentityToken on resource: *"
        => AccessDenied, "Allow sts:GetWebIdentityToken in the caller's own policy, with conditions that this audience, lifetime and signing algorithm meet.";
    "AccessDenied" | "AccessDeniedException" with "with session credentials", 403,
        "Cannot call GetSessionToken with session credentials"
        => AccessDenied, "Sign with the long-lived access key of an IAM user, not with temporary credentials.";
    "AccessDenied" | "AccessDeniedException" with "root accounts", 403,
        "Roles may not be assumed by root accounts."
        => AccessDenied, "Sign with an IAM user or a role, not with an access key of the account's root user.";
    "AccessDenied" | "AccessDeniedException" with "no identity-based policy allows", 403,
        "User: arn:aws:iam::123456789012:user/ci is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/reports because no identity-based policy allows the sts:AssumeRole action"
        => AccessDenied, "Allow the action on this role in the caller's own policy.";
    "AccessDenied" | "AccessDeniedException" with "no session policy allows", 403,
        "User: arn:aws:sts::123456789012:assumed-role/hop/ci is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/reports because no session policy allows the sts:AssumeRole action"
        => AccessDenied, "Allow the action in the session policy that the caller's own session was made with.";
    "AccessDenied" | "AccessDeniedException" with "sts:AssumeRole", 403,
        "User: arn:aws:iam::123456789012:user/ci is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/reports"
        => AccessDenied, "Check that the role exists, that its trust policy names the caller, that externalId is the one it asks for, and that the caller's own policy allows sts:AssumeRole on it.";
    "AccessDenied" | "AccessDeniedException" | "NotAuthorized", 403,
        "Access denied"
        => AccessDenied, Reason::AccessDenied.advice();
    "OptInRequired", 403,
        "The AWS Access Key Id needs a subscription for the service"
        => AccessDenied, "Activate the AWS account of the caller: its registration is not complete, or it is suspended.";
    "OutboundWebIdentityFederationDisabledException" | "OutboundWebIdentityFederationDisabled", 403,
        "The outbound web identity federation feature is not enabled for this account."
        => AccessDenied, "Enable outbound identity federation in the account settings of IAM.";

    // About signatures. AWS tells a wrong clock by the message only.
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
        => IdentityRefused, "Correct the secret access key that signs: it does not belong to its access key ID (or something on the way to STS changes requests).";
    "InvalidClientTokenId" | "UnrecognizedClientException", 403,
        "The security token included in the request is invalid."
        => IdentityRefused, "Replace the access key that signs: it is deleted, disabled or of another partition, lacks its session token, or comes from the global endpoint, whose tokens no opt-in region accepts.";
    "IncompleteSignature" | "MissingAuthenticationToken", 403,
        "Request is missing Authentication Token"
        => IdentityRefused, "Check what stands between the operator and STS: it takes the signature from requests.";

    // About tokens: of the caller's own session, or those that are exchanged for credentials.
    "ExpiredTokenException" with "included in the request is expired", 403,
        "The security token included in the request is expired"
        => IdentityExpired, Reason::IdentityExpired.advice();
    "ExpiredTokenException", 400,
        "Token expired: current date/time 1767225600 must be before the expiration date/time 1767222000"
        => TokenRefused, "Put a fresh token or assertion into the Secret that the spec names; if it is fresh, check the clock of who issued it.";
    "ExpiredToken", 403,
        "The security token included in the request is expired"
        => IdentityExpired, Reason::IdentityExpired.advice();
    "InvalidIdentityToken" with "audience", 400,
        "Incorrect token audience"
        => TokenRefused, "Add the audience of the token to the client IDs of IAM's OIDC provider, or set audience in the spec to one that is there.";
    "InvalidIdentityToken" with "No OpenIDConnect provider found", 400,
        "No OpenIDConnect provider found in your account for https://oidc.example.com"
        => TokenRefused, "Create an OIDC provider for exactly this issuer in IAM, in the account of the role.";
    "InvalidIdentityToken" with "thumbprint", 400,
        "OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint"
        => TokenRefused, "Update the thumbprint in IAM's OIDC provider to that of the issuer's certificate authority.";
    "InvalidIdentityToken" with "verification key", 400,
        "Couldn't retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity documentation for requirements"
        => TokenRefused, "Make the issuer's /.well-known/openid-configuration and the keys that it names readable from the internet over HTTPS.";
    "InvalidIdentityToken" with "Issuer not present in specified provider", 400,
        "Issuer not present in specified provider"
        => TokenRefused, "Upload the current metadata of the identity provider to IAM's SAML provider, or correct principalArn: the issuer of the assertion is another one.";
    "InvalidIdentityToken" with "provider doesn't exist", 400,
        "Specified provider doesn't exist"
        => TokenRefused, "Correct principalArn, or create this SAML provider in IAM, in the account of the role.";
    "InvalidIdentityToken", 400,
        "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
        => TokenRefused, Reason::TokenRefused.advice();
    "IDPRejectedClaim", 403,
        "The identity provider rejected the claim"
        => TokenRefused, "Get a new token or assertion from the identity provider: it says that this one is invalid, expired or revoked.";
    "IDPCommunicationError", 400,
        "The identity provider could not be reached"
        => StsUnavailable, "Usually passes by itself; if it stays, check that the identity provider's endpoints answer quickly from the internet.";

    "ValidationError" | "ValidationException" with "at 'webIdentityToken'", 400,
        "1 validation error detected: Value 'x' at 'webIdentityToken' failed to satisfy constraint: Member must have length greater than or equal to 4"
        => TokenRefused, "Put a whole token into the Secret that the spec names: this is too short, or too long, for one.";
    "ValidationError" | "ValidationException" with "at 'sAMLAssertion'", 400,
        "1 validation error detected: Value 'x' at 'sAMLAssertion' failed to satisfy constraint: Member must have length greater than or equal to 4"
        => TokenRefused, "Put a whole assertion, in base64, into the Secret that the spec names: this is too short, or too long, for one.";

    // About what was asked for.
    "ValidationError" | "ValidationException" with "by role chaining", 400,
        "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
        => RequestInvalid, "Set duration to at most 1h, or let an identity that is not itself a role session sign: a role assumed from another role lives no longer than that.";
    "ValidationError" | "ValidationException" with "MaxSessionDuration", 400,
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        => RequestInvalid, "Lower duration in the spec, or raise the maximum session duration of the role.";
    "ValidationError" | "ValidationException" with "ARN is invalid", 400,
        "Request ARN is invalid"
        => RequestInvalid, "Correct the ARN that the spec names: its kind, its account and its partition.";
    "ValidationError" | "ValidationException" | "InvalidParameterValue" | "InvalidParameterCombination" | "MissingParameter", 400,
        "1 validation error detected: Value 'x' at 'roleSessionName' failed to satisfy constraint: Member must have length greater than or equal to 2"
        => RequestInvalid, Reason::RequestInvalid.advice();
    "InvalidAction" | "UnknownOperationException", 400,
        "Could not find operation AssumeRoot for version 2011-06-15"
        => RequestInvalid, "Choose a region, or an --sts-endpoint, whose STS offers this call.";
    "SessionDurationEscalationException" | "SessionDurationEscalation", 403,
        "The requested token duration would extend the session beyond its original expiration time."
        => RequestInvalid, "Lower duration in the spec to what is left of the session that signs, or let a longer session sign.";
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

    // Not about this request.
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
    fn every_row_is_found_by_each_of_its_codes_and_the_message_of_aws() {
        for row in CODES {
            for code in row.codes {
                assert_eq!(find(code, row.example), Some(row), "{code}: {}", row.example);
            }
        }
    }

    #[test]
    fn every_row_says_what_to_change_in_one_sentence() {
        for row in CODES {
            let advice = row.advice;
            assert!(advice.starts_with(|c: char| c.is_ascii_uppercase()), "{advice}");
            assert!(advice.ends_with('.') && !advice.contains(". "), "{advice}");
            assert!(row.reason.class().is_some(), "{:?} is no failure", row.codes);
        }
    }

    #[test]
    fn no_row_is_hidden_by_another_with_fewer_words() {
        for (at, row) in CODES.iter().enumerate() {
            for code in row.codes {
                let hides = |before: &&Row| before.fits(code, row.part.unwrap_or_default());
                assert_eq!(CODES[..at].iter().find(hides), None, "hides {code} {:?}", row.part);
            }
        }
    }

    #[test]
    fn of_several_causes_in_a_message_the_one_to_change_first_is_named() {
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
    fn an_unknown_code_has_no_row_whatever_it_says() {
        assert_eq!(find("Forbidden", "sts:AssumeRole"), None);
        assert_eq!(find("", ""), None);
        assert_eq!(find("accessdenied", ""), None);
    }
}
