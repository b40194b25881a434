import pytest

from candgen import memory
from candgen.errors import SettingError


@pytest.mark.parametrize(
    ("text", "n_bytes"),
    [("4GB", 2**32), ("4 GiB", 2**32), ("512mb", 2**29), ("1.5G", 3 * 2**29), ("2048", 2048)],
)
def test_a_size_is_read_in_any_spelling(text, n_bytes):
    assert memory.parsed("memory", text) == n_bytes


@pytest.mark.parametrize("text", ["", "much", "4XB", "-1GB", "0GB", "4GB4"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(SettingError, match="memory must be a size such as 4GB"):
        memory.parsed("memory", text)


def test_a_size_below_the_least_is_refused():
    assert memory.at_least("memory", "1GB", "1GB") == 2**30
    with pytest.raises(SettingError, match=r"memory must be 1GB or more, got '1023MB'"):
        memory.at_least("memory", "1023MB", "1GB")


@pytest.mark.parametrize(
    ("n_bytes", "text"),
    [(2**30, "1.0 GiB"), (13.4 * 2**30, "13.4 GiB"), (2**29, "512.0 MiB"), (2**41, "2.0 TiB")],
)
def test_a_size_is_written_with_its_unit(n_bytes, text):
    assert memory.spelled(n_bytes) == text


def test_no_more_is_available_than_the_container_leaves(tmp_path, monkeypatch):
    for name, text in (("max", "3000000"), ("current", "1000000"), ("stat", "anon 7")):
        (tmp_path / name).write_text(text + "\n")
    group = tuple(str(tmp_path / name) for name in ("max", "current", "stat"))
    monkeypatch.setattr(memory, "_CGROUPS", (group,))
    assert memory.available() == 2_000_000
    cache = "anon 7\nactive_file 5\ninactive_file 400000\n"  # given back when it is wanted
    (tmp_path / "stat").write_text(cache)
    assert memory.available() == 2_400_000
    (tmp_path / "max").write_text("max\n")
    assert memory.available() > 2_000_000


def test_no_more_is_available_than_the_limit_leaves(monkeypatch):
    before = memory.available()
    monkeypatch.setenv("CANDGEN_MEMORY", "1TB")
    assert memory.available() > before / 2
    monkeypatch.setenv("CANDGEN_MEMORY", "1MB")  # this process has more already
    assert memory.available() == 0
