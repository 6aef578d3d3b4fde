"""What tests of several plugins share can be imported; not this folder, whose names are those of packages."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_heads"))
sys.path.insert(0, str(Path(__file__).parent / "_sounds"))
sys.path.insert(0, str(Path(__file__).parent / "detection"))
sys.path.insert(0, str(Path(__file__).parent / "segmentation"))
sys.path.insert(0, str(Path(__file__).parents[1] / "references"))
