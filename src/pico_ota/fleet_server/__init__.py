"""Fleets that poll a server: the embedded server, and roll-outs on it or on hawkBit."""
