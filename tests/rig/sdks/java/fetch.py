"""Downloads the files of a list into a folder: usage: fetch.py LIST FOLDER

Each line of the list has the Maven coordinates of a file and its SHA-256.
"""

import hashlib
import pathlib
import sys

from maven_artifact.main import main as maven_artifact


def download(coordinates, target):
    # Its command knows the address of Maven Central.
    sys.argv = ["maven-artifact", coordinates, str(target)]
    try:
        maven_artifact()
    except SystemExit as end:
        if end.code:
            sys.exit(f"cannot download {coordinates} from Maven Central")


list_, folder = map(pathlib.Path, sys.argv[1:])
folder.mkdir(exist_ok=True)
for line in list_.read_text().splitlines():
    if not line or line.startswith("#"):
        continue
    coordinates, expected = line.split()
    _, artifact, version = coordinates.split(":")
    target = folder / f"{artifact}-{version}.jar"
    download(coordinates, target)
    found = hashlib.sha256(target.read_bytes()).hexdigest()
    if found != expected:
        sys.exit(f"{coordinates} has the SHA-256 {found}, not {expected}")
