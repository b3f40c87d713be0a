"""BERT from a local folder, fine-tuned on posts: a tiny one with random weights, of the same class."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from trainables import datasets
from trainables.datasets import newsgroups
from trainables.errors import ConfigurationError, DataError
from trainables.resolve import resolve
from trainables.training.curves import last_linear
from trainables.training.result import TrialResult
from trainables.training.run import TrialRun, load_dataset, run_trial

CPU = torch.device("cpu")
DATASET = ("twenty_newsgroups_bert", {"pretrained": "tiny-bert", "length": 10})
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@pytest.fixture(scope="module")
def transformers(torchvision: ModuleType) -> ModuleType:
    """transformers, which imports torchvision."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    found: ModuleType = pytest.importorskip("transformers", reason="the extra 'bert' is not installed")
    return found


@pytest.fixture
def root(transformers: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Posts whose words tell their group, and a BERT that has not learned anything."""
    for label, group in enumerate(newsgroups.GROUPS):
        for number in range(8):
            path = tmp_path / newsgroups.FOLDER / group / str(number)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"From: a\n\nIt is about Topic{label} " + "still " * number)
    monkeypatch.setattr(newsgroups, "VALIDATION", 20)
    monkeypatch.setattr(newsgroups, "DIGEST", newsgroups.read(tmp_path / newsgroups.FOLDER).digest)
    folder = tmp_path / "tiny-bert"
    vocabulary = [*SPECIAL, "it", "is", "about", "still", "topic", *(f"##{digit}" for digit in range(10))]
    torch.manual_seed(5)
    config = transformers.BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=12,
    )
    transformers.BertModel(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    return tmp_path


def result_of(root: Path, **training: Any) -> TrialResult:
    settings = {"epochs": 2, "batch_size": 16, **training}
    return run_trial(resolve(DATASET, "bert", "flsd_53", 0, training=settings), root=root, device=CPU)


def test_posts_are_cut_into_pieces(root: Path) -> None:
    dataset = datasets.load(DATASET[0], root, **DATASET[1])
    ids = dataset.test.sample_ids.tolist()
    rows = dict(zip(ids, dataset.test.inputs.tolist(), strict=True))
    for place, row in rows.items():
        label, still = divmod(place, 8)
        digits = [10 + int(digit) for digit in str(label)]
        pieces = [2, 5, 6, 7, 9, *digits, *[8] * still]
        whole = [*pieces[:9], 3]
        assert row == whole + [0] * (10 - len(whole))
    assert [len(part) for part in (dataset.train, dataset.validation, dataset.test)] == [108, 20, 32]


@pytest.mark.slow
def test_a_trial_fine_tunes_and_goes_on_bit_for_bit(root: Path) -> None:
    expected = result_of(root)
    assert expected.test.logits.shape == (32, 20)
    run = TrialRun(expected.trial, load_dataset(expected.trial, root, CPU), CPU)
    before = [parameter.detach().clone() for parameter in run.model.parameters()]
    run.advance()
    # The pooler of the first output, the embeddings and all between them are trained.
    assert all(not torch.equal(a, b) for a, b in zip(before, run.model.parameters(), strict=True))
    state = run.state()
    torch.manual_seed(3)
    again = TrialRun(expected.trial, load_dataset(expected.trial, root, CPU), CPU)
    again.restore(state)
    again.advance()
    assert torch.equal(again.result().test.logits, expected.test.logits)
    last = last_linear(run.model)
    assert last is not None and last.out_features == 20
    learned = result_of(root, epochs=20, learning_rate=2e-3)
    first, last_loss = (float(learned.epochs[epoch]["train_loss"] or 0) for epoch in (0, -1))
    assert last_loss < 0.8 * first


def test_padding_is_not_attended_to(root: Path) -> None:
    trial = resolve(DATASET, "bert", "brier", 0)
    model = TrialRun(trial, load_dataset(trial, root, CPU), CPU).model.eval()
    short = torch.tensor([[2, 5, 6, 3]], dtype=torch.int32)
    longer = torch.nn.functional.pad(short, (0, 5))
    torch.testing.assert_close(model(short), model(longer), rtol=1e-4, atol=1e-6)


def test_the_fingerprint_is_of_the_pretrained_network_too(root: Path) -> None:
    before = datasets.load(DATASET[0], root, **DATASET[1]).fingerprint
    weights = root / "tiny-bert" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert datasets.load(DATASET[0], root, **DATASET[1]).fingerprint != before


def test_a_missing_part_is_named_and_not_downloaded(root: Path) -> None:
    with pytest.raises(DataError, match=r"bert-base-uncased/config\.json is missing"):
        datasets.load("twenty_newsgroups_bert", root)
    weights = root / "tiny-bert" / "model.safetensors"
    weights.rename(weights.with_name("other"))
    with pytest.raises(DataError, match=r"tiny-bert/\*\.safetensors is missing"):
        result_of(root)
    weights.write_bytes(b"none")
    with pytest.raises(DataError, match="tiny-bert has no readable BERT weights"):
        result_of(root)
    with pytest.raises(ConfigurationError, match="takes wordpieces input"):
        resolve("twenty_newsgroups", "bert", "brier", 0)


def test_a_table_of_texts_is_read_for_bert(root: Path) -> None:
    rows = [f"It is about Topic{i % 2},{'ab'[i % 2]}" for i in range(18)]
    path = root / "texts.csv"
    path.write_text("\n".join(["text,label", *rows]), encoding="utf-8")
    own = ("text_table_bert", {"path": str(path), "pretrained": "tiny-bert", "length": 11})
    trial = resolve(own, "bert", "brier", 0, training={"epochs": 1, "batch_size": 5})
    result = run_trial(trial, root=root, device=CPU)
    dataset = load_dataset(trial, root, CPU)
    assert [len(dataset.train), len(dataset.validation), len(dataset.test)] == [12, 2, 4]
    pieces = {0: [2, 5, 6, 7, 9, 10, 3, 0, 0, 0, 0], 1: [2, 5, 6, 7, 9, 11, 3, 0, 0, 0, 0]}
    assert dataset.test.inputs.tolist() == [pieces[label] for label in dataset.test.labels.tolist()]
    assert result.test.logits.shape == (4, 2)
    with pytest.raises(ConfigurationError, match="takes document input"):
        resolve(own, "text_cnn", "brier", 0)
