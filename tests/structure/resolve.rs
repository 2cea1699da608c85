//! Which module declares what a path names.

use std::collections::BTreeSet;

use crate::tree::{GLOB, Module, Names, Tree};

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// This name, declared by this module.
    Item(Names, String),
    /// A module of ours.
    Module(Names),
    /// Something of another crate, or of a function.
    Outside,
}

/// Imports that have been followed: some go in a circle.
type Followed = BTreeSet<(Names, String, Names)>;

impl Tree {
    /// What a path in this module names.
    pub fn resolve(&self, here: &[String], path: &[String]) -> Found {
        self.begin(here, path, true, &mut Followed::new()).unwrap_or(Found::Outside)
    }

    /// `guess`: take an unknown name for one of the module where it should be. A macro may have made it.
    fn begin(
        &self,
        here: &[String],
        path: &[String],
        guess: bool,
        followed: &mut Followed,
    ) -> Option<Found> {
        let (head, rest) = path.split_first()?;
        match head.as_str() {
            "crate" => self.find(&here[..1], rest, guess, followed),
            "self" | "super" => self.find(here, path, guess, followed),
            // `::name`: a crate.
            "" => self.of_crate(rest, guess, followed),
            _ => {
                // Only asked: what is followed on the way may be followed again.
                match self.find(here, &path[..1], false, &mut followed.clone()) {
                    Some(Found::Outside) => Some(Found::Outside),
                    Some(_) => self.find(here, path, guess, followed),
                    None => self.of_crate(path, guess, followed),
                }
            }
        }
    }

    fn of_crate(&self, path: &[String], guess: bool, followed: &mut Followed) -> Option<Found> {
        let (name, rest) = path.split_first()?;
        let root = std::slice::from_ref(name);
        if !self.0.contains_key(root) {
            return Some(Found::Outside);
        }
        self.find(root, rest, guess, followed)
    }

    /// What a path names that begins in a module.
    fn find(
        &self,
        here: &[String],
        path: &[String],
        guess: bool,
        followed: &mut Followed,
    ) -> Option<Found> {
        let Some((name, rest)) = path.split_first() else {
            return Some(Found::Module(here.to_vec()));
        };
        match name.as_str() {
            "self" => return self.find(here, rest, guess, followed),
            "super" => {
                let (_, parent) = here.split_last()?;
                return self.find(parent, rest, guess, followed);
            }
            _ => {}
        }
        let module = self.0.get(here)?;
        let child = [here, std::slice::from_ref(name)].concat();
        // A function may be called like a module: only the module goes on.
        if !rest.is_empty() && self.0.contains_key(&child) {
            return self.find(&child, rest, guess, followed);
        }
        if module.items.contains(name) {
            return Some(Found::Item(here.to_vec(), name.clone()));
        }
        if let Some(found) = self.imported(here, module, path, followed) {
            return Some(found);
        }
        if self.0.contains_key(&child) {
            return Some(Found::Module(child));
        }
        if !guess {
            return None;
        }
        // A macro may have re-exported it.
        let mut below = self.0.iter().filter(|(names, module)| {
            names.len() == here.len() + 1 && names.starts_with(here) && module.items.contains(name)
        });
        let declares = below.next().map_or(here, |(names, _)| names);
        Some(Found::Item(declares.to_vec(), name.clone()))
    }

    /// What a path names whose first name the module imports.
    fn imported(
        &self,
        here: &[String],
        module: &Module,
        path: &[String],
        followed: &mut Followed,
    ) -> Option<Found> {
        let (name, rest) = path.split_first()?;
        for import in module.uses.iter().filter(|import| import.name == *name) {
            if followed.insert((here.to_vec(), name.clone(), import.path.clone())) {
                let path = [&import.path[..], rest].concat();
                return self.begin(here, &path, true, followed);
            }
        }
        for import in module.uses.iter().filter(|import| import.name == GLOB) {
            let is_new = followed.insert((here.to_vec(), name.clone(), import.path.clone()));
            if is_new
                && let Some(Found::Module(from)) = self.begin(here, &import.path, false, followed)
                && let Some(found) = self.find(&from, path, false, followed)
            {
                return Some(found);
            }
        }
        None
    }
}
