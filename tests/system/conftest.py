# SPDX-License-Identifier: Apache-2.0
"""What every system test gets: a host without guests before it, and none left behind after it."""

import pytest

from guests import lodge, names


@pytest.fixture(autouse=True)
def no_guests_left():
    yield
    left = names()
    for name in left:
        lodge("kill", name, check=False)
    assert not left, f"guests left behind: {left}"
