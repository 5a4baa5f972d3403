# SPDX-License-Identifier: Apache-2.0
"""lodged, as tests run it."""

import contextlib
import signal
import subprocess


def lodged(*args, status=0, **kwargs):
    done = subprocess.run(["lodged", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
                          timeout=60, **kwargs)
    assert done.returncode == status, done
    return done


@contextlib.contextmanager
def governor(*args):
    """lodged in the background; ended by SIGTERM, well, unless it was killed before."""
    with subprocess.Popen(["lodged", "--interval", "1", *args], stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()
        process.log = process.stderr.read()
    assert process.returncode in (0, -signal.SIGKILL), process.log
