"""What holds for all tests."""

import signal

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as of a shell's job in the background; children inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)
