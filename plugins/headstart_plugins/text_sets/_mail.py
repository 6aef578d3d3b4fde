"""What a person reads of an e-mail: its subject and its text."""

from __future__ import annotations

import html
import re
from email import message_from_bytes
from email.header import decode_header
from email.message import Message

HIDDEN = re.compile(r"<(script|style)\b.*?</\1\s*>|<!--.*?-->", re.IGNORECASE | re.DOTALL)
TAG = re.compile(r"<[^>]*>")


def text_of(raw: bytes) -> str:
    """The subject, an empty line, and the text: the parts of plain text where there are any, else those of HTML without
    their tags. Attachments are left out.

    Mails of strangers state encodings that are wrong or unknown: then UTF-8 is tried, and Latin-1, which reads
    anything.
    """
    message = message_from_bytes(raw)
    pieces = decode_header(str(message.get("Subject", "")))
    subject = "".join(piece if isinstance(piece, str) else _decoded(piece, charset) for piece, charset in pieces)
    plain, marked_up = (list(_parts(message, kind)) for kind in ("text/plain", "text/html"))
    body = "\n".join(plain).strip() or "\n".join(html.unescape(_without_tags(each)) for each in marked_up).strip()
    return f"{' '.join(subject.split())}\n\n{body}".replace("\r\n", "\n").strip()


def _parts(message: Message, kind: str) -> list[str]:
    parts = [part for part in message.walk() if part.get_content_type() == kind and not part.is_multipart()]
    # Of a part that is not multipart the decoded payload is bytes.
    payloads = [(part.get_payload(decode=True), part.get_content_charset()) for part in parts]
    return [_decoded(payload, charset) for payload, charset in payloads if isinstance(payload, bytes)]


def _decoded(content: bytes, charset: str | None) -> str:
    for each in (charset or "utf-8", "utf-8"):
        try:
            return content.decode(each)
        except (LookupError, ValueError):  # an encoding that there is not, or another one
            continue
    return content.decode("latin-1")


def _without_tags(text: str) -> str:
    return TAG.sub(" ", HIDDEN.sub(" ", text))
