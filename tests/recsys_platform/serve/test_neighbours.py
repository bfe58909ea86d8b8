"""An endpoint finds its place next to the applications that a cluster serves, or is refused before it is deployed."""

import dataclasses

import pytest

from recsys_model.errors import ConfigError
from recsys_platform.config.run import build_config, config_to_dict
from recsys_platform.config.serve import ServeConfig
from recsys_platform.serve.address import endpoint_url
from recsys_platform.serve.neighbours import RunningApplication, RunningServe, check_place
from recsys_platform.serve.stage import application_name

OTHER = RunningServe(
    address=("127.0.0.1", 8000), applications=(RunningApplication(name="a", route_prefix="/"),), stopped=("broken",)
)
HERE = ServeConfig(route_prefix="/b")


def test_an_application_with_a_name_and_a_path_of_its_own_is_welcome():
    check_place(HERE, "b", OTHER)
    check_place(ServeConfig(), "b", RunningServe(address=("127.0.0.1", 8000)))


def test_a_path_that_another_one_has_is_refused_with_one_that_is_free():
    with pytest.raises(
        ConfigError, match=r"application 'a' of this cluster answers at / already; .* --set serve\.route_prefix=/b"
    ):
        check_place(ServeConfig(), "b", OTHER)


def test_a_name_that_another_one_has_is_refused():
    with pytest.raises(ConfigError, match=r"an application 'a' runs on this cluster already; .* --set serve\.name="):
        check_place(HERE, "a", OTHER)


def test_what_a_failed_start_left_is_in_nobodys_way():
    check_place(HERE, "broken", OTHER)


@pytest.mark.parametrize("changes", [{"port": 8001}, {"host": "0.0.0.0"}])
def test_another_address_than_that_of_the_cluster_is_refused_at_once(changes):
    with pytest.raises(
        ConfigError, match=r"already runs on this cluster at 127\.0\.0\.1:8000, .*set them to 127\.0\.0\.1 and 8000"
    ):
        check_place(dataclasses.replace(HERE, **changes), "b", OTHER)


def test_names_alone_are_compared_where_ray_does_not_tell_more():
    unknown = RunningServe(address=None, applications=(RunningApplication(name="a", route_prefix=None),))
    check_place(ServeConfig(port=9000), "b", unknown)
    with pytest.raises(ConfigError, match="an application 'a' runs"):
        check_place(ServeConfig(port=9000), "a", unknown)


def test_the_name_is_that_of_the_run_unless_it_is_given():
    table = {"path": "t.csv"}
    run = build_config({"name": "beauty", "input": {"interactions": table, "items": table}})
    assert application_name(run) == "beauty"
    named = build_config(config_to_dict(run) | {"serve": {"name": "shop"}})
    assert application_name(named) == "shop"


def test_the_path_is_a_part_of_the_url():
    assert endpoint_url("0.0.0.0", 8000, "/shop") == "http://127.0.0.1:8000/shop"
    assert endpoint_url("127.0.0.1", 8000, "/") == "http://127.0.0.1:8000"


@pytest.mark.parametrize("path", ["shop", "", "/shop/", "/a b", "/{x}"])
def test_what_is_no_path_is_refused(path):
    with pytest.raises(ConfigError, match=r"serve\.route_prefix must be a path such as / or /shop"):
        ServeConfig(route_prefix=path)


@pytest.mark.parametrize("name", ["", "a b", "a/b"])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(ConfigError, match=r"serve\.name must consist of letters"):
        ServeConfig(name=name)
