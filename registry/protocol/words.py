"""Digests as words, for people who compare them aloud: one word a byte, all 32 of them."""

from typing import Final

from registry.errors import MalformedError

_LIST: Final = """
acorn album alley amber anchor angle apron arctic arena aspen atlas autumn avenue badger bakery
bamboo banjo barrel basket beacon bicycle blossom bonfire bottle branch bread bridge broom
bubble buffalo butter cabin cactus camel canyon carpet castle cedar chalk cherry chess circus
clarinet clock clover cobalt coconut coffee copper cotton cradle cricket crown crystal cushion
daisy dancer daylight denim desert diamond doctor dolphin domino donkey dragon drawer drummer
earth echo eclipse elbow elephant emerald engine envelope evening fabric falcon farmer feather
fender fiddle flamingo flute forest fossil fountain freckle furnace galaxy garden geyser giant
ginger giraffe glacier goblet granite grape guitar harbor helmet hexagon hickory horizon hotel
iceberg igloo indigo inkwell insect island ivory jaguar jasmine jelly jersey jigsaw journal
juggler jupiter kangaroo kayak kennel keyboard kimono kitchen kiwi koala lagoon lantern laptop
lavender lemon leopard library lilac lizard lobster locket lunch magnet maple meadow meteor
midnight mirror mitten morning mosaic muffin museum mustard mystery napkin nectar needle nickel
notebook nugget nutmeg oasis oatmeal ocean octopus office olive onion opera orbit orchid ostrich
palace panther parrot pastry peanut pelican pencil pigeon pillow pirate polar poncho potato
prairie pumpkin puzzle pyramid quarter queen quilt quiver rabbit radio raisin raven recipe
reindeer ribbon ruby runway saffron sandal scarf scooter shelter silver snail soccer sofa spider
sponge squirrel stadium stork sugar sunset swallow syrup tailor teapot temple tennis thunder
toast tornado tractor tulip tundra turtle twilight umbrella unicorn vacuum vanilla vessel
village violin visitor volcano voyage wafer waffle walnut wedding wheel whisper window wolf
wombat yogurt zebra zenith zodiac
"""
WORDS: Final = tuple(_LIST.split())
"""The word of each byte, in alphabetical order: any two differ in their first four letters
and in three letters at least."""

DIGEST_LENGTH: Final = 32
A_LINE: Final = 4


def word_lines(digest: bytes) -> tuple[str, ...]:
    """The 32 bytes of a digest as eight lines of four words.

    Raises MalformedError ``words.length`` for another number of bytes.
    """
    if len(digest) != DIGEST_LENGTH:
        raise MalformedError(
            f"words stand for {DIGEST_LENGTH} bytes, not {len(digest)}", code="words.length"
        )
    words = [WORDS[byte] for byte in digest]
    return tuple(" ".join(words[i : i + A_LINE]) for i in range(0, DIGEST_LENGTH, A_LINE))
