"""Tests of the addresses of clusters; none of them starts a worker."""

import importlib.util
import json
import os
import tempfile

import pytest

from candgen import owners
from candgen.cluster import address
from candgen.errors import SettingError


@pytest.mark.parametrize("given", ["local:2", "tcp://host:8786", "tls://10.0.0.7:1"])
def test_an_address_is_returned_as_it_is(given):
    assert address.check(given) == given


@pytest.mark.parametrize(
    "given, message",
    [
        ("lokal:2", "local:2, tcp://host:8786, tls://host:8786 or the path of a scheduler.json"),
        ("", "is named by"),
        (2, "got 2"),
        ("local", "how many worker processes"),
        ("local:0", "1 or more"),
        ("local:-1", "1 or more"),
        ("tcp://host", "a host and a port"),
        ("http://host:8786", "is named by"),
        ("absent.json", "no such file"),
    ],
)
def test_what_is_no_address_is_refused_with_the_forms_there_are(given, message, tmp_path):
    with pytest.raises(SettingError, match=message):
        address.check(given)


@pytest.mark.parametrize("text", ["[]", "{}", "no json", '{"address": 3}'])
def test_a_file_that_names_no_scheduler_is_refused_at_once(tmp_path, text):
    path = tmp_path / "scheduler.json"
    path.write_text(text)
    with pytest.raises(SettingError, match="names no scheduler"):
        address.check(str(path))


def test_a_schedulers_file_is_an_address(tmp_path):
    path = tmp_path / "scheduler.json"
    path.write_text(json.dumps({"address": "tcp://127.0.0.1:8786"}))
    assert address.check(str(path)) == str(path)


def test_the_extra_to_install_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SettingError, match=r"pip install 'candgen\[cluster\]'"):
        address.check("local:2")


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setattr(address, "_SECONDS_TO_ANSWER", 0.2)
    with (
        pytest.raises(SettingError, match=r"tcp://127.0.0.1:9.*no scheduler answered"),
        address.connected("tcp://127.0.0.1:9"),
    ):
        pass


@pytest.mark.parametrize("in_a_file", [False, True])
def test_a_scheduler_that_speaks_tls_asks_for_certificates(in_a_file, tmp_path):
    named = "tls://127.0.0.1:9"
    if in_a_file:
        path = tmp_path / "scheduler.json"
        path.write_text(json.dumps({"address": named}))
        named = str(path)
    with (
        pytest.raises(SettingError, match=r"speaks TLS.*DASK_DISTRIBUTED__COMM__TLS__CA_FILE"),
        address.connected(named),
    ):
        pass


def test_folders_of_killed_processes_are_removed_and_those_of_living_ones_are_not(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    dead = tmp_path / f"candgen-dask-{owners.token().replace(str(os.getpid()), '999999999', 1)}.x"
    dead.mkdir()
    with address.scratch_folder() as living, address.scratch_folder():
        assert not dead.exists() and os.path.isdir(living)
    assert list(tmp_path.iterdir()) == []
