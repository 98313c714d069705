# SPDX-License-Identifier: BSD-3-Clause
"""The watched directory: what appears, changes, breaks and goes; addresses; and sluice.conf."""

import os
import signal
import time

import pytest

import harness
import objects
from topology import wait_until

PORTS = [("echo", "TCP", 7000, 9000), ("dgram", "UDP", 7000, 9000)]


def problems(lab, text):
    return [row for row in lab.rows("problems") if text in f"{row}"]


class TestDirectory:
    def test_a_new_file_is_served_within_two_seconds(self, lab):
        started = time.monotonic()
        vip = lab.apply_service("quick", PORTS)[0]
        assert lab.connect_once(vip, 7000)
        assert time.monotonic() - started < 2

    def test_a_removed_file_is_gone(self, lab):
        vip = lab.apply_service("leaving", PORTS)[0]
        lab.remove("leaving")
        wait_until(lambda: not lab.addresses("leaving"), "the Service gone", 3)
        lab.wait_in_force()
        with pytest.raises(OSError):
            lab.connect_once(vip, 7000, timeout=0.5)

    def test_a_broken_file_leaves_all_else_as_it_was(self, lab):
        vip = lab.apply_service("sound", PORTS)[0]
        lab.write("broken", "apiVersion: v1\nkind: Service\nmetadata: {name: broken\nspec: [\n")
        row = wait_until(lambda: problems(lab, "broken.yaml"), "the problem shown", 3)[0]
        assert f"{lab.manifests}/broken.yaml:" in row["where"]
        assert lab.connect_once(vip, 7000)
        lab.remove("broken")
        wait_until(lambda: not problems(lab, "broken.yaml"), "the problem gone", 3)

    def test_breaking_a_good_file_keeps_what_it_said(self, lab):
        vip = lab.apply_service("spoilt", PORTS)[0]
        good = (lab.manifests / "spoilt.yaml").read_text()
        lab.write("spoilt", good + "\n---\n  : : [\n")
        wait_until(lambda: problems(lab, "spoilt.yaml"), "the problem shown", 3)
        assert lab.connect_once(vip, 7000)
        lab.write("spoilt", good)
        wait_until(lambda: not problems(lab, "spoilt.yaml"), "mended", 3)

    def test_a_bad_object_is_quarantined_alone(self, lab):
        good = objects.service("good-one", PORTS)
        bad = objects.service("bad-one", PORTS)
        bad["spec"]["ports"][0]["port"] = 99999
        lab.apply("mixed", bad, good)
        lab.wait_service("good-one")
        row = wait_until(lambda: problems(lab, "bad-one"), "the problem shown", 3)[0]
        assert "mixed.yaml:" in row["where"] and "99999" in row["text"]

    def test_a_half_written_file_is_taken_when_it_is_whole(self, lab):
        """Written in place, piece by piece, as an editor or a copy does."""
        text = objects.as_yaml(objects.service("slowly", PORTS), objects.endpoint_slice(
            "slowly", "IPv4", [("echo", "TCP", 9000), ("dgram", "UDP", 9000)], lab.endpoints()))
        with open(lab.manifests / "slowly.yaml", "w") as stream:
            for at in range(0, len(text), 100):
                stream.write(text[at:at + 100])
                stream.flush()
        assert lab.connect_once(lab.wait_service("slowly")[0], 7000)

    def test_files_of_no_concern(self, lab):
        """Other kinds, other names and hidden files are no problem."""
        lab.write("deployment", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: other}\n"
                                "spec: {replicas: 3}\n")
        (lab.manifests / "notes.txt").write_text("not YAML at all: [")
        (lab.manifests / ".hidden.yaml").write_text("neither: [")
        vip = lab.apply_service("after-those", PORTS)[0]
        assert lab.connect_once(vip, 7000)
        assert not [row for row in lab.rows("problems")
                    if "notes.txt" in f"{row}" or ".hidden" in f"{row}" or "deployment" in f"{row}"]

    def test_the_same_object_twice(self, lab):
        """In two files: one wins, the other is a problem until the first goes."""
        lab.apply_service("aaa", PORTS)
        service = objects.service("twice", PORTS)
        slices = objects.endpoint_slice(
            "twice", "IPv4", [("echo", "TCP", 9000), ("dgram", "UDP", 9000)], lab.endpoints())
        lab.apply("one", service, slices)
        lab.wait_service("twice")
        lab.apply("two", service)
        assert wait_until(lambda: problems(lab, "twice"), "the problem shown", 3)
        lab.remove("two")
        wait_until(lambda: not problems(lab, "twice"), "the problem gone", 3)

    def test_a_named_target_port(self, lab):
        vip = lab.apply_service("by-name", [("echo", "TCP", 7000, 9000)])[0]
        assert lab.connect_once(vip, 7000)
        text = (lab.manifests / "by-name.yaml").read_text().replace("targetPort: 9000",
                                                                     "targetPort: echo-port")
        lab.write("by-name", text)
        lab.wait_in_force()
        assert lab.connect_once(vip, 7000)

    def test_many_at_once(self, lab):
        for number in range(30):
            lab.apply_service(f"many{number}", [("echo", "TCP", 8000 + number, 9000)], wait=False,
                              annotations={"metallb.io/allow-shared-ip": "many"},
                              loadBalancerIP=harness.wan(120))
        for number in range(30):
            assert lab.wait_service(f"many{number}") == [harness.wan(120)]
        for number in (0, 15, 29):
            assert lab.connect_once(harness.wan(120), 8000 + number)


class TestAddresses:
    def test_a_requested_address_is_honoured(self, lab):
        assert lab.apply_service("wish", PORTS, loadBalancerIP=harness.wan(130)) == [harness.wan(130)]
        assert lab.apply_service(
            "wish-too", PORTS, annotations={"metallb.io/loadBalancerIPs": harness.wan(131)}
        ) == [harness.wan(131)]

    def test_one_outside_the_pools_is_a_problem(self, lab):
        lab.apply_service("outside", PORTS, wait=False, loadBalancerIP="203.0.113.9")
        row = wait_until(lambda: problems(lab, "outside"), "the problem shown", 3)[0]
        assert "203.0.113.9" in row["text"]
        assert not lab.addresses("outside")

    def test_shared_by_different_ports(self, lab):
        shared = {"metallb.io/allow-shared-ip": "key"}
        for name, port in (("share-a", 7000), ("share-b", 7001)):
            lab.apply_service(name, [("echo", "TCP", port, 9000)], annotations=shared,
                              loadBalancerIP=harness.wan(132), wait=False)
        for name, port in (("share-a", 7000), ("share-b", 7001)):
            assert lab.wait_service(name) == [harness.wan(132)]
            assert lab.connect_once(harness.wan(132), port)

    def test_sticky_over_restarts(self, make_lab):
        """The addresses stay, whatever the order in which Services come back."""
        lab = make_lab()
        names = ["m", "c", "z", "a"]
        before = {name: lab.apply_service(name, PORTS)[0] for name in names}
        assert len(set(before.values())) == len(names)
        lab.box.kill("sluice-controlplane", signal.SIGKILL)
        files = {path.name: path.read_text() for path in lab.manifests.glob("*.yaml")}
        for name in files:
            (lab.manifests / name).unlink()
        lab.box.start("sluice-controlplane")
        lab.box.wait_answers()
        for name in sorted(files, reverse=True):
            (lab.manifests / name).write_text(files[name])
        assert {name: lab.wait_service(name)[0] for name in names} == before


class TestWrongSettings:
    """The error names file, line, key and what was expected, and the running one stays."""

    def check(self, lab, program, text):
        wrong = lab.net.dir / "wrong.conf"
        wrong.write_text(text)
        done = lab.net.box.run(lab.box.program(program), "--config", wrong, check=False, timeout=20)
        return done, wrong

    @pytest.mark.parametrize("program", ("sluice-dataplane", "sluice-controlplane"))
    def test_refused_with_file_line_and_key(self, lab, program):
        vip = lab.apply_service(f"running-{program}", PORTS)[0]
        lines = lab.box.config.read_text().split("\n")
        at = next(number for number, line in enumerate(lines, 1) if "idle" in line)
        lines[at - 1] = '\tidle = "sometimes";'
        done, wrong = self.check(lab, program, "\n".join(lines))
        assert done.returncode != 0
        said = done.stderr + done.stdout
        assert f"{wrong}:{at}:" in said and "idle" in said
        assert '"sometimes"' in said and '"adaptive"' in said
        assert lab.connect_once(vip, 7000)

    def test_every_mistake_is_told(self, lab):
        text = lab.box.config.read_text()
        done, _ = self.check(
            lab, "sluice-controlplane",
            text.replace('"full-nat"', '"half-nat"') + "colour = \"blue\";\n")
        said = done.stderr + done.stdout
        assert "half-nat" in said and "colour" in said

    def test_a_syntax_error(self, lab):
        done, wrong = self.check(lab, "sluice-dataplane", "dataplane = {\n\tworkers = ;\n};\n")
        assert done.returncode != 0 and f"{wrong}:2:" in done.stderr + done.stdout

    def test_a_running_control_plane_keeps_its_settings(self, make_lab):
        """SIGHUP reads the file again; a wrong one changes nothing."""
        lab = make_lab()
        vip = lab.apply_service("kept", PORTS)[0]
        good = lab.box.config.read_text()
        lab.box.config.write_text(good.replace('"full-nat"', '"half-nat"'))
        os.kill(lab.box.processes["sluice-controlplane"].pid, signal.SIGHUP)
        wait_until(lambda: problems(lab, "half-nat"), "the mistake among the problems", 3)
        assert lab.addresses("kept") == [vip]
        assert lab.connect_once(vip, 7000)
        lab.box.config.write_text(good.replace('"full-nat"', '"dnat"'))
        os.kill(lab.box.processes["sluice-controlplane"].pid, signal.SIGHUP)
        wait_until(lambda: lab.connect_once(vip, 7000)[1] == harness.wan(10), "the new mode", 5)
