"""Encoder-decoder models that write a text for a text: summaries and translations."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from transformers import AutoModelForSeq2SeqLM

from errors import ModelError
from models.adapter import UNLIMITED, Advance, Examples, Predictions, Trained
from models.contracts import Budget, ModelKind
from models.loading import PROBED_FROM, load_parts, longest, pad_behind, positions_of, read_config, token_batches
from models.neighbours import refuse_neighbours
from models.prompts import Prompts
from models.recipe import Training
from models.threads import choose_threads
from models.writing import IGNORED, collator, logit_tokens, require_answers, token_losses, write


class Seq2Seq:
    """An encoder-decoder with its tokenizer on the fastest device at hand."""

    def __init__(self, model: Any, tokenizer: Any, kind: ModelKind) -> None:
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.model, self.tokenizer = model.to(self.device), tokenizer
        self.asked, self.new_tokens = kind.generation, kind.generation.max_new_tokens or 0
        self.max_tokens = longest(model.get_encoder(), kind)
        pad_behind(tokenizer, model.get_encoder())
        self.prompts = Prompts(tokenizer, self.asked, lambda words: tokenizer(words)["input_ids"])
        if self.prompts.around >= self.max_tokens:
            raise ModelError(f"generation.prompt leaves no room for a text: it takes {self.prompts.around} tokens, and the encoder "
                             f"(model.max_tokens) has {self.max_tokens} positions; write a shorter one, or a larger "
                             "model.max_tokens where the model has it")  # fmt: skip
        room = positions_of(model.get_decoder())
        if room is not None and self.new_tokens > room:
            raise ModelError(f"generation.max_new_tokens = {self.new_tokens}, and the decoder has {room} positions; write "
                             f"{room} or less")  # fmt: skip

    @classmethod
    def load(cls, folder: Path, kind: ModelKind, *, new_head: bool) -> Self:
        """What it writes with is its vocabulary: `new_head` changes nothing."""
        read_config(folder, kind)
        model, tokenizer = load_parts(AutoModelForSeq2SeqLM, folder, kind, wanted="an encoder-decoder")
        for name in ("decoder_start_token_id", "eos_token_id"):
            told = getattr(model.config, name, None)
            written = getattr(model.generation_config, name)
            _refuse_several(name, told, written, folder)
            told = written if told is None else told
            if told is None:
                raise ModelError(f"{folder}/config.json has no {name}: a decoder cannot tell where to "
                                 f"{'begin' if 'start' in name else 'end'}; set it and save the model")  # fmt: skip
            if written is None:
                setattr(model.generation_config, name, told)
            setattr(model.config, name, told[0] if isinstance(told, list) else told)  # where a training looks for it
        found = cls(model, tokenizer, kind)
        require_answers(found.model, tokenizer, kind.generation)
        refuse_neighbours(lambda rows: [_mean(*found._encode(rows))], found.model, tokenizer, folder, longest=found.max_tokens,
                          instead="begin with another kind of encoder-decoder (BART, T5 and their kin)")  # fmt: skip
        return found

    @torch.inference_mode()
    def predict(
        self, texts: Sequence[str], *, labels: Sequence[str | None] | None = None, advance: Advance
    ) -> Predictions:
        """What is written for each text, with the confidence in it; embeddings are the encoder's."""
        self.model.eval()
        tokens = self._tokenize(texts)
        if len(tokens) >= PROBED_FROM:
            choose_threads(lambda: self._encode(tokens[:8]))
        numbers = np.zeros((len(tokens), 1), np.float32)
        embeddings = np.zeros((len(tokens), self._width()), np.float32)
        written = [""] * len(tokens)
        lengths = [max(len(ids), self.new_tokens) for ids in tokens]
        for batch in token_batches(lengths, tokens=logit_tokens(self.model)):
            said, confidence, embedding = self._answer([tokens[i] for i in batch])
            numbers[batch, 0], embeddings[batch] = confidence, embedding
            for i, text in zip(batch, said, strict=True):
                written[i] = text
            advance(len(batch))
        return Predictions(numbers, embeddings, written)

    def fine_tune(
        self, train: Examples, validation: Examples, *, training: Training, seed: int, work: Path, advance: Advance,
        budget: Budget = UNLIMITED,
    ) -> Trained:  # fmt: skip
        from models.training import Lesson, fine_tune  # the Trainer costs six seconds of imports

        lesson = Lesson(self._dataset(train), self._dataset(validation),
                        collator(self.tokenizer, self.model), lora_task="SEQ_2_SEQ_LM",
                        embeddings_learn=True, probe=lambda: self._encode([[self._end] * 32] * 8))  # fmt: skip
        self.model, trained = fine_tune(
            self.model, lesson, training=training, seed=seed, work=work, advance=advance, budget=budget
        )
        return trained

    def save(self, folder: Path) -> None:
        self.model.float().save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    def _tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        if not len(texts):
            return []
        return [ids or [self._end] for ids in self._asked(texts)]

    def _asked(self, texts: Sequence[str]) -> list[list[int]]:
        before, *between, behind = self.asked.prompt.split("{text}")
        kept = before if self.tokenizer.truncation_side == "left" else behind
        asked = [self.asked.ask(text) for text in texts]
        if not between and not kept:  # what the tokenizer cuts is of the text
            return self.tokenizer(asked, truncation=True, max_length=self.max_tokens)["input_ids"]
        return [self.prompts.of(text, room=self.max_tokens) for text in texts]

    def _dataset(self, examples: Examples) -> Any:
        from datasets import Dataset

        tokens = self._tokenize(examples.texts)
        read = self.tokenizer(text_target=list(examples.labels), truncation=True, max_length=self.new_tokens)
        # mBART's end comes before the mark of the language, which its decoder begins with
        labels = [ids if self._end in ids[-2:] else [*ids[: self.new_tokens - 1], self._end]
                  for ids in read["input_ids"]]  # fmt: skip
        return Dataset.from_dict({"input_ids": tokens, "labels": labels, "length": [len(ids) for ids in tokens]})

    @property
    def _end(self) -> int:
        return int(self.model.config.eos_token_id)

    def _width(self) -> int:
        config = self.model.config
        return int(config.encoder.hidden_size if hasattr(config, "encoder") else config.hidden_size)

    def _encode(self, tokens: list[list[int]]) -> tuple[Any, Any]:
        batch = self.tokenizer.pad({"input_ids": tokens}, return_tensors="pt").to(self.device)
        inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
        return inputs, self.model.get_encoder()(**inputs)

    def _answer(self, tokens: list[list[int]]) -> tuple[list[str], np.ndarray, np.ndarray]:
        inputs, encoded = self._encode(tokens)
        said = [row[1:] for row in write(self.model, self.tokenizer, self.asked, self.new_tokens, **inputs)]
        confidence = self._confidence(inputs, encoded, said)
        texts = self.tokenizer.batch_decode(said, skip_special_tokens=True)
        return texts, confidence, _mean(inputs, encoded).float().cpu().numpy()

    def _confidence(self, inputs: Any, encoded: Any, said: list[list[int]]) -> np.ndarray:
        """The geometric mean of the probabilities of the tokens that were written."""
        length = max(1, *map(len, said))
        labels = torch.full((len(said), length), IGNORED, device=self.device)
        for i, row in enumerate(said):
            labels[i, : len(row)] = torch.tensor(row, device=self.device)
        begin = self.model.generation_config.decoder_start_token_id
        begun = torch.full((len(said), 1), begin, device=self.device)
        given = torch.cat(
            [begun, labels[:, :-1].masked_fill(labels[:, :-1] == IGNORED, self.tokenizer.pad_token_id)], 1
        )
        output = self.model(encoder_outputs=encoded, attention_mask=inputs["attention_mask"], decoder_input_ids=given)
        losses, counts = token_losses(output.logits, labels), (labels != IGNORED).sum(1).clamp(min=1)
        return torch.exp(-losses.sum(1) / counts).cpu().numpy()


def _refuse_several(name: str, in_config: Any, in_generation: Any, folder: Path) -> None:
    """transformers takes a list of beginnings for those of a batch's rows, one each; of ends, for any of them."""
    for told, file in ((in_config, "config.json"), (in_generation, "generation_config.json")):
        if name == "decoder_start_token_id" and isinstance(told, list):
            raise ModelError(f"{folder}/{file} says {name}: {told}, and every answer begins with the same token; set it to one number "
                             "and save the model")  # fmt: skip


def _mean(inputs: Any, encoded: Any) -> torch.Tensor:
    """rows × width: the encoder's last layer, of a row's own tokens."""
    hidden, mask = encoded.last_hidden_state, inputs["attention_mask"].unsqueeze(-1)
    mean: torch.Tensor = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1)
    return mean
