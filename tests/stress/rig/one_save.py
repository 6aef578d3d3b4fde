"""One save in a process of its own: `python one_save.py FOLDER`, whose checkpoints are those that `prepared` has left.

It says `saved` where the save returned, and the error's message and exit code where it was refused.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from headstart.errors import HeadstartError
from rig.kills import prepared_again
from rig.saving import SAFE, save

if __name__ == "__main__":
    checkpoints = prepared_again(Path(sys.argv[1]))
    try:
        save(checkpoints, SAFE + 1)
    except HeadstartError as exc:
        print(exc.message, flush=True)
        sys.exit(exc.exit_code)
    print("saved", flush=True)
