//! Attacks of tenants against each other and against the operator, and what prevents them. Each attack is
//! carried out by the ServiceAccount of a tenant, against an operator that serves victim and attacker.

mod attack;
mod scene;

mod arns;
mod chains;
mod constraints;
mod forgery;
mod forgery_at_rest;
mod grants;
mod hops;
mod lost_grants;
mod races;
mod references;
mod regions;
mod revocation;
mod rights;
mod secrets;
mod size;
mod tokens;

use scene::Scene;
use serde_json::{Value, json};

/// Specs with their names.
pub type Specs = Vec<(&'static str, Value)>;

/// The specs of attacks by resources, and by grants. Some are rejected by the API server, some by the operator.
pub fn specs() -> (Specs, Specs) {
    let victim = "victim";
    let rows = [
        arns::rows(),
        references::rows(victim),
        hops::rows(),
        constraints::rows(victim),
        secrets::rows(),
    ];
    let named = |attack: attack::Attack| (attack.name, attack.spec);
    let regions = regions::mismatches().into_iter();
    let regions = regions.map(|(name, spec)| (name, regions::in_region(spec, "cn-north-1")));
    let resources = rows.into_iter().flatten().map(named).chain(regions).collect();
    (resources, grants::rows().into_iter().map(named).collect())
}

#[tokio::test]
async fn no_resource_reaches_beyond_its_grant_or_its_namespace() {
    let session = json!({"session": {"externalId": "{{ namespace }}/{{ name }}"}});
    let scene = Scene::new(session, &[]).await;
    let foreign = secrets::create_foreign(&scene.attacker).await;
    let tables = [
        arns::rows(),
        references::rows(&scene.victim.namespace),
        hops::rows(),
        secrets::rows(),
        size::rows(),
    ];
    scene.withstands(tables.into_iter().flatten().collect()).await;
    secrets::assert_untouched(&scene, &foreign).await;
    secrets::assert_immutable(&scene).await;
}

#[test]
fn there_are_at_least_forty_attacks_with_different_names() {
    let victim = "victim";
    let tables = [
        arns::rows(),
        references::rows(victim),
        hops::rows(),
        constraints::rows(victim),
        secrets::rows(),
        size::rows(),
        grants::rows(),
    ];
    let mut names: Vec<_> = tables.iter().flatten().map(|attack| attack.name).collect();
    names.extend(rights::rows(victim, "attacker").into_iter().map(|row| row.name));
    names.extend(forgery::rows().into_iter().map(|forgery| forgery.name));
    assert!(names.len() >= 40, "only {}", names.len());
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all, "two attacks of one name");
}
