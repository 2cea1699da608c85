//! The context of a request: the keys that conditions and variables of policies read.

use std::collections::BTreeMap;

/// Values by key. Keys are case-insensitive, as in IAM.
#[derive(Clone, Debug, Default)]
pub(super) struct Context(BTreeMap<String, Vec<String>>);

impl Context {
    /// Sets a key with one value.
    pub(super) fn set(&mut self, key: &str, value: impl Into<String>) {
        self.0.insert(key.to_lowercase(), vec![value.into()]);
    }

    /// Sets a key with several values. Without values, the request does not have the key.
    pub(super) fn set_all<T: Into<String>>(
        &mut self,
        key: &str,
        values: impl IntoIterator<Item = T>,
    ) {
        let values: Vec<String> = values.into_iter().map(Into::into).collect();
        if !values.is_empty() {
            self.0.insert(key.to_lowercase(), values);
        }
    }

    /// Sets a key if there is a value.
    pub(super) fn set_some(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.set(key, value);
        }
    }

    /// The values of a key. None if the request does not have it.
    pub(super) fn get(&self, key: &str) -> Option<&[String]> {
        self.0.get(&key.to_lowercase()).map(Vec::as_slice)
    }
}
