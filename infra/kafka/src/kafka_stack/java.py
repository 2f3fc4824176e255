"""The programs that this stack needs of the machine: Java, and Maven to fetch what Java runs."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

from signalbox.protocol.errors import ConfigurationError

OLDEST_JAVA: Final = 17

_INSTALL: Final = (
    f"STACK=kafka needs Java {OLDEST_JAVA} or newer and Maven.\n"
    f"  Debian, Ubuntu: apt install openjdk-{OLDEST_JAVA}-jre-headless maven\n"
    "  Fedora:         dnf install java-latest-openjdk-headless maven\n"
    "  macOS:          brew install openjdk maven\n"
    "JAVA_HOME chooses a Java. `make up` without STACK needs neither."
)


def find_java() -> str:
    """Return the Java to use: that of ``JAVA_HOME``, else the one on the path.

    Raises:
        ConfigurationError: there is none, or it is too old.
    """
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else "java"
    if shutil.which(java) is None:
        raise ConfigurationError(f"Java was not found ({java}).\n{_INSTALL}")
    version = java_version(java)
    if version < OLDEST_JAVA:
        raise ConfigurationError(f"{java} is Java {version or 'of an unknown version'}.\n{_INSTALL}")
    return java


def find_maven() -> str:
    """Return the command that runs Maven.

    Raises:
        ConfigurationError: there is none.
    """
    if maven := shutil.which("mvn"):
        return maven
    raise ConfigurationError(f"Maven was not found (mvn).\n{_INSTALL}")


def java_version(java: str) -> int:
    """Ask a Java for its feature version (17, 21 …); 0 when it does not say."""
    try:
        answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    said = re.search(r'version "(?:1\.)?(\d+)', answer.stderr + answer.stdout)
    return int(said.group(1)) if said else 0
