//! The rules that `tempcred check` reports. Their names are stable: pipelines filter by them.

/// How serious a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Information that needs no change.
    Note,
    /// The manifest works, but probably not as intended.
    Warning,
    /// The manifest is rejected, or no credentials are issued for it.
    Error,
}

impl Level {
    /// The name in all formats.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What rejects or reports a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The file cannot be read.
    Input,
    /// The Kubernetes API server, or kubectl, rejects the object.
    ApiServer,
    /// The operator accepts the object and issues nothing for it.
    Operator,
    /// Nothing rejects it. It is advice.
    Advice,
}

impl Source {
    /// The name in all formats.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::ApiServer => "api-server",
            Self::Operator => "operator",
            Self::Advice => "advice",
        }
    }
}

macro_rules! rules {
    ($($name:ident $id:literal $level:ident $source:ident $about:literal;)*) => {
        /// A rule of `tempcred check`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Rule {
            $(#[doc = $about] $name,)*
        }

        impl Rule {
            /// Every rule, in the order in which they are documented.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The name in all formats.
            pub const fn id(self) -> &'static str {
                match self { $(Self::$name => $id,)* }
            }

            /// How serious its findings are.
            pub const fn level(self) -> Level {
                match self { $(Self::$name => Level::$level,)* }
            }

            /// What rejects or reports the manifest.
            pub const fn source(self) -> Source {
                match self { $(Self::$name => Source::$source,)* }
            }

            /// What it finds, in one sentence.
            pub const fn about(self) -> &'static str {
                match self { $(Self::$name => $about,)* }
            }
        }
    };
}

rules! {
    Unreadable "unreadable" Error Input "A file cannot be read, or is not valid YAML or JSON.";
    DuplicateKey "duplicate-key" Error ApiServer "A mapping contains a key twice.";
    UnknownKind "unknown-kind" Error ApiServer "The CRDs of tempcred do not define this kind or version.";
    Metadata "metadata" Error ApiServer "The metadata is invalid: a name, a label, an annotation or another field.";
    UnknownField "unknown-field" Error ApiServer "The CRD does not define this field.";
    Schema "schema" Error ApiServer "A value does not match the schema of the CRD.";
    DuplicateItem "duplicate-item" Error ApiServer "A list contains an entry twice.";
    Validation "validation" Error ApiServer "A validation rule (CEL) of the CRD rejects the object.";

    InvalidSpec "invalid-spec" Error Operator "The operator reports InvalidSpec.";
    PolicyInvalid "policy-invalid" Error Operator "A session policy is not valid JSON, so STS rejects it.";
    SecretConflict "secret-conflict" Error Operator "Another object of the input has the same Secret.";
    ReferenceLoop "reference-loop" Error Operator "Resources use each other's Secrets as inputs.";
    ReferenceTooDeep "reference-too-deep" Error Operator "A resource depends on the Secrets of more than eight others.";
    GrantNotValid "invalid-grant" Error Operator "The operator cannot use this RoleGrant.";
    NotGranted "not-granted" Error Operator "The grants do not allow the request.";
    GrantConflict "grant-conflict" Error Operator "Two grants demand different values.";
    GrantInvalid "grant-invalid" Error Operator "A grant that matches the resource is invalid.";
    Revoked "revoked" Error Operator "After the change, no grant allows a resource in the cluster.";
    Rejected "rejected" Error Operator "After the change, the grants reject a resource in the cluster.";

    Constrained "constrained" Warning Advice "After the change, the grants set other parameters for a resource in the cluster.";
    DuplicateResource "duplicate-resource" Warning Advice "The input contains an object twice.";
    StatusSet "status-set" Warning Advice "The manifest contains a status, which only the operator writes.";
    ServerField "server-field" Warning Advice "The manifest contains metadata that only the API server sets.";
    NamespaceIgnored "namespace-ignored" Warning Advice "A RoleGrant has a namespace, which Kubernetes ignores.";
    RoleMaximum "role-maximum" Warning Advice "The duration is longer than the default maximum of a role.";
    ChainedSession "chained-session" Warning Advice "AWS may limit the session to one hour.";
    ShortMargin "short-margin" Warning Advice "The credentials are renewed shortly before they expire.";
    FrequentRenewal "frequent-renewal" Warning Advice "The credentials are renewed much more often than their duration needs.";
    RenewalClamped "renewal-clamped" Warning Advice "The renewal does not fit the duration that the grants allow.";
    SessionTokenMissing "session-token-missing" Warning Advice "The access key of a session is used without its session token.";
    EnvNotRefreshed "env-not-refreshed" Warning Advice "A workload reads the Secret into its environment, which does not change.";
    EnvFromFiles "env-from-files" Warning Advice "envFrom exports keys of the Secret that are not environment variables.";
    WideGrant "wide-grant" Warning Advice "A RoleGrant allows every namespace to use every role of an account.";
    ClusterNameUnknown "cluster-name-unknown" Warning Advice "A grant uses the name of the cluster, which is not known.";

    RestartTargetMissing "restart-target-missing" Note Advice "The input does not contain a workload to restart.";
    NamespaceUnknown "namespace-unknown" Note Advice "The labels of a namespace are not known, and a grant selects namespaces by labels.";
    Undecodable "undecodable" Note Advice "This version of tempcred cannot decode an object of the cluster.";
    NowAllowed "now-allowed" Note Advice "After the change, the grants allow a resource in the cluster that they reject now.";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_rule_has_a_name_of_its_own_and_a_sentence() {
        let ids: BTreeSet<_> = Rule::ALL.iter().map(|rule| rule.id()).collect();
        assert_eq!(ids.len(), Rule::ALL.len());
        for rule in Rule::ALL {
            assert!(rule.about().ends_with('.'), "{}", rule.id());
            let is_error = rule.level() == Level::Error;
            assert_eq!(is_error, rule.source() != Source::Advice, "{}", rule.id());
        }
    }
}
