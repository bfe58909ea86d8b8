"""The file of keys: what it holds, who may read it, and what is refused."""

import json
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_model.errors import ConfigError
from recsys_platform.cli import main
from recsys_platform.config.serve import ServeConfig
from recsys_platform.serve.gate.access import check_access
from recsys_platform.serve.gate.key_file import read_keys, write_keys
from recsys_platform.serve.gate.keys import digest_of, find_key, new_secret
from recsys_platform.serve.gate.rate_limit import RateLimiter
from tests.recsys_platform.serve.gate.gates import key


def document(capsys: pytest.CaptureFixture[str]) -> dict:
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_a_key_is_shown_once_and_stored_as_a_digest_that_only_the_owner_may_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / "keys.json"
    arguments = ["--name", "shop", "--scope", "read", "--scope", "edit", "--rate-per-s", "2.5", "--json"]
    assert main(["keys", "create", str(path), *arguments]) == 0
    secret = document(capsys)["key"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert secret not in path.read_text()
    (stored,) = read_keys(path)
    assert (stored.name, stored.scopes, stored.rate_per_s, stored.capacity) == ("shop", ("read", "edit"), 2.5, 3)
    assert stored.sha256 == digest_of(secret)
    assert find_key(secret, [key("other", "read"), stored]) == stored

    assert main(["keys", "list", str(path), "--json"]) == 0
    listed = document(capsys)["keys"]
    assert [(each["name"], each["scopes"]) for each in listed] == [("shop", ["read", "edit"])]
    assert secret not in json.dumps(listed)
    assert stored.sha256 not in json.dumps(listed)


def test_a_revoked_key_is_gone_and_the_others_stay(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "keys.json"
    write_keys(path, [key("a", "read"), key("b", "admin", rate_per_s=5.0, burst=7)])
    assert main(["keys", "revoke", str(path), "a"]) == 0
    assert read_keys(path) == (key("b", "admin", rate_per_s=5.0, burst=7),)
    assert main(["keys", "revoke", str(path), "a"]) == 1
    assert "has no key of the name a; it has b" in capsys.readouterr().err


def test_a_name_is_given_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "keys.json"
    write_keys(path, [key("a", "read")])
    assert main(["keys", "create", str(path), "--name", "a", "--scope", "edit"]) == 1
    assert "two keys of the name a" in capsys.readouterr().err
    assert read_keys(path) == (key("a", "read"),)


def test_keys_have_256_random_bits():
    secrets = {new_secret() for _ in range(100)}
    assert len(secrets) == 100
    assert all(len(secret) == len("recsys_") + 43 for secret in secrets)


DIGEST = "0" * 64


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON.*recsys keys create"),
        ("[]", r'must hold \{"keys": \[...\]\} with objects'),
        ('{"keys": {}}', "must hold"),
        ('{"keys": [], "more": 1}', "must hold"),
        ({"name": "a", "scopes": ["read"]}, r"key 1 is not valid:\s+sha256: required"),
        ({"name": "a", "sha256": DIGEST, "scopes": ["write"]}, "scopes.0: .*'read', 'edit' or 'admin'"),
        ({"name": "a", "sha256": DIGEST, "scopes": []}, "scopes of the key a must name at least one"),
        ({"name": "a b", "sha256": DIGEST, "scopes": ["read"]}, "name of a key .* got 'a b'"),
        ({"name": "a", "sha256": "secret", "scopes": ["read"]}, "sha256 of the key a must be 64 hexadecimal"),
        (
            {"name": "a", "sha256": DIGEST, "scopes": ["read"], "rate_per_s": 0},
            "rate_per_s of the key a must be above 0",
        ),
        ({"name": "a", "sha256": DIGEST, "scopes": ["read"], "burst": 3}, "burst of the key a needs a rate_per_s"),
        ({"name": "a", "sha256": DIGEST, "scopes": ["read"], "colour": 3}, "colour: unknown key"),
    ],
)
def test_a_file_that_is_not_valid_is_refused_with_the_place(tmp_path: Path, text: str | dict, message: str):
    path = tmp_path / "keys.json"
    path.write_text(text if isinstance(text, str) else json.dumps({"keys": [text]}))
    with pytest.raises(ConfigError, match=message):
        read_keys(path)


def test_a_public_address_without_keys_is_refused_with_the_way_out(tmp_path: Path):
    path = tmp_path / "keys.json"
    write_keys(path, [])
    for config in (ServeConfig(host="0.0.0.0"), ServeConfig(host="10.1.2.3", keys_file=str(path))):
        with pytest.raises(ConfigError, match=rf"serve.host {config.host} opens .*recsys keys create .*127\.0\.0\.1"):
            check_access(config, {})
    write_keys(path, [key("a", "read")])
    check_access(ServeConfig(host="0.0.0.0", keys_file=str(path)), {})
    check_access(ServeConfig(host="0.0.0.0"), {"RECSYS_KEYS": path.read_text()})


def test_an_endpoint_of_this_machine_needs_no_keys():
    for host in ("127.0.0.1", "127.8.9.1", "::1", "localhost"):
        check_access(ServeConfig(host=host), {})


def test_keys_in_two_places_and_a_file_that_is_not_there_are_refused(tmp_path: Path):
    path = tmp_path / "keys.json"
    with pytest.raises(ConfigError, match=r"cannot be read.*recsys keys create"):
        check_access(ServeConfig(keys_file=str(path)), {})
    with pytest.raises(ConfigError, match="unset one of them"):
        check_access(ServeConfig(keys_file=str(path)), {"RECSYS_KEYS": '{"keys": []}'})
    with pytest.raises(ConfigError, match="RECSYS_KEYS is not JSON"):
        check_access(ServeConfig(), {"RECSYS_KEYS": "secret"})


@given(
    rate=st.floats(0.1, 50.0),
    burst=st.integers(1, 20),
    gaps=st.lists(st.floats(0.0, 2.0), min_size=1, max_size=60),
)
def test_a_rate_limit_never_lets_more_through_than_burst_and_rate_allow(rate: float, burst: int, gaps: list[float]):
    now = 0.0
    limiter = RateLimiter(lambda: now)
    limited = key("a", "read", rate_per_s=rate, burst=burst)
    passed: list[float] = []
    for gap in gaps:
        now += gap
        wait_s = limiter.wait_s(limited)
        if wait_s == 0.0:
            passed.append(now)
        else:
            assert wait_s <= 1.0 / rate + 1e-9
    for first in range(len(passed)):
        for last in range(first, len(passed)):
            assert last - first + 1 <= burst + rate * (passed[last] - passed[first]) + 1e-6


def test_a_client_that_waits_as_long_as_it_is_told_passes():
    now = 100.0
    limiter = RateLimiter(lambda: now)
    limited = key("a", "read", rate_per_s=4.0, burst=1)
    assert limiter.wait_s(limited) == 0.0
    now += limiter.wait_s(limited)
    assert limiter.wait_s(limited) == 0.0
