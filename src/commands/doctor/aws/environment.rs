//! The variables that the AWS SDK reads. Those that contain secret values are not read.

/// Reads a variable.
type Read = dyn Fn(&str) -> Option<String>;

/// The variables of this process.
pub struct Environment(Box<Read>);

impl Environment {
    /// Those of this process.
    pub fn of_process() -> Self {
        Self(Box::new(|name| std::env::var(name).ok()))
    }

    /// The value of a variable that is set and not empty.
    pub fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.is_empty())
    }

    /// The first of these variables that is set.
    pub fn first(&self, names: &[&'static str]) -> Option<(&'static str, String)> {
        names.iter().find_map(|name| Some((*name, self.get(name)?)))
    }

    #[cfg(test)]
    pub fn of(variables: &[(&str, &str)]) -> Self {
        let all: std::collections::BTreeMap<String, String> =
            variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Self(Box::new(move |name| all.get(name).cloned()))
    }
}
