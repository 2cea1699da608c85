//! The control plane that tests share.

use std::sync::OnceLock;

use rig::Rig;

use crate::bundle::{bundle, workspace};

/// A control plane with the chart.
pub fn rig() -> &'static Rig {
    static STARTED: OnceLock<Rig> = OnceLock::new();
    STARTED.get_or_init(|| {
        // Built before the control plane starts, which would be idle for minutes otherwise.
        bundle();
        let rig = Rig::start().unwrap();
        rig.install(workspace()).unwrap();
        rig
    })
}
