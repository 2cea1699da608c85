//! Which file imports which.

use std::collections::{BTreeMap, BTreeSet};

use crate::Sources;
use crate::resolve::Found;
use crate::tree::{GLOB, Module, Names, Tree, Use};

/// The names that a file imports from another: importer, imported, names.
pub type Imports = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// All imports between the files of these sources.
///
/// * A name counts for the file that declares it, whatever it was re-exported by.
/// * A module that re-exports what its children declare does not import it, unless its own code uses it:
///   so `mod.rs` with nothing but `mod` and `pub use` imports nothing.
/// * To import a module is to import what is then taken from it.
pub fn imports(sources: &Sources) -> Imports {
    let tree = Tree::read(sources);
    let mut imports = Imports::new();
    for (here, module) in &tree.0 {
        let mut note = |from: &Names, name: &str| {
            let from = &tree.0[from].file;
            if *from != module.file {
                let to = imports.entry(module.file.clone()).or_default();
                to.entry(from.clone()).or_default().insert(name.to_owned());
            }
        };
        for import in &module.uses {
            match tree.resolve(here, &import.path) {
                Found::Outside => {}
                Found::Module(from) if import.name == GLOB => {
                    for (from, name) in all_of(&tree, &from) {
                        note(&from, &name);
                    }
                }
                // Of an enum.
                Found::Item(from, name) if import.name == GLOB => note(&from, &name),
                Found::Item(from, name) => {
                    if !is_facade(here, module, import, &from) {
                        note(&from, &name);
                    }
                }
                Found::Module(from) => {
                    let is_path = |path: &Names| path[0] == import.name;
                    let is_taken_from = module.paths.iter().any(is_path);
                    if !is_taken_from && !is_facade(here, module, import, &from) {
                        note(&from, &import.name);
                    }
                }
            }
        }
        for path in &module.paths {
            if let Found::Item(from, name) = tree.resolve(here, path) {
                note(&from, &name);
            }
        }
    }
    imports
}

/// Whether an import only makes something of a child visible to others.
fn is_facade(here: &Names, module: &Module, import: &Use, from: &Names) -> bool {
    let is_below = from.len() > here.len() && from.starts_with(here);
    import.is_reexport && is_below && !module.heads.contains(&import.name)
}

/// What a glob takes from a module.
fn all_of(tree: &Tree, from: &Names) -> Vec<(Names, String)> {
    let module = &tree.0[from];
    let own = (!module.items.is_empty()).then(|| (from.clone(), GLOB.to_owned()));
    let passed_on = module.uses.iter().filter(|import| import.is_reexport).filter_map(|import| {
        match tree.resolve(from, &import.path) {
            Found::Item(from, name) => Some((from, name)),
            Found::Module(_) | Found::Outside => None,
        }
    });
    own.into_iter().chain(passed_on).collect()
}
