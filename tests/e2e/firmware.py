# SPDX-License-Identifier: BSD-3-Clause
"""A rauc and a systemctl of two slots, as programs on the PATH of a lab's control plane."""

import json
import os

RAUC = r"""#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
set -eu
cd "$(dirname "$0")"
echo "rauc $*" >>calls
case "$1 ${2:-}" in
"status mark-active") sed 's/rootfs\.1",$/rootfs.X",/; s/"boot_primary": "rootfs.0"/"boot_primary": "rootfs.1"/' \
	slots >slots.new; mv slots.new slots; echo "rauc status: marked slot rootfs.1 as active" ;;
status*) cat slots ;;
install*)
	printf 'installing\n  0%% Installing\n 20%% Checking bundle\n'
	if grep -q foreign "$2"; then
		printf 'LastError: signature verification failed: self-signed certificate\n' >&2
		printf 'Installing `%s` failed\nidle\n' "$2"
		exit 1
	fi
	read -r go <go # until the test says so
	printf ' 40%% Copying image to rootfs.1\n 99%% Updating slots done.\n100%% Installing done.\nidle\n'
	printf 'Installing `%s` succeeded\n' "$2"
	sed 's/"boot_primary": "rootfs.0"/"boot_primary": "rootfs.1"/; s/"boot_status": "bad"/"boot_status": "good"/
		s/"slot_status": {}/"slot_status": {"bundle": {"version": "0.2.0"}, "installed": {"timestamp": "2026-11-27T08:00:00Z"}}/' \
		slots >slots.new; mv slots.new slots ;;
esac
"""

SYSTEMCTL = r"""#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
set -eu
cd "$(dirname "$0")"
if [ -e refuse ]; then echo "Access denied" >&2; exit 1; fi
echo "systemctl $*" >>calls
"""


def slot(name, bootname, state, boot_status, **more):
    return {name: {"class": "rootfs", "device": "/dev/none", "type": "raw", "bootname": bootname,
                   "state": state, "parent": None, "mountpoint": None, "boot_status": boot_status,
                   "slot_status": more}}


class Firmware:
    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        for name, text in (("rauc", RAUC), ("systemctl", SYSTEMCTL)):
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)
        os.mkfifo(folder / "go")
        self.set_slots("bad")

    def set_slots(self, other):
        (self.folder / "slots").write_text(json.dumps({
            "compatible": "sluice", "variant": "", "booted": "A", "boot_primary": "rootfs.0",
            "slots": [slot("rootfs.0", "A", "booted", "good", bundle={"version": "0.1.0"}),
                      slot("rootfs.1", "B", "inactive", other),
                      {"boot.0": {"class": "boot", "bootname": None, "state": "active",
                                  "parent": "rootfs.0"}}]}))

    def go(self):
        """An install that waits goes on."""
        (self.folder / "go").write_text("\n")

    def calls(self):
        try:
            return (self.folder / "calls").read_text().splitlines()
        except FileNotFoundError:
            return []

    def clear(self):
        (self.folder / "calls").unlink(missing_ok=True)
        (self.folder / "refuse").unlink(missing_ok=True)
        self.set_slots("bad")
