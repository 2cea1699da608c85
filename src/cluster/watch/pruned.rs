//! Watched objects without what the operator does not use. Each object is pruned as soon as it is decoded: users decide
//! how large annotations, labels and managed fields are.

use std::borrow::Cow;

use k8s_openapi::api::core::v1::{Namespace, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::serde::{Deserialize, Deserializer};
use kube::Resource;
use kube::core::{DeserializeGuard, PartialObjectMeta};
use tempcred_core::api::{TemporaryCredential, prune_credential};
use tempcred_core::secret::prune_secret;

use super::changes::Watched;

macro_rules! pruned {
    ($(#[doc = $doc:literal] $name:ident($inner:ty) of $object:ty, $prune:expr;)*) => {$(
        #[doc = $doc]
        #[derive(Clone, Debug)]
        pub struct $name($inner);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let mut object = <$inner>::deserialize(from)?;
                let prune: fn(&mut ObjectMeta) = $prune;
                prune(object.meta_mut());
                Ok(Self(object))
            }
        }

        impl Resource for $name {
            type DynamicType = ();
            type Scope = <$inner as Resource>::Scope;

            fn metadata_api() -> bool {
                <$inner>::metadata_api()
            }

            fn kind((): &()) -> Cow<'_, str> {
                <$inner>::kind(&())
            }

            fn group((): &()) -> Cow<'_, str> {
                <$inner>::group(&())
            }

            fn version((): &()) -> Cow<'_, str> {
                <$inner>::version(&())
            }

            fn plural((): &()) -> Cow<'_, str> {
                <$inner>::plural(&())
            }

            fn meta(&self) -> &ObjectMeta {
                self.0.meta()
            }

            fn meta_mut(&mut self) -> &mut ObjectMeta {
                self.0.meta_mut()
            }
        }

        impl Watched for $name {
            type Object = $object;

            fn metadata(&self) -> &ObjectMeta {
                self.0.meta()
            }

            fn decoded(self) -> Result<$object, String> {
                self.0.decoded()
            }
        }
    )*};
}

pruned! {
    /// A resource, with the metadata that is used.
    PrunedCredential(DeserializeGuard<TemporaryCredential>) of TemporaryCredential, prune_credential;
    /// The metadata of a Secret that tempcred wrote.
    PrunedSecret(PartialObjectMeta<Secret>) of PartialObjectMeta<Secret>, prune_secret;
    /// The name of another Secret.
    SecretName(PartialObjectMeta<Secret>) of PartialObjectMeta<Secret>, only_name;
    /// The name and the labels of a Namespace.
    PrunedNamespace(PartialObjectMeta<Namespace>) of PartialObjectMeta<Namespace>, only_labels;
}

fn only_name(metadata: &mut ObjectMeta) {
    *metadata = ObjectMeta {
        name: metadata.name.take(),
        namespace: metadata.namespace.take(),
        resource_version: metadata.resource_version.take(),
        ..ObjectMeta::default()
    };
}

fn only_labels(metadata: &mut ObjectMeta) {
    let labels = metadata.labels.take();
    only_name(metadata);
    metadata.labels = labels;
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn large() -> Value {
        json!({
            "apiVersion": "v1", "kind": "Any",
            "metadata": {
                "name": "a", "namespace": "n", "uid": "u", "resourceVersion": "7",
                "labels": {"team": "x".repeat(60)},
                "annotations": {"large": "x".repeat(200 << 10)},
                "managedFields": [{"manager": "x".repeat(1000), "fieldsV1": {"f:x": {}}}],
                "finalizers": ["x".repeat(1000)],
            },
            "spec": {"assumeRole": {"roleArn": "arn:aws:iam::123456789012:role/reports"}},
        })
    }

    #[test]
    fn large_metadata_is_not_kept() {
        fn size<W: Resource<DynamicType = ()> + serde::de::DeserializeOwned>() -> usize {
            let object: W = serde_json::from_value(large()).unwrap();
            assert_eq!(object.meta().name.as_deref(), Some("a"));
            assert_eq!(object.meta().resource_version.as_deref(), Some("7"));
            serde_json::to_string(object.meta()).unwrap().len()
        }
        for size in [size::<PrunedCredential>(), size::<PrunedSecret>(), size::<SecretName>()] {
            assert!(size < 100, "{size}");
        }
        assert!(size::<PrunedNamespace>() < 200);
    }

    #[test]
    fn an_object_that_cannot_be_decoded_is_pruned_too() {
        let mut object = large();
        object["spec"]["assumeRole"] = json!(1);
        let object: PrunedCredential = serde_json::from_value(object).unwrap();
        assert!(object.meta().annotations.is_none());
        assert!(object.decoded().is_err());
    }
}
