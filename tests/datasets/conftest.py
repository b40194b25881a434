"""A fixture of all tests that read tables."""

import pytest

from candgen.errors import DataError


@pytest.fixture
def refused(read):
    """Return the message with which a table is refused; `read` is that of the test's own file."""

    def message(*args, **settings):
        with pytest.raises(DataError) as caught:
            read(*args, **settings)
        return str(caught.value)

    return message
