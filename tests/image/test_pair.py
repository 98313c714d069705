# SPDX-License-Identifier: BSD-3-Clause
"""Two machines that are a pair, as images/vm/run --pair starts them: the one that answers for the VIPs
loses its power, the other one serves; it comes back and stands by. By hand: three starts."""

import types

import ingresses
import pytest
import vm
from test_boot import check_serves


@pytest.mark.by_hand
def test_fails_over(lab, images, tmp_path):
    options = types.SimpleNamespace(pair=True, uefi=False, image=next(images.glob("*.qcow2")))
    machines = []
    try:
        chain = vm.bring_up(options, lab, tmp_path, machines)
        for box in machines:
            box.wait_up()
        check_serves(lab, machines[0], chain)
        other, seconds = vm.fail_over(lab, machines, chain)
        assert seconds < 15 * vm.PATIENCE
        check_serves(lab, other, chain)

        gone = next(box for box in machines if box is not other)
        gone.start(lab.switch)
        gone.wait_up()
        assert vm.owner_of(machines, ingresses.ADDRESSES[0]) is other
        check_serves(lab, other, chain)
    finally:
        for box in machines:
            box.stop()
