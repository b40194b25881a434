"""YAML that asks for too much is refused before it is built, in files and on the command line."""

import json
import subprocess
import sys

import pytest

from candgen.errors import SettingError
from candgen.sweeps.sweepfile import SweepFile, parse_set
from candgen.text import bounded_yaml

LAUGHS = "[&a [1, 1], &b [*a, *a], &c [*b, *b]]"
BLOCKS = "".join("  " * level + f"k{level}:\n" for level in range(21))
TOO_MUCH = {
    LAUGHS: "anchors and aliases are not used",
    "&a [*a]": "anchors and aliases are not used",
    "[" * 90_000: "nested too deep",
    "[" * 21 + "]" * 21: "nested too deep",
    "{a: " * 20_000: "nested too deep",
    "{a: " * 50_000: "characters",
    "1" * 41: "the number '111111111111'... has 41 characters, at most 40",
    "0x" + "f" * 90_000: "the number '0xffffffffff'... has 90,002",
    "1:" * 4000 + "1": "the number",
    "." + "1" * 5000: "the number",
    "x" * 10_001: "the text 'xxxxxxxxxxxx'... has 10,001 characters, at most 10,000",
    "[" + "1," * 1001 + "]": "a list of 1,001 values, at most 1,000",
}


@pytest.mark.parametrize("text", TOO_MUCH, ids=lambda text: text[:9])
def test_what_asks_for_too_much_is_refused_by_name(tmp_path, text):
    file = tmp_path / "asked.yaml"
    file.write_text(f"question: Why?\ndefaults:\n  k: {text}\n")
    with pytest.raises(SettingError, match=r"asked.yaml.*" + TOO_MUCH[text].replace("(", r"\(")):
        SweepFile(file)
    if text[0] != "&":  # `&co` is a text where it is typed
        with pytest.raises(SettingError, match=r"^k=.*" + TOO_MUCH[text]):
            parse_set(f"k={text}")


def test_deep_brackets_are_refused_before_a_parser_sees_them(monkeypatch):
    """The compiled parser needs minutes for 100,000 of them."""
    monkeypatch.delattr(bounded_yaml.yaml, "parse")
    with pytest.raises(bounded_yaml.Refused, match="nested too deep") as refused:
        bounded_yaml.compose("a: 1\nb: " + "[{" * 101)
    assert refused.value.line == 2


def test_the_line_is_named(tmp_path):
    file = tmp_path / "asked.yaml"
    file.write_text(f"question: Why?\nruns:\n  a: 1\n  b: {'9' * 50}\n")
    with pytest.raises(SettingError, match=r"asked.yaml, line 4: the number"):
        SweepFile(file)


def test_blocks_nest_as_deep_as_brackets():
    bounded_yaml.compose(BLOCKS.replace("k20", "# k20"))
    with pytest.raises(bounded_yaml.Refused, match="too deep") as refused:
        bounded_yaml.compose(BLOCKS)
    assert refused.value.line == 21


def test_what_a_sweep_needs_is_read():
    values = [list(range(1000)), "x" * 10_000, -1.5e-3, "9" * 40, True, None, {"a": [{}]}]
    text = f"[{', '.join(map(str, values[0]))}]"
    assert bounded_yaml.construct(bounded_yaml.compose(text)) == values[0]
    typed = f"[{values[1]}, -0.0015, {values[3]}, true, null, {{a: [{{}}]}}]"
    found = bounded_yaml.construct(bounded_yaml.compose(typed))
    assert found == [values[1], -0.0015, int(values[3]), True, None, {"a": [{}]}]


def test_a_long_file_a_folder_and_a_device_are_no_sweep(tmp_path):
    file = tmp_path / "asked.yaml"
    file.write_text("question: Why?\n" + "#" * 100_000)
    with pytest.raises(SettingError, match=r"asked.yaml is longer than 100,000 characters"):
        SweepFile(file)
    for path in (tmp_path, "/dev/zero"):
        with pytest.raises(SettingError, match="is no file; expected the YAML of a sweep"):
            SweepFile(type(tmp_path)(path))


def test_settings_do_not_multiply(tmp_path):
    file = tmp_path / "asked.yaml"
    used = "${a}" * 200
    file.write_text(f"settings: {{a: {'x' * 9000}}}\nquestion: {used}\n")
    with pytest.raises(SettingError, match=r"line 1, settings.a: is used so often"):
        SweepFile(file).use_settings()
    file.write_text(f"settings: {{a: {'x' * 900}}}\nquestion: {used}\n")
    source = SweepFile(file)
    source.use_settings()
    assert source.values["question"] == "x" * 180_000


APART = """
import json, pathlib, resource, sys, time
from candgen.errors import SettingError
from candgen.sweeps import grids, plan, sweepfile
from candgen.text import bounded_yaml

def build(*_):
    sys.exit("it was built before it was refused")

path = pathlib.Path(sys.argv[1])
path.write_text("question: Why?")
sweepfile.SweepFile(path), sweepfile.parse_set("k=1")  # whatever loads once is there
with open("/proc/self/statm") as file:
    held = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + 200 * 2**20,) * 2)
construct, bounded_yaml.construct, grids.points = bounded_yaml.construct, build, build
for call, text in json.load(sys.stdin):
    if call == "grid":
        bounded_yaml.construct = construct  # its lists are small; its points are not
    path.write_text(text)
    began = time.process_time()
    try:
        {"file": lambda: sweepfile.SweepFile(path), "grid": lambda: plan.read_plan(path),
         "set": lambda: sweepfile.parse_set(text)}[call]()
    except SettingError:
        print(f"REFUSED {call} {text[:9]!r} in {time.process_time() - began:.3f} s")
    else:
        sys.exit(f"{call} {text[:90]!r} was read")
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="address space is Linux's")
def test_what_asks_for_too_much_is_refused_before_it_is_built_and_in_little_memory(
    project, tmp_path
):
    """In a process that may have 200 MB more than its libraries."""
    whole = {text: f"question: Why?\ndefaults:\n  k: {text}\n" for text in TOO_MUCH}
    asked = [("file", text) for text in whole.values()]
    asked += [("set", f"k={text}") for text in TOO_MUCH if text[0] != "&"]
    thousand = list(range(1, 1001))
    grid = f"{{dim: {thousand}, rate: {[n / 1000 for n in thousand]}, k: {thousand}}}"
    head = "question: Which?\nnotebook: notebooks/15_train.ipynb\nruns:\n"
    asked.append(("grid", f"{head}  a: {{grid: {grid}}}\n"))
    done = subprocess.run(
        [sys.executable, "-c", APART, str(tmp_path / "asked.yaml")],
        input=json.dumps(asked), capture_output=True, text=True,
    )  # fmt: skip
    print(done.stdout)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("REFUSED") == len(asked)
