//! The desired state of a resource, compiled from its spec and the grants.

#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube_core::{Resource, ResourceExt};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::api::{
    DeletionPolicy, Renewal, RestartTarget, SecretSpec, TemporaryCredential,
    TemporaryCredentialSpec,
};
use crate::grant::{GrantName, Grants, Permission};
use crate::problem::Problem;
use crate::request::identity::{Caller, Identity};
use crate::request::{InvalidRequest, Issues, Operation, Signer, default_session_name};
use crate::schedule::{Schedule, schedule};
use crate::secret::{KeyPrefixes, check_templates};
use crate::text::hex;

/// The validated desired state of one `TemporaryCredential`.
#[derive(Clone, Debug)]
pub struct Desired {
    /// Namespace of the resource and of its Secret.
    pub namespace: String,
    /// Name of the resource.
    pub name: String,
    /// UID of the resource. It changes if the resource is deleted and created again.
    pub uid: String,
    /// When the resource was created.
    pub created: Option<Timestamp>,
    /// Generation of the spec.
    pub generation: i64,
    /// The request, or an error if the spec contains no valid one.
    pub request: Result<SignedRequest, InvalidRequest>,
    /// The grants that allow or constrain the request. Empty if the request needs none, or is denied.
    pub grants: Vec<GrantName>,
    /// Why the grants deny the request, if it needs one. The reason is a denial.
    pub denied: Option<Problem>,
    /// The grants that reject the request. Empty if it is not denied, or no grant matches it.
    pub rejected_by: Vec<GrantName>,
    /// Region of the STS endpoint. `None` for the operator's region.
    pub region: Option<String>,
    /// Name of the Secret.
    pub secret_name: String,
    /// Format, labels and other settings of the Secret.
    pub secret: SecretSpec,
    /// Hash of everything that determines the credentials that STS returns. The credentials in the Secret match the
    /// spec if they were issued for the same hash.
    pub request_hash: String,
    /// Hash of everything else that determines the contents of the Secret.
    pub render_hash: String,
    /// Workloads to restart after a rotation.
    pub restart: Vec<RestartTarget>,
    /// When to renew.
    pub renewal: Option<Renewal>,
    /// Whether renewals are stopped.
    pub suspended: bool,
    /// Value of the annotation that requests a renewal, bounded.
    pub renew_request: Option<String>,
    /// Whether the resource is being deleted.
    pub deleted: bool,
    /// Owner reference for the Secret. `None` if the Secret is retained when the resource is deleted.
    pub owner: Option<OwnerReference>,
}

/// A request and its caller.
#[derive(Clone, Debug, PartialEq)]
pub struct SignedRequest {
    /// The identity that signs the request.
    pub caller: Caller,
    /// The request to make.
    pub operation: Operation,
}

impl SignedRequest {
    fn of(resource: &TemporaryCredential) -> Result<Self, InvalidRequest> {
        let spec = &resource.spec;
        let session =
            default_session_name(&resource.namespace().unwrap_or_default(), &resource.name_any());
        let operation = Operation::of(&spec.request, &session)?;
        let caller = Caller::of(spec.identity.as_ref(), &session, operation.signing_session())?;
        // A CEL rule rejects this, but a resource may be older than the rule.
        match (operation.signer(), &caller) {
            (Signer::AccessKey | Signer::Identity, Caller::Operator) => {
                Err(InvalidRequest::NeedsIdentity(operation.field()))
            }
            _ => Ok(Self { caller, operation }),
        }
    }

    /// The same request, if the templates of the Secret can be rendered with its credentials.
    fn with_template(
        self,
        spec: &TemporaryCredentialSpec,
        name: (&str, &str),
    ) -> Result<Self, InvalidRequest> {
        let template = &spec.secret.template;
        let principal = match self.operation.issues() {
            Issues::KeyOfPrincipal => true,
            Issues::Key => false,
            Issues::Token if template.is_empty() => false,
            Issues::Token => {
                return Err(InvalidRequest::TemplateWithoutKey(self.operation.field()));
            }
        };
        check_templates(template, spec.region.as_deref(), principal, name)?;
        Ok(self)
    }

    /// Whether the operator signs the request with its own identity.
    pub(crate) fn is_signed_by_operator(&self) -> bool {
        self.caller == Caller::Operator && self.operation.signer() != Signer::Unsigned
    }

    /// Number of STS calls that the request and its caller need.
    pub fn calls(&self) -> u32 {
        self.caller.calls().saturating_add(self.operation.calls())
    }
}

/// Version of the rendering. It changes when a newer tempcred renders the same spec differently. An upgrade then
/// rewrites each Secret from its own contents, without a call to STS.
const RENDERING: u32 = 1;

#[derive(Serialize)]
struct RequestIdentity<'a> {
    version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<&'a Identity>,
    #[serde(flatten)]
    operation: Option<&'a Operation>,
}

#[derive(Serialize)]
struct RenderIdentity<'a> {
    rendering: u32,
    region: Option<&'a str>,
    secret: &'a SecretSpec,
}

impl Desired {
    /// Compiles a spec.
    ///
    /// The API server rejects most specs without a valid request. The others, and specs that are older than a
    /// validation rule, become an error in `request`. Returns `None` if the request needs a grant and its namespace is
    /// not in the cache yet.
    pub fn compile(resource: &TemporaryCredential, grants: &Grants) -> Option<Self> {
        let (namespace, name) = (resource.namespace().unwrap_or_default(), resource.name_any());
        let spec = &resource.spec;
        let request = SignedRequest::of(resource)
            .and_then(|request| request.with_template(spec, (&namespace, &name)));
        let permission = match &request {
            Ok(signed) if signed.is_signed_by_operator() => {
                grants.decide(&namespace, &name, &signed.operation.requested_roles())
            }
            Ok(_) | Err(_) => Permission::NotNeeded,
        };
        let (mut granted_by, mut rejected_by, mut denied) = (Vec::new(), Vec::new(), None);
        let request = match permission {
            Permission::NotNeeded => request,
            Permission::Granted { grants, parameters } => {
                granted_by = grants;
                request.map(|SignedRequest { caller, operation }| SignedRequest {
                    caller,
                    operation: operation.granted(parameters),
                })
            }
            Permission::Denied(denial) => {
                (denied, rejected_by) = (Some(denial.problem), denial.grants);
                request
            }
            Permission::Unknown => return None,
        };
        let retain = spec.secret.deletion_policy == DeletionPolicy::Retain;
        Some(Self {
            request_hash: hash(&RequestIdentity {
                version: 1,
                region: spec.region.as_deref(),
                identity: spec.identity.as_ref(),
                operation: request.as_ref().ok().map(|request| &request.operation),
            }),
            render_hash: hash(&RenderIdentity {
                rendering: RENDERING,
                region: spec.region.as_deref(),
                secret: &spec.secret,
            }),
            secret_name: resource.secret_name(),
            secret: spec.secret.clone(),
            request,
            grants: granted_by,
            denied,
            rejected_by,
            region: spec.region.clone(),
            restart: spec.restart.clone(),
            renewal: spec.renewal,
            suspended: spec.suspend,
            renew_request: resource.renew_request(),
            deleted: resource.meta().deletion_timestamp.is_some(),
            created: resource.creation_timestamp().map(|at| at.0),
            generation: resource.meta().generation.unwrap_or_default(),
            owner: if retain { None } else { resource.controller_owner_ref(&()) },
            uid: resource.uid().unwrap_or_default(),
            namespace,
            name,
        })
    }

    /// The same state, without a request if the labels or annotations of the Secret are not allowed.
    #[must_use]
    pub fn limited(self, prefixes: &KeyPrefixes) -> Self {
        match prefixes.check(&self.secret) {
            Ok(()) => self,
            Err(invalid) => Self { request: self.request.and(Err(invalid)), ..self },
        }
    }

    /// Type of the Secret.
    pub(crate) fn secret_type(&self) -> &str {
        self.secret.type_.as_deref().unwrap_or("Opaque")
    }

    /// Whether the Secret is neither renewed nor repaired: the resource is suspended, or the grants deny its request.
    pub fn leaves_secret_as_it_is(&self) -> bool {
        self.suspended || self.denied.is_some()
    }

    /// When to renew credentials that were issued at `issued` and expire at `expires`.
    pub fn schedule(&self, issued: Timestamp, expires: Timestamp) -> Schedule {
        let expires = self.expires_here(issued, expires);
        schedule(issued, expires, self.renewal.as_ref(), &self.uid)
    }

    /// When credentials expire by the clock of this process. `issued` is their issue time by the same clock, and
    /// `expires` their expiration by the clock of STS.
    ///
    /// STS issues credentials for at most the requested duration. If their lifetime seems longer, this clock is behind,
    /// and the credentials expire before this clock shows `expires`.
    pub fn expires_here(&self, issued: Timestamp, expires: Timestamp) -> Timestamp {
        self.request.as_ref().map_or(expires, |request| {
            let duration = request.operation.duration().as_signed();
            expires.min(issued.saturating_add(duration).unwrap_or(expires))
        })
    }

    /// How far the clock of this process is behind the clock of STS, computed from the lifetime of the credentials.
    /// Zero if it is not behind.
    pub fn clock_lag(&self, issued: Timestamp, expires: Timestamp) -> SignedDuration {
        expires.duration_since(self.expires_here(issued, expires))
    }
}

fn hash(value: &impl Serialize) -> String {
    // Serialising these plain structures cannot fail. If it did, every hash would be equal, and no change would cause
    // an issue. The keys of a `Value` are sorted, so the order of the fields in the code does not matter.
    let canonical = serde_json::to_value(value).and_then(|value| serde_json::to_vec(&value));
    let canonical = canonical.unwrap_or_default();
    hex(&Sha256::digest(canonical))
}
