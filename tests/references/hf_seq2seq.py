"""What MarianMT, T5 and mT5 of `transformers` compute and answer: small random ones of each family, padded and not.

    pip install torch transformers==5.24.0
    python tests/references/hf_seq2seq.py [--write]

Compares with tests/plugins/hf_seq2seq/small.npz, or writes it.
"""

import tempfile
from pathlib import Path

import numpy as np
import torch
import transformers
from recorded import conclude_arrays
from seq2seq_folders import CONFIGS, LENGTHS, MOST, SEARCHES, START, previous, sources_of, write_folder

PLACE = Path(__file__).parents[1] / "plugins" / "hf_seq2seq"


def computed(name):
    """The encoder's last states of real tokens, logits of a fed decoder, and answers with their scores."""
    with tempfile.TemporaryDirectory() as folder:
        model, loaded = transformers.AutoModelForSeq2SeqLM.from_pretrained(
            write_folder(Path(folder) / name, name),
            dtype=torch.float32,
            attn_implementation="eager",
            output_loading_info=True,
        )
    assert not loaded["unexpected_keys"], loaded
    assert all("embed" in key or "lm_head" in key or "shared" in key for key in loaded["missing_keys"]), loaded
    ids, mask = sources_of()
    given = {"input_ids": torch.from_numpy(ids.astype(np.int64)), "attention_mask": torch.from_numpy(mask).long()}
    fed = torch.from_numpy(previous().astype(np.int64))
    with torch.no_grad():
        states = model.get_encoder()(**given).last_hidden_state.numpy()
        logits = model(**given, decoder_input_ids=fed).logits.numpy()
        for row, length in enumerate(LENGTHS):  # without the padding they are the same
            alone = model(
                input_ids=given["input_ids"][row : row + 1, :length], decoder_input_ids=fed[row : row + 1]
            ).logits.numpy()
            assert np.abs(alone[0] - logits[row]).max() < 1e-4 * max(1, logits.std())
        found = {"states": states[mask], "logits": logits}
        for key, search in SEARCHES.items():
            answer = model.generate(
                **given,
                max_new_tokens=MOST,
                bad_words_ids=[[START]],
                return_dict_in_generate=True,
                output_scores=True,
                **search,
            )
            tokens = answer.sequences[:, 1:].numpy()
            assert answer.sequences[:, 0].eq(START).all()
            found[f"{key} tokens"] = np.pad(
                tokens, ((0, 0), (0, MOST - tokens.shape[1])), constant_values=START
            ).astype(np.int32)
            if search:
                found[f"{key} score"] = answer.sequences_scores.numpy()
        tokens = np.concatenate([array for key, array in found.items() if key.endswith("tokens")])
        lengths = np.unique((tokens != START).sum(1)).tolist()
        print(f"{name}: deviation of logits {logits.std():.3f}, answers of {lengths} tokens")
    return found


def main():
    arrays = {f"{name} {key}": array for name in CONFIGS for key, array in computed(name).items()}
    versions = {"transformers": transformers.__version__, "torch": torch.__version__}
    conclude_arrays(PLACE / "small.npz", arrays, versions)


if __name__ == "__main__":
    main()
