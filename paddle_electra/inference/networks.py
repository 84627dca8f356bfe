"""From a checkpoint to the networks that answer.

Every network takes input_ids, token_type_ids and attention_mask, (batch, length) int64 each, and
gives a tuple of tensors, so that one engine runs all of them:

- "encoder": hidden states (batch, length, hidden), pooled (batch, hidden);
- "task": what the fine-tuned head of `Networks.task` gives;
- "generator": what the masked-language head makes of the states, (batch, length, embedding); times
  `Networks.output_table` it is the logits of the vocabulary;
- "discriminator": the logit of each token of having been replaced, (batch, length).
"""

from paddle import nn

from ..checkpoint.names import ENCODER_PREFIX
from ..checkpoint.native import load_weights, starting_with, with_embeddings
from ..errors import InputError
from ..modeling.electra import (
    ElectraDiscriminator,
    ElectraForSequenceClassification,
    ElectraGenerator,
    ElectraModel,
)
from ..modeling.kernels import gelu
from ..modeling.reading import ElectraForQuestionAnswering
from ..modeling.tagging import ElectraForTokenClassification
from .inputs import CLASSIFYING

NAMES = ("encoder", "task", "generator", "discriminator")
KINDS = (*CLASSIFYING, "token-cls", "qa")


class Networks:
    """The networks of one model, each built from the weights when it is first asked for.

    Args:
        checkpoint: a `Checkpoint`.

    Attributes: ``config``, ``task`` (content of ``task.json`` or None), ``labels`` (one answer per
    class, None without a head), ``source``, ``in_memory`` (is a network not that of the files?).
    """

    kinds = KINDS  # of tasks whose heads it knows

    def __init__(self, checkpoint):
        self.checkpoint = checkpoint
        self.config, self.task, self.source = checkpoint.config, checkpoint.task, checkpoint.source
        self.labels = None if self.task is None else task_labels(self.task, self.source, self.kinds)
        self._layers = {}
        self.in_memory = False

    def layer(self, name):
        """The network called ``name``, in evaluation mode.

        Raises:
            InputError: the checkpoint has no such half or head, or lacks weights of it.
        """
        if name not in self._layers:
            self._layers[name] = getattr(self, f"_build_{name}")()
        layer = self._layers[name]
        layer.eval()  # a caller may have trained it since
        return layer

    def put(self, name, layer):
        """Let ``layer`` be the network called ``name``, in place of the weights' own."""
        self.in_memory = True
        self._layers[name] = layer

    def _build_encoder(self):
        if self.task is not None:
            return Encoder(self.layer("task").electra)
        encoder = ElectraModel(self.config)
        weights = encoder_weights(self.checkpoint.need_discriminator())
        load_weights(encoder, weights, self.source)
        return Encoder(encoder)

    def _build_task(self):
        if self.task is None:
            raise InputError(
                f"{self.source}: this model has no head for a task; fine-tune it with "
                f"`paddle-electra finetune`, or load a fine-tuned directory"
            )
        network = self.task_network()
        load_weights(network, self.checkpoint.discriminator, self.source)
        return network

    def task_network(self):
        """An untrained network for the task."""
        return task_network(self.config, self.task, self.labels)

    def _build_discriminator(self):
        if self.task is not None:
            raise InputError(
                f"{self.source}: fine-tuning replaced the head that detects replaced tokens; "
                f"give the pretrained model"
            )
        network = ElectraDiscriminator(self.config)
        load_weights(network, self.checkpoint.need_discriminator(), self.source)
        return network

    def _build_generator(self):
        """Built from the weights alone, so that it also serves a generator without the other."""
        if self.checkpoint.generator is None:
            raise InputError(
                f"{self.source}: this model has no generator, which fills in masked tokens; give "
                f"a pretrained model with both halves"
            )
        network = ElectraGenerator(self.config)
        weights = self.checkpoint.generator
        if self.config.tied_embeddings:
            weights = with_embeddings(weights, self.checkpoint.need_discriminator())
        load_weights(network, weights, self.source)
        return GeneratorStates(network)

    def output_table(self):
        """(word embeddings [vocabulary, embedding], bias [vocabulary]) of the generator's head.

        Two float32 arrays; "generator"'s states times the first, plus the second, are the logits.
        """
        generator = self.layer("generator").generator
        table = generator.electra.embeddings.word_embeddings.weight
        return table.numpy(), generator.head.bias.numpy()


class Encoder(nn.Layer):
    """Hidden states and the pooled one."""

    def __init__(self, electra):
        super().__init__()
        self.electra = electra

    def forward(self, input_ids, token_type_ids, attention_mask):
        """((batch, length, hidden), (batch, hidden))."""
        hidden = self.electra(input_ids, token_type_ids, attention_mask)
        return hidden, self.electra.pool(hidden)


class GeneratorStates(nn.Layer):
    """A generator up to its product with the vocabulary, which is wanted at few positions."""

    def __init__(self, generator):
        super().__init__()
        self.generator = generator

    def forward(self, input_ids, token_type_ids, attention_mask):
        """(batch, length, embedding)."""
        head = self.generator.head
        hidden = self.generator.electra(input_ids, token_type_ids, attention_mask)
        return head.layer_norm(gelu(head.dense(hidden)))


def task_network(config, task, labels):
    """An untrained network for what a ``task.json`` describes."""
    kind = task["kind"]
    if kind == "qa":
        return ElectraForQuestionAnswering(
            config,
            task.get("joint_prediction", True),
            task.get("beam_size", 20),
            task.get("answerable_classifier", True),
            task.get("answerable_uses_start_logits", True),
        )
    if kind == "token-cls":
        return ElectraForTokenClassification(config, len(labels))
    return ElectraForSequenceClassification(config, len(labels))


def encoder_weights(tensors):
    """The tensors of the encoder alone, named as `ElectraModel` names them."""
    return starting_with(tensors, ENCODER_PREFIX, strip=True)


def task_labels(task, source, kinds=KINDS):
    """The labels of a fine-tuned checkpoint's ``task``, checked; None for reading."""
    kind, labels = task.get("kind"), task.get("labels")
    if kind not in kinds:
        raise InputError(f"{source}: its task is of kind {kind!r}; there are: {', '.join(kinds)}")
    if kind == "qa":
        return None
    if not isinstance(labels, list) or len(labels) != task.get("num_classes", len(labels)):
        raise InputError(f"{source}: task.json: 'labels' must list one label per class")
    return labels


def task_columns(task, source):
    """{"text_a": its name, ...}: columns that fine-tuning was told the names of, perhaps none."""
    columns = (task or {}).get("columns", {})
    if not isinstance(columns, dict) or not all(isinstance(n, str) for n in columns.values()):
        raise InputError(
            f"{source}: task.json: 'columns' must be an object of names of columns, such as "
            f'{{"text_a": "text"}}; mend or remove it'
        )
    return columns
