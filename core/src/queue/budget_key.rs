//! What a budget of STS calls is for.

use crate::desired::{Desired, SignedRequest};

/// What AWS counts calls by: the identity that signs them, and the region.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BudgetKey {
    /// The identity that signs the calls.
    pub signer: BudgetSigner,
    /// The region of the STS endpoint. `None` if it is not known.
    pub region: Option<String>,
}

/// An identity that signs calls.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BudgetSigner {
    /// The operator.
    Operator,
    /// The identities of a namespace: its keys and its roles, and its unsigned calls. They share one budget, so that a
    /// namespace does not get more calls by naming more of them.
    Namespace(String),
}

impl BudgetKey {
    /// The budget of the calls of a request. `own_region` is the operator's region.
    pub fn of(desired: &Desired, request: &SignedRequest, own_region: Option<&str>) -> Self {
        let signer = if request.is_signed_by_operator() {
            BudgetSigner::Operator
        } else {
            BudgetSigner::Namespace(desired.namespace.clone())
        };
        let region = desired.region.as_deref().or(own_region).map(str::to_owned);
        Self { signer, region }
    }
}
