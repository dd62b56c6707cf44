"""Lays out the hosted example: `python -m examples.hosted.prepare FOLDER [--cache CACHE]`, from the checkout.

Tweets, then sentences from film reviews, each with the right answer to the spec's question; and the provider's two models,
small chat models that are trained here on other rows, for `transformers serve` (gateway.py) to answer with: an earlier one
that has read tweets alone, and a later one that has read film reviews as well.
"""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from examples.fetching import shuffled, write_batch
from examples.hosted.gateway import free_port, require_packages
from examples.laying_out import lay_out
from examples.sentiment.prepare import Row, download, read_corpus
from examples.small_models import save_gpt2, save_tokenizer
from models.adapter import Examples
from models.contracts import ModelKind
from models.recipe import Training
from models.spec import read_spec

EARLIER, LATER = "reader-2026-02-01", "reader-2026-08-01"
FILMS = {EARLIER: 0, LATER: 4000}
"""Film sentences that each model reads beside the tweets."""
EPOCHS = 4
WORDS, TOKENS, SEED = 2048, 256, 13
TEMPLATE = "{% for message in messages %}{{ message['content'] }}\n{% endfor %}"
ANSWERS = {"positive": "A", "negative": "B"}
"""Of one length and without a letter in common, so that chrF and ROUGE-L are both the share that is right. With yes and no,
chrF was 70 % where 57 % were right: it counts every character, and yes has more of them."""


def prepare(folder: Path, *, cache: Path) -> None:
    """FOLDER/batches/day-*.csv, FOLDER/models/*, FOLDER/spec.yaml and newer.yaml, which names the later model."""
    require_packages()
    sdist = download(cache)
    tweets, films = (shuffled(read_corpus(sdist, name)) for name in ("tweets", "movieReviewSnippets"))
    batches = {
        "day-0.csv": tweets[:500],
        "day-1.csv": tweets[500:750],
        "day-2.csv": films[:400],
        "day-3.csv": films[400:900],
    }
    for name, rows in batches.items():
        write_batch(folder / "batches" / name, ("id", "text", "answer", "source"), [answered(row) for row in rows])
    write_specs(folder, port=free_port())
    kind = read_spec(folder / "spec.yaml").kind
    for name, some in FILMS.items():
        train(folder / "models" / name, shuffled(tweets[750:] + films[900 : 900 + some]), kind)


def answered(row: Row) -> tuple[str, str, str, str]:
    return row.id, row.text, ANSWERS[row.label], row.source


def write_specs(folder: Path, *, port: int) -> None:
    """spec.yaml, and the same with the later model's id: all that its user changes when the provider has a new one."""
    told = (Path(__file__).parent / "spec.yaml").read_text(encoding="utf-8").replace(":8000/", f":{port}/")
    (folder / "spec.yaml").write_text(told, encoding="utf-8")
    (folder / "newer.yaml").write_text(told.replace(EARLIER, LATER), encoding="utf-8")


def train(folder: Path, rows: Sequence[Row], kind: ModelKind) -> None:
    """A GPT-2 with a chat template, from random weights, that learns to answer the spec's question about these rows."""
    from models.causal_lm import CausalLM

    print(f"{folder.name}: a small GPT-2 reads {len(rows):,} rows, a minute or so", flush=True)
    asked = kind.generation.model_copy(update={"chat": True})
    local = kind.model_copy(update={"hosted": None, "generation": asked, "max_tokens": TOKENS})
    save_chat_model(folder, [asked.ask(row.text) for row in rows])
    model = CausalLM.load(folder, local, new_head=False)
    lessons = [Examples([row.text for row in part], [ANSWERS[row.label] for row in part])
               for part in (rows[:-250], rows[-250:])]  # fmt: skip
    training = Training(epochs=EPOCHS, learning_rate=0.001, batch_size=32, evaluations=4)
    with TemporaryDirectory() as work:
        model.fine_tune(*lessons, training=training, seed=SEED, work=Path(work), advance=lambda rows: None)
    model.save(folder)


def save_chat_model(folder: Path, texts: Sequence[str]) -> None:
    from transformers import AutoTokenizer

    save_tokenizer([*texts, *ANSWERS.values()], folder, words=WORDS)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    save_gpt2(folder, words=WORDS, width=128, layers=2, tokens=TOKENS)


if __name__ == "__main__":
    lay_out(prepare)
