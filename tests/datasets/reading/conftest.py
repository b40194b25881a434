import pytest

from candgen.datasets import tables

EVENTS = "user,item,timestamp\n1,a,100\n2,b,200\n3,c,300\n"


@pytest.fixture
def read(tmp_path):
    """Write events, and perhaps a table of items, and read them."""

    def write_and_read(events=EVENTS, items=None, name="a.csv", **settings):
        for held, text in ((name, events), ("items.csv", items)):
            if text is not None:
                whole = text if isinstance(text, bytes) else text.encode()
                (tmp_path / held).write_bytes(whole)
        if items is not None:
            settings["items_path"] = str(tmp_path / "items.csv")
        return tables.read(path=str(tmp_path / name), **settings)

    return write_and_read
