"""Removes components that are not linked, and paths of the build machine, from a CycloneDX SBOM.

    sbom.py SBOM LINKED

LINKED is the output of `cargo tree --prefix none`. cargo-cyclonedx uses `cargo metadata`, which also lists crates
that no enabled feature needs. Vulnerability scanners would report these crates although they are not linked.
"""

import json
import re
import sys


def main(path, linked_path):
    with open(path) as file:
        text = file.read()
    text = re.sub(r'path\+file://[^"#]*#', "path+tempcred#", text)
    text = re.sub(r'\?download_url=file://[^"#]*', "", text)
    sbom = json.loads(text)
    with open(linked_path) as file:
        linked = {tuple(line.split()[:2]) for line in file if line.strip()}

    def is_linked(component):
        return (component["name"], "v" + component["version"]) in linked

    gone = {each["bom-ref"] for each in sbom["components"] if not is_linked(each)}
    sbom["components"] = [each for each in sbom["components"] if each["bom-ref"] not in gone]
    sbom["dependencies"] = [each for each in sbom["dependencies"] if each["ref"] not in gone]
    for each in sbom["dependencies"]:
        if "dependsOn" in each:
            each["dependsOn"] = [ref for ref in each["dependsOn"] if ref not in gone]
    json.dump(sbom, sys.stdout, indent=2)
    print()


main(*sys.argv[1:])
