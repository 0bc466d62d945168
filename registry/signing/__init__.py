"""Where seeds rest and what signs: an OS keyring, an encrypted file, or memory.

Nothing here reads a clock or makes key material: seeds come in as arguments.
"""
