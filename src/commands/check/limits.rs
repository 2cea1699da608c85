//! What the operator allows all resources, whatever their grants say.

use clap::Args;
use tempcred_core::desired::Desired;
use tempcred_core::request::region::Regions;
use tempcred_core::secret::KeyPrefixes;

use crate::commands::settings::{listed, set};

/// The operator's limits.
#[derive(Args, Clone, Debug, Default)]
pub struct Limits {
    /// The operator's --region: reports resources without a region whose ARNs belong to another partition of AWS.
    #[arg(long, env = "TEMPCRED_REGION", value_name = "REGION")]
    pub region: Option<String>,

    /// The operator's --allowed-regions: reports resources that set another region. Also set --region, which is always
    /// allowed.
    #[arg(long, env = "TEMPCRED_ALLOWED_REGIONS", value_name = "REGIONS", value_delimiter = ',')]
    pub allowed_regions: Vec<String>,

    /// The operator's --secret-key-prefixes: reports resources that put other labels or annotations on Secrets.
    #[arg(
        long,
        env = "TEMPCRED_SECRET_KEY_PREFIXES",
        value_name = "PREFIXES",
        value_delimiter = ','
    )]
    pub secret_key_prefixes: Vec<String>,
}

impl Limits {
    /// The desired state, without a request if it is not within these limits.
    pub fn apply(&self, desired: Desired) -> Desired {
        let regions = Regions::new(set(self.region.clone()), listed(self.allowed_regions.clone()));
        let prefixes = KeyPrefixes::new(listed(self.secret_key_prefixes.clone()).collect());
        desired.in_regions(&regions).limited(&prefixes)
    }
}

#[cfg(test)]
mod tests {
    use clap::Command;

    use super::*;
    use crate::commands::settings::Run;

    #[test]
    fn the_flags_are_those_of_the_operator() {
        let run = Run::augment_args(Command::new("run"));
        let check = Limits::augment_args(Command::new("check"));
        for flag in check.get_arguments() {
            let same = run.get_arguments().find(|other| other.get_id() == flag.get_id()).unwrap();
            assert_eq!(same.get_env(), flag.get_env(), "{flag}");
            assert_eq!(same.get_long(), flag.get_long(), "{flag}");
            assert_eq!(same.get_value_delimiter(), flag.get_value_delimiter(), "{flag}");
        }
        assert_eq!(check.get_arguments().count(), 3);
    }
}
