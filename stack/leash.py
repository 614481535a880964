"""Runs one program that dies with its parent: drops the uid, asks for a signal at the parent's death, execs.

Called as `python -I -S leash.py PARENT SIGNAL UID PROGRAM ARG..`; UID -1 keeps the user. The signal is asked for
*after* the uid is dropped, because a change of credentials clears it (prctl(2), PR_SET_PDEATHSIG). It is bound to the
parent's thread: start from the main one.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(argv: list[str]) -> None:
    """Becomes `argv[3:]`; exits with 125 when the parent is gone already."""
    parent, signal, uid = (int(value) for value in argv[:3])
    if uid >= 0:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:
        sys.exit(125)
    os.umask(0o077)
    os.execv(argv[3], argv[3:])  # noqa: S606  the command line is ours


if __name__ == "__main__":
    main(sys.argv[1:])
