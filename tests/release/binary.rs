//! The binary: static, and without a trace of the machine that built it.

use std::fs;
use std::process::Command;

use crate::bundle::{output, workspace};
use crate::unpacked::image;

#[test]
fn it_is_static() {
    let binary = image().root.join("tempcred");
    let headers =
        output(Command::new("readelf").args(["--wide", "--program-headers"]).arg(&binary));
    assert!(headers.contains("LOAD") && !headers.contains("INTERP"), "{headers}");
    // It has a dynamic section, because it relocates itself to a random address, but needs no library.
    let dynamic = output(Command::new("readelf").args(["--wide", "--dynamic"]).arg(&binary));
    assert!(!dynamic.contains("(NEEDED)"), "{dynamic}");
    assert!(headers.contains("DYN"), "its address is not random: {headers}");
}

#[test]
fn it_contains_no_path_of_the_build_machine() {
    let binary = fs::read(image().root.join("tempcred")).unwrap();
    let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]));
    for place in [workspace().to_str().unwrap(), &cargo_home(), sysroot.trim()] {
        let at = binary.windows(place.len()).position(|window| window == place.as_bytes());
        let around = at.map(|at| String::from_utf8_lossy(&binary[at..at + place.len() + 80]));
        assert_eq!(around, None);
    }
}

/// The folder with cargo's downloads.
fn cargo_home() -> String {
    std::env::var("CARGO_HOME").unwrap_or_else(|_| std::env::var("HOME").unwrap() + "/.cargo")
}
