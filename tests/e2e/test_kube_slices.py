# SPDX-License-Identifier: BSD-3-Clause
"""EndpointSlices of a live cluster in two versions, of which the newer comes, goes, and is away for
a moment."""

import time

import objects
import pytest
from test_kube import apply_service, klab, problems, wait_problem  # noqa: F401: a fixture
from topology import wait_until


@pytest.fixture
def live(klab):  # noqa: F811
    """The lab with its API server in order before and after."""
    yield klab
    api = klab.api
    api.fault, api.slice_versions = None, {"v1"}
    if not api.server:
        api.up()
    wait_until(lambda: not problems(klab, "cluster prod"), "no problem with the cluster", 30)


def asked(lab, version):
    return [query for method, path, query in lab.api.requests
            if path.startswith(f"/apis/discovery.k8s.io/{version}/") and query.get("watch")]


def test_a_newer_version_of_slices_that_comes_and_goes(live):
    """v1beta1 as long as there is no v1, or nobody who serves it."""
    vip = apply_service(live, "versions")
    live.api.slice_versions = {"v1beta1"}
    live.api.compact()
    live.api.break_off()
    wait_until(lambda: asked(live, "v1beta1"), "v1beta1 watched", 40)
    apply_service(live, "versions", pods=list(live.pods)[:1])
    count = len(asked(live, "v1"))
    live.api.slice_versions = {"v1", "v1beta1"}
    wait_until(lambda: len(asked(live, "v1")) > count, "v1 watched", 30)
    assert not problems(live, "cluster prod")
    apply_service(live, "versions", pods=list(live.pods)[:2])
    assert live.connect_once(vip, 7000)
    count = len(asked(live, "v1beta1"))
    live.api.fault = lambda method, path, query: (
        (503, (), '{"message":"the server is currently unable to handle the request"}')
        if path.startswith("/apis/discovery.k8s.io/v1/") else None)
    live.api.break_off()
    wait_until(lambda: len(asked(live, "v1beta1")) > count, "v1beta1 again", 40)
    apply_service(live, "versions", pods=list(live.pods)[:1])
    assert live.connect_once(vip, 7000)
    # Where there is no other, it is what it is: unavailable, and nothing is taken away.
    live.api.slice_versions = {"v1"}
    live.api.break_off()
    wait_problem(live, "unable to handle the request", 30)
    assert live.connect_once(vip, 7000)
    live.api.fault = None


@pytest.mark.parametrize("times", [1, 3])
def test_a_version_of_slices_that_is_not_there_for_a_moment(live, times):
    """An API server that starts says 404 of what it has not taken up yet."""
    api = live.api
    api.slice_versions = {"v1", "v1beta1"}
    vip = apply_service(live, "moment")
    leaving = list(live.pods)[0]
    api.apply(objects.endpoint_slice("moment", "IPv4", [("echo", "TCP", 9000)], live.endpoints(4, **{
        leaving.replace("-", "_"): {"ready": False, "serving": True, "terminating": True}})))
    wait_until(lambda: live.endpoint_state(vip, leaving) == "draining", "draining")
    older = "/apis/discovery.k8s.io/v1beta1/"
    so_far, refused = len(api.requests), []

    def fault(method, path, query):
        if path.startswith("/apis/discovery.k8s.io/v1/") and len(refused) < times:
            refused.append(path)
            return 404, (), '{"message":"the server could not find the requested resource"}'
        return None
    api.down()
    wait_problem(live, "no connection")
    api.fault = fault
    api.up()
    wait_until(lambda: len(refused) == times, "asked for", 40)
    wait_until(lambda: not problems(live, "cluster prod"), "no problem left", 40)
    assert live.endpoint_state(vip, leaving) == "draining"
    assert not [path for _, path, _ in api.requests[so_far:] if path.startswith(older)]


def test_the_newer_is_found_however_watches_end(live):
    """What is asked from time to time is asked although that time passed between two watches."""
    api = live.api
    apply_service(live, "between")
    count = len(asked(live, "v1beta1"))
    api.slice_versions = {"v1beta1"}
    api.compact()
    api.break_off()
    wait_until(lambda: len(asked(live, "v1beta1")) > count, "v1beta1 watched", 40)

    def slow(method, path, query):
        if "/v1beta1/" in path and query.get("watch"):
            time.sleep(12)  # longer than the watch before it, of 5 s
    api.fault = slow
    count = len(asked(live, "v1"))
    api.slice_versions = {"v1", "v1beta1"}
    # A watch, the wait for the next, and with it the question.
    wait_until(lambda: len(asked(live, "v1")) > count, "v1 watched", 60)
