"""What strangers see of a registry in a browser; ``static/pith-verify.js`` is the second
implementation of the protocol, which shares no code with the first."""
