"""Folders with vocabularies that fit them."""

import io
import json
import sys
from pathlib import Path

import pytest
from seq2seq_folders import START, write_folder

sys.path.insert(0, str(Path(__file__).parent))

TEXTS = ("open the file now", "save the table here", "close a window", "abrir o ficheiro agora", "fechar unha fiestra")


def write_pieces(file, count):
    """A model of sentencepiece: </s> is 0, <unk> 1, <pad> 2."""
    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS * 3),
        model_writer=model,
        vocab_size=count,
        hard_vocab_limit=False,
        eos_id=0,
        unk_id=1,
        pad_id=2,
        bos_id=-1,
        minloglevel=2,
    )
    file.write_bytes(model.getvalue())
    loaded = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    return [loaded.id_to_piece(place) for place in range(len(loaded))]


@pytest.fixture(scope="session")
def whole_folder(tmp_path_factory):
    """Writes a model of `seq2seq_folders` with its vocabularies: `whole_folder("t5")`."""

    def write(name, **changes):
        folder = tmp_path_factory.mktemp("folders") / name
        if not name.startswith("marian"):
            changes = {"pad_token_id": 2, "decoder_start_token_id": 2, **changes}
        write_folder(folder, name, **changes)
        if name.startswith("marian"):
            pieces = [*write_pieces(folder / "source.spm", 50), *write_pieces(folder / "target.spm", 50)]
            numbers = {"</s>": 0, "<unk>": 1, ">>glg<<": 2, "<pad>": START}
            free = (place for place in range(3, START) if place not in numbers.values())
            numbers |= {piece: next(free) for piece in dict.fromkeys(pieces) if piece not in numbers}
            (folder / "vocab.json").write_text(json.dumps(numbers))
        else:
            write_pieces(folder / "spiece.model", 50)
        return folder

    return write
