"""The command `pith`: thin commands over the services, one file a noun."""
