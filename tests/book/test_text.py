"""The book's lines are read as they are typed, and what it shows is held against what comes."""

import pytest

from tests.book.text import Line, matches, sections

BOOK = """# A book

Prose.

```console
$ pith doctor  # exit 9
ok  2026-11-22T10:00:00Z
ada$ pith key move \\
    a-key
```

## Nightly

```toml pins.toml
# no heading
```

```crontab
15 0 * * *  pith x > $(date +\\%F)
```
"""


def test_commands_are_read_with_who_types_them_and_how_they_end() -> None:
    _, first, second = sections(BOOK)

    assert first.title == "A book"
    assert first.lines == [
        Line("pith doctor  # exit 9", code=9, shown=["ok  2026-11-22T10:00:00Z"]),
        Line("pith key move \\\n    a-key", who="ada"),
    ]
    assert (second.title, second.fences) == ("Nightly", {"toml pins.toml": "# no heading\n"})
    assert second.lines == [Line("pith x > $(date +%F)")]


def test_what_is_shown_before_anything_is_typed_is_refused() -> None:
    with pytest.raises(AssertionError, match="nothing was typed"):
        list(sections("# A\n\n```console\nok\n```\n"))


@pytest.mark.parametrize(
    "shown",
    [
        ["key lab-v1-2026-11 at 2026-11-22T10:00:00Z", "two"],
        ["…", "two"],
        ["key …", "two"],
        ["…", "two", "…"],
    ],
)
def test_what_comes_is_what_is_shown(shown: list[str]) -> None:
    assert matches(shown, "key lab-v1-2027-01 at 2027-01-02T11:11:11Z\ntwo\n")


@pytest.mark.parametrize(
    "shown",
    [
        ["key lab-v2-2026-11 at 2026-11-22T10:00:00Z", "two"],
        ["key lab-v1-2026-11 at 2026-11-22T10:00:00Z"],
        ["two"],
        ["…", "three"],
        ["two", "…"],
        [f"key {'a' * 64}", "two"],
    ],
)
def test_what_comes_is_not_what_is_shown(shown: list[str]) -> None:
    assert not matches(shown, "key lab-v1-2027-01 at 2027-01-02T11:11:11Z\ntwo\n")
