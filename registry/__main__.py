"""``python -m registry`` is ``pith``."""

from registry.cli.main import main

if __name__ == "__main__":
    main()
