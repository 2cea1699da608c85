"""Takes out of a CycloneDX list what is not linked, and the paths of this machine.

    sbom.py LIST LINKED

LINKED is what `cargo tree` prints, without its tree. cargo-cyclonedx goes by `cargo metadata`, which also
names crates that no feature in use asks for; scanners would warn of them for nothing.
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
