"""RFC 3161: asking an authority for a token, and what a token proves under pinned authorities."""
