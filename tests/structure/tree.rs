//! The modules of the crates, with what each declares and mentions. Code for tests is left out.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Attribute, Item, Meta, Token, UseTree};

use crate::Sources;

/// A path in the source, `crate::text::one_line`, or the path of a module, its crate first.
pub type Names = Vec<String>;

/// What a glob import is called.
pub const GLOB: &str = "*";

/// A module: a file, or a part of one.
#[derive(Default)]
pub struct Module {
    /// Where it is.
    pub file: String,
    /// What it declares, child modules aside.
    pub items: BTreeSet<String>,
    /// Its imports, those within functions too.
    pub uses: Vec<Use>,
    /// The paths that its code mentions, of two names or more.
    pub paths: BTreeSet<Names>,
    /// The first names of all paths that its code mentions.
    pub heads: BTreeSet<String>,
}

/// An import of one name.
pub struct Use {
    /// What it is called here, or [`GLOB`].
    pub name: String,
    /// What is imported, or for a glob, from where.
    pub path: Names,
    /// Whether it is visible to others: `pub use`, `pub(crate) use`.
    pub is_reexport: bool,
}

/// All modules.
pub struct Tree(pub BTreeMap<Names, Module>);

impl Tree {
    /// Reads the sources.
    pub fn read(sources: &Sources) -> Self {
        let mut modules = BTreeMap::new();
        let mut of_tests = vec![];
        for (path, text) in sources.iter().filter(|(path, _)| !path.ends_with("/tests.rs")) {
            let file = syn::parse_file(text).unwrap_or_else(|e| panic!("{path}: {e}"));
            let here = module_of(path);
            let module = Module { file: path.clone(), ..Module::default() };
            modules.insert(here.clone(), module);
            let mut reader =
                Reader { modules: &mut modules, of_tests: &mut of_tests, here, block: 0 };
            reader.visit_file(&file);
        }
        modules.retain(|module, _| !of_tests.iter().any(|test| module.starts_with(test)));
        Self(modules)
    }
}

/// The module that a file is.
fn module_of(path: &str) -> Names {
    let (name, inside) = match path.strip_prefix("core/src/") {
        Some(inside) => ("tempcred_core", inside),
        // A crate of its own, which uses the library like any other.
        None if path == "src/main.rs" => ("main", "mod"),
        None => ("tempcred", path.trim_start_matches("src/")),
    };
    let mut names = vec![name.to_owned()];
    names.extend(inside.trim_end_matches(".rs").split('/').map(str::to_owned));
    if names.last().is_some_and(|last| last == "mod") || names[1..] == ["lib"] {
        names.pop();
    }
    names
}

/// Records what a file declares and mentions.
struct Reader<'a> {
    modules: &'a mut BTreeMap<Names, Module>,
    /// Modules that only tests have.
    of_tests: &'a mut Vec<Names>,
    /// The module that is read.
    here: Names,
    /// How many blocks are around the current item: their declarations are local.
    block: usize,
}

impl Reader<'_> {
    fn module(&mut self) -> &mut Module {
        self.modules.entry(self.here.clone()).or_default()
    }

    fn mention(&mut self, path: Names) {
        let module = self.module();
        module.heads.insert(path[0].clone());
        if path.len() > 1 {
            module.paths.insert(path);
        }
    }

    fn import(&mut self, tree: &UseTree, mut path: Names, is_reexport: bool) {
        let (last, name) = match tree {
            UseTree::Group(group) => {
                for item in &group.items {
                    self.import(item, path.clone(), is_reexport);
                }
                return;
            }
            UseTree::Path(inner) => {
                path.push(inner.ident.to_string());
                return self.import(&inner.tree, path, is_reexport);
            }
            UseTree::Name(inner) => (inner.ident.to_string(), inner.ident.to_string()),
            UseTree::Rename(inner) => (inner.ident.to_string(), inner.rename.to_string()),
            UseTree::Glob(_) => (GLOB.to_owned(), GLOB.to_owned()),
        };
        let name = match (name.as_str(), path.last()) {
            ("self", Some(module)) => module.clone(),
            _ => name,
        };
        if last != GLOB && last != "self" {
            path.push(last);
        }
        self.module().uses.push(Use { name, path, is_reexport });
    }

    /// The paths among the tokens of a macro. `only_ours` leaves those which begin with `crate`: what a
    /// macro is defined with means something only where it is used.
    fn tokens(&mut self, tokens: TokenStream, only_ours: bool) {
        let mut path: Names = vec![];
        // How many colons follow the last name.
        let mut colons = 0;
        for token in tokens {
            match &token {
                TokenTree::Punct(punct)
                    if punct.as_char() == ':' && !path.is_empty() && colons < 2 =>
                {
                    colons += 1;
                    continue;
                }
                TokenTree::Ident(ident) if colons == 2 => {
                    path.push(ident.to_string());
                    colons = 0;
                    continue;
                }
                _ => {}
            }
            self.token_path(std::mem::take(&mut path), only_ours);
            colons = 0;
            match token {
                TokenTree::Ident(ident) => path = vec![ident.to_string()],
                TokenTree::Group(group) => self.tokens(group.stream(), only_ours),
                TokenTree::Literal(_) | TokenTree::Punct(_) => {}
            }
        }
        self.token_path(path, only_ours);
    }

    /// A name alone is too often no path: a field, a word of the macro's own language.
    fn token_path(&mut self, path: Names, only_ours: bool) {
        let is_ours = ["crate", "tempcred_core", "tempcred"];
        if path.len() > 1 && (!only_ours || is_ours.contains(&path[0].as_str())) {
            self.mention(path);
        }
    }

    /// A path in a string, as in `#[serde(with = "crate::text")]`.
    fn text(&mut self, text: &str) {
        if let Ok(path) = syn::parse_str::<syn::Path>(text) {
            self.visit_path(&path);
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let (attributes, name) = parts(item);
        if attributes.iter().any(is_for_tests) {
            if let Item::Mod(module) = item {
                let name = module.ident.to_string();
                self.of_tests.push([&self.here[..], &[name]].concat());
            }
            return;
        }
        if let Some(name) = name.filter(|_| self.block == 0) {
            self.module().items.insert(name.to_string());
        }
        visit::visit_item(self, item);
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        let Some((_, items)) = &module.content else { return };
        let file = self.module().file.clone();
        self.here.push(module.ident.to_string());
        self.module().file = file;
        items.iter().for_each(|item| self.visit_item(item));
        self.here.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let path = item.leading_colon.map(|_| String::new()).into_iter().collect();
        let is_reexport = !matches!(item.vis, syn::Visibility::Inherited);
        self.import(&item.tree, path, is_reexport);
    }

    fn visit_item_macro(&mut self, item: &'ast syn::ItemMacro) {
        match item.ident {
            Some(_) => self.tokens(item.mac.tokens.clone(), true),
            None => self.visit_macro(&item.mac),
        }
    }

    fn visit_macro(&mut self, mac: &'ast syn::Macro) {
        self.visit_path(&mac.path);
        self.tokens(mac.tokens.clone(), false);
    }

    fn visit_impl_item(&mut self, item: &'ast syn::ImplItem) {
        let attributes = match item {
            syn::ImplItem::Const(item) => &item.attrs,
            syn::ImplItem::Fn(item) => &item.attrs,
            syn::ImplItem::Type(item) => &item.attrs,
            _ => return visit::visit_impl_item(self, item),
        };
        if !attributes.iter().any(is_for_tests) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_block(&mut self, block: &'ast syn::Block) {
        self.block += 1;
        visit::visit_block(self, block);
        self.block -= 1;
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let mut names: Names = path.leading_colon.map(|_| String::new()).into_iter().collect();
        names.extend(path.segments.iter().map(|segment| segment.ident.to_string()));
        self.mention(names);
        visit::visit_path(self, path);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        match &attribute.meta {
            Meta::List(list) => {
                self.tokens(list.tokens.clone(), false);
                for text in strings(list.tokens.clone()) {
                    self.text(&text);
                }
            }
            Meta::NameValue(_) | Meta::Path(_) => {}
        }
    }

    /// `pub(in crate::grant)` imports nothing.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}
}

/// The strings among tokens.
fn strings(tokens: TokenStream) -> Vec<String> {
    let of = |token| match token {
        TokenTree::Group(group) => strings(group.stream()),
        TokenTree::Literal(literal) => syn::parse_str::<syn::LitStr>(&literal.to_string())
            .iter()
            .map(syn::LitStr::value)
            .collect(),
        TokenTree::Ident(_) | TokenTree::Punct(_) => vec![],
    };
    tokens.into_iter().flat_map(of).collect()
}

/// The attributes of an item, and the name that it declares.
fn parts(item: &Item) -> (&[Attribute], Option<&syn::Ident>) {
    match item {
        Item::Const(item) => (&item.attrs, Some(&item.ident)),
        Item::Enum(item) => (&item.attrs, Some(&item.ident)),
        Item::Fn(item) => (&item.attrs, Some(&item.sig.ident)),
        Item::Impl(item) => (&item.attrs, None),
        Item::Macro(item) => (&item.attrs, item.ident.as_ref()),
        // A child module, which is no item here.
        Item::Mod(item) => (&item.attrs, None),
        Item::Static(item) => (&item.attrs, Some(&item.ident)),
        Item::Struct(item) => (&item.attrs, Some(&item.ident)),
        Item::Trait(item) => (&item.attrs, Some(&item.ident)),
        Item::Type(item) => (&item.attrs, Some(&item.ident)),
        Item::Use(item) => (&item.attrs, None),
        _ => (&[], None),
    }
}

/// Whether an attribute is `#[cfg(test)]`, or asks for that and more.
fn is_for_tests(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg")
        && attribute.parse_args::<Meta>().is_ok_and(|predicate| asks_for_tests(&predicate))
}

fn asks_for_tests(predicate: &Meta) -> bool {
    let Meta::List(list) = predicate else { return predicate.path().is_ident("test") };
    let parts = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
    let mut parts = parts.iter().flatten();
    (list.path.is_ident("all") && parts.any(asks_for_tests))
        || (list.path.is_ident("any") && parts.all(asks_for_tests))
}
