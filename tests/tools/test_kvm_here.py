# SPDX-License-Identifier: Apache-2.0
"""This machine's own KVM: whatever it is, lodge doctor and lodge run say the same of it.

On a machine whose /dev/kvm opens but can't run guest code, this is where the refusal is tried for real.
"""

import pathlib
import subprocess

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = TOP / "build"
NO_KVM = 5


def run(*command, tmp_path):
    return subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False, timeout=60,
                          env={"LODGE_RUNTIME_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"})


def test_a_guest_runs_exactly_where_the_probe_says_so(tmp_path):
    probe = run(BUILD / "lodge", "doctor", "--probe-kvm", tmp_path=tmp_path)
    guest = run(BUILD / "lodge", "run", "--name", "here", "--kernel", BUILD / "guest/bare/pio", "--memory", "4M",
                "--best-effort", tmp_path=tmp_path)
    assert probe.returncode in (0, NO_KVM)
    assert guest.returncode == probe.returncode
    if probe.returncode == 0:
        assert "pio" in guest.stdout
    else:
        assert guest.stdout == "" and guest.stderr.count("\n") == 1 and "/dev/kvm" in guest.stderr
    assert [path.name for path in tmp_path.iterdir()] in ([], [".lock"])
