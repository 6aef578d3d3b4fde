"""What is made of transcripts before they are compared, stated."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Literal

Form = Literal["spoken", "written"]

FORMS: Mapping[Form, str] = {
    "spoken": "NFC|case:lower|punctuation:none but ' in words|numbers:as written",
    "written": "NFC|case:kept|punctuation:kept|numbers:as written",
}
"""Each form in the words that stand beside a score."""
APOSTROPHE = re.compile(r"(?<=\w)['\N{RIGHT SINGLE QUOTATION MARK}\N{MODIFIER LETTER APOSTROPHE}](?=\w)")
KEPT = "\N{APOSTROPHE}"


def normal_form(text: str, form: Form) -> str:
    """A transcript as it is compared. In both forms letters are composed (NFC) and words stand one space apart,
    whatever white space was there: jiwer takes a tab for a letter.

    "spoken" compares what is said: lower case, apostrophes inside words of one kind, and a space for any other
    punctuation or symbol. Numbers are not spelled out.
    """
    text = unicodedata.normalize("NFC", text)
    if form == "spoken":
        text = APOSTROPHE.sub(KEPT, text.lower())
        inside = {match.start() for match in re.finditer(rf"(?<=\w){KEPT}(?=\w)", text)}
        text = "".join(
            letter if place in inside or unicodedata.category(letter)[0] not in "PS" else " "
            for place, letter in enumerate(text)
        )
    return " ".join(text.split())
