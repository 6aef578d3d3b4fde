"""BLEU and chrF that stream are to the last bit what sacrebleu gives for the whole set, and so are paired tests."""

from dataclasses import dataclass

import numpy as np
import pytest

from headstart.errors import UsageError
from headstart.runs.beside import differences
from headstart_plugins._segments import resampled_sums
from headstart_plugins._translation_scores import TranslationScores, tokenizer_for
from headstart_plugins._translation_scores.formulas import bleu_of, chrf_of
from headstart_plugins._translation_scores.scores import BLEU_PART, CHRF_PART

sacrebleu = pytest.importorskip("sacrebleu")

WORDS = (
    *("the", "a", "cat", "dog", "sat", "on", "mat", "ran", "to", "house,", "and", "then", "%", "of", "%s"),
    *("files.", "{0}", "was", "saved!", "ñu", "—", "über"),
)


def drawn(count, seed=0):
    """Sources, references and hypotheses with some of the words of the reference, all kinds of lengths; some empty."""
    random = np.random.default_rng(seed)
    references = [" ".join(random.choice(WORDS, random.integers(1, 14))) for _ in range(count)]
    hypotheses = [
        " ".join(word if random.random() < 0.8 else random.choice(WORDS) for word in reference.split())
        for reference in references
    ]
    hypotheses[3], hypotheses[7], hypotheses[11] = "", references[7], "cat"
    return [reference.upper() for reference in references], references, hypotheses


def of(hypotheses, references, **options):
    scores = TranslationScores(**options)
    scores.add(references, references, hypotheses)
    return scores


def by_sacrebleu(hypotheses, references, **options):
    return {
        "bleu": sacrebleu.BLEU(**options).corpus_score(hypotheses, [references]).score,
        "chrf": sacrebleu.CHRF().corpus_score(hypotheses, [references]).score,
    }


ODD = {
    "one word each": (["cat", "dog"], ["cat", "cat"]),
    "two right words, of which corpus BLEU is 0": (["good morning"], ["good morning"]),
    "empty answers": (["", ""], ["a cat sat here", "x"]),
    "an empty answer among others": (["", "the cat sat on the mat"], ["a cat sat here", "the cat sat on a mat"]),
    "empty references": (["a cat", "b"], ["", ""]),
    "nothing in common": (["aaa bbb ccc ddd"], ["xxx yyy zzz www"]),
    "entities, breaks and spaces": (["a &amp; b\nc  d e "], [" a & b c d e"]),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_sentences_score_as_sacrebleu_scores_them(name):
    assert of(*ODD[name]).metrics() == by_sacrebleu(*ODD[name])


@pytest.mark.parametrize("cut", [[1, 2, 3], [100], [7, 150, 151]])
def test_any_cut_and_any_merge_gives_what_sacrebleu_gives_at_once(cut):
    sources, references, hypotheses = drawn(200)
    parts = []
    for low, high in zip([0, *cut], [*cut, 200], strict=True):
        parts.append(TranslationScores())
        parts[-1].add(sources[low:high], references[low:high], hypotheses[low:high])
    while len(parts) > 1:
        parts[-2].merge(parts.pop())
    whole = TranslationScores()
    whole.add(sources, references, hypotheses)
    assert parts[0].metrics() == by_sacrebleu(hypotheses, references)
    assert parts[0].report() == whole.report()
    assert parts[0].intervals(5) == whole.intervals(5)


def test_chinese_is_a_single_token_unless_its_own_tokenizer_finds_characters():
    hypotheses, references = ["我爱北京的天气。", "他 在 家"], ["我爱北京天气。", "他在家里"]
    assert of(hypotheses, references, tokenize=tokenizer_for(references)).metrics() == by_sacrebleu(
        hypotheses, references, tokenize="zh"
    )
    assert of(hypotheses, references, tokenize="zh").metrics()["bleu"] > 40
    assert of(hypotheses, references, tokenize="13a").metrics()["bleu"] == 0


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["Abrir o ficheiro", "保存表格"], "13a"),
        (["保存表格", "删除此行", "Open the PDF"], "zh"),
        (["ファイルを開く", "表を保存する"], "ja-mecab"),
        (["파일을 엽니다", "표를 저장합니다"], "ko-mecab"),
        (["เปิดไฟล์", "บันทึกตาราง"], "char"),
        (["Открыть файл", "12"], "13a"),
        (["", "12"], "13a"),
    ],
)
def test_the_tokenizer_that_suits_is_told_by_the_script(texts, expected):
    assert tokenizer_for(texts) == expected


def test_signatures_are_those_of_sacrebleu():
    _, references, hypotheses = drawn(20)
    bleu, chrf = sacrebleu.BLEU(lowercase=True), sacrebleu.CHRF(lowercase=True)
    bleu.corpus_score(hypotheses, [references])
    chrf.corpus_score(hypotheses, [references])
    expected = {"bleu": str(bleu.get_signature()), "chrf": str(chrf.get_signature())}
    assert of(hypotheses, references, lowercase=True).report()["signatures"] == expected
    assert expected["bleu"].startswith("nrefs:1|case:lc|eff:no|tok:13a|smooth:exp|version:")


def test_draws_do_not_depend_on_how_many_are_drawn_at_a_time(monkeypatch):
    rows = np.random.default_rng(1).integers(0, 50, (70, 3)).astype(np.int32)
    together = resampled_sums(rows, 5)
    monkeypatch.setattr("headstart_plugins._segments.MOST_DRAWS", 7 * 70)
    assert np.array_equal(resampled_sums(rows, 5), together)
    assert together.std(axis=0).min() > 1


def test_formulas_for_resamples_are_those_of_sacrebleu():
    _, references, hypotheses = drawn(60)
    sums = resampled_sums(
        of(hypotheses, references).counts.rows[:6], 0, 50
    )  # few: orders without any run are among them
    bleu, chrf = sacrebleu.BLEU(), sacrebleu.CHRF()
    expected = np.array(
        [
            (
                bleu._compute_score_from_stats(row[BLEU_PART].astype(int).tolist()).score,
                chrf._compute_score_from_stats(row[CHRF_PART].astype(int).tolist()).score,
            )
            for row in sums
        ]
    )
    assert expected.std() > 0.01
    assert len({0.0} & set(expected[:, 0])) or expected[:, 0].min() > 0
    np.testing.assert_allclose(bleu_of(sums[:, BLEU_PART]), expected[:, 0], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(chrf_of(sums[:, CHRF_PART]), expected[:, 1], rtol=1e-12, atol=1e-12)


@dataclass(frozen=True)
class Drawn:
    """Scores whose resamples are those of sacrebleu's own seed."""

    scores: TranslationScores

    def metrics(self):
        return self.scores.metrics()

    def resampled(self):
        return self.scores.resampled(12345)


def p_value_of_sacrebleu(resampled, difference):
    """Its 2.6 counts how many of |d*| are further than |d| from their mean, which is not what we report."""
    apart = np.abs(resampled)
    return (np.sum(apart - apart.mean() > abs(difference)) + 1) / (len(apart) + 1)


def test_a_paired_bootstrap_draws_the_resamples_of_sacrebleu(monkeypatch):
    from sacrebleu.significance import PairedTest

    monkeypatch.setenv("SACREBLEU_SEED", "12345")
    _, references, first = drawn(120)
    second = [
        one if index % 4 else reference for index, (one, reference) in enumerate(zip(first, references, strict=True))
    ]
    close = [
        one if index % 40 else reference for index, (one, reference) in enumerate(zip(first, references, strict=True))
    ]
    metrics = {"BLEU": sacrebleu.BLEU(), "chrF2": sacrebleu.CHRF()}
    systems = [("first", first), ("second", second), ("close", close)]
    _, expected = PairedTest(systems, metrics, [references], test_type="bs", n_samples=1000)()
    for index, hypotheses in enumerate((second, close), start=1):
        one, other = Drawn(of(hypotheses, references)), Drawn(of(first, references))
        found, drawn_of, drawn_by = differences(one, other), one.resampled(), other.resampled()
        for ours, theirs in (("bleu", "BLEU"), ("chrf", "chrF2")):
            gained = expected[theirs][index].score - expected[theirs][0].score
            p_value = p_value_of_sacrebleu(drawn_of[ours] - drawn_by[ours], gained)
            assert p_value == pytest.approx(expected[theirs][index].p_value, abs=1e-12)
            assert found[ours].p_value >= p_value
            assert found[ours].difference == pytest.approx(gained, abs=1e-9)
            low, high = found[ours].interval
            assert low <= found[ours].difference <= high
    narrow = differences(Drawn(of(second, references)), Drawn(of(first, references)))
    assert found["chrf"].p_value > narrow["chrf"].p_value


def test_intervals_hold_the_score_and_narrow_with_more_sentences():
    widths = []
    for count in (40, 640):
        _, references, hypotheses = drawn(count)
        scores = of(hypotheses, references)
        for name, (low, high) in scores.intervals().items():
            assert low < scores.metrics()[name] < high
        low, high = scores.intervals()["chrf"]
        widths.append(high - low)
    assert widths[1] < widths[0] / 2  # by the root of 16, but for the draw


def test_a_shorter_list_is_refused_where_sacrebleu_would_cut_the_others():
    with pytest.raises(ValueError, match="2 sources, 2 references, 1 hypotheses"):
        TranslationScores().add(["a", "b"], ["a", "b"], ["a"])


def test_a_running_one_goes_on_from_its_state_and_keeps_no_sentence():
    sources, references, hypotheses = drawn(50)
    before, after = TranslationScores(running=True), TranslationScores(running=True)
    before.add(sources[:20], references[:20], hypotheses[:20])
    state = before.state()
    assert sum(array.nbytes for array in state.values()) < 400
    after.restore(state)
    after.add(sources[20:], references[20:], hypotheses[20:])
    assert after.metrics() == by_sacrebleu(hypotheses, references)
    assert after.report()["sentences"] == 50
    with pytest.raises(ValueError, match="sums"):
        after.intervals()


def test_nothing_yet_is_0_and_has_no_interval():
    scores = TranslationScores()
    scores.add([], [], [])
    assert scores.metrics() == {"bleu": 0.0, "chrf": 0.0}
    assert scores.intervals() == {}


def test_the_report_tells_the_worst_sentences_and_what_became_of_placeholders():
    sources = ["Save %1$s to %PRODUCTNAME?", "Open {0}", "Close", "Use $(ARG1) of $(ARG2)", "Draw"]
    references = ["Gardar %1$s en %PRODUCTNAME?", "Abrir {0}", "Pechar", "Usar $(ARG1)", "Debuxo"]
    hypotheses = ["Gardar %1$s en o produto?", "Abrir {0} {1}", "", "Usar $(ARG1) de $(ARG2)", "Draw"]
    scores = TranslationScores(worst=2)
    scores.add(sources, references, hypotheses, keys=[f"s{index}" for index in range(5)])
    report = scores.report()
    assert report["placeholders"] | {"sentences": None} == {
        "expected": 4,
        "kept": 3,
        "invented": 1,
        "lost": 1,
        "sentences": None,
    }
    assert [each["key"] for each in report["placeholders"]["sentences"]] == ["s0"]
    assert (report["exact"], report["copied"], report["empty"]) == (0, 1, 1)
    assert [each["key"] for each in report["worst"]] == ["s2", "s4"]
    assert report["worst"][0] == {"key": "s2", "chrf": 0.0, "source": "Close", "reference": "Pechar", "hypothesis": ""}


def test_a_tokenizer_that_downloads_or_is_unknown_is_refused_by_name():
    for name in ("spm", "flores200", "moses"):
        with pytest.raises(UsageError, match=f"no tokenizer '{name}'"):
            TranslationScores(tokenize=name)
