"""The formats: pure functions from bytes to frozen values and back. No I/O, clock or chance."""
