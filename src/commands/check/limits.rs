//! What the operator allows all resources, whatever their grants say.

use clap::Args;
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
    /// The regions that resources may set.
    pub fn regions(&self) -> Regions {
        Regions::new(set(self.region.clone()), listed(self.allowed_regions.clone()))
    }

    /// What the labels and annotations of Secrets may begin with.
    pub fn key_prefixes(&self) -> KeyPrefixes {
        KeyPrefixes::new(listed(self.secret_key_prefixes.clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use clap::Command;

    use super::*;
    use crate::commands::settings::tests::assert_flags_of_run;

    #[test]
    fn the_flags_are_those_of_the_operator() {
        let check = Limits::augment_args(Command::new("check"));
        assert_eq!(assert_flags_of_run(check.get_arguments()), 3);
    }
}
