"""A folder that `model.export` wrote, read back: the encoder and the head that it was made from.

The folder's network has one layer more than the encoder, and the last of the encoder's own layers
is scaled by a power of two, which rounds nothing. What cannot be told from it stands in its folder
`origin`: the encoder's config, tokenizer and recipe, the head, and what the encoder was made from.
Nothing here needs torch.
"""

from pathlib import Path

from safetensors.numpy import load_file, save_file

from model.storage.damage import Damaged, check_arrays, json_of, whole
from model.storage.earlier import META, Earlier, copy_folder, read_facts
from model.storage.heads import NAME as HEAD

ORIGIN, WEIGHTS = "origin", "model.safetensors"
NEEDED = ("config.json", "recipe.json", "tokenizer.json", "tokenizer_config.json")
"""What is in the folder `origin` beside the facts and the head."""

GAIN = 2.0**10
"""By this an exported network scales one of two summands up, or down, so that only one counts. A
power of two, which rounds nothing; small enough that the network can be run in float16, too."""


def is_exported(folder: Path) -> bool:
    """Whether `model.export` of this release wrote the folder."""
    return (folder / ORIGIN / META).is_file()


def exported_of(folder: Path) -> Earlier:
    """What an exported folder was made from.

    Raises Damaged when it is not whole, WrittenLater when a later release wrote it.
    """
    check_arrays(folder / WEIGHTS)
    for name in NEEDED:
        json_of(folder / ORIGIN / name)
    return read_facts(folder / ORIGIN)


def write_encoder(folder: Path, target: Path) -> None:
    """Write the encoder of an exported folder as a folder that `TextEncoder` loads: exactly the
    weights that were exported, in float32. Raises Damaged when something is missing."""
    origin = folder / ORIGIN
    copy_folder(origin, target, (META, HEAD))
    layers = int(json_of(origin / "config.json").get("num_hidden_layers", 0))
    with whole(folder / WEIGHTS):
        arrays = load_file(folder / WEIGHTS)
    gain = gain_of(of_spans=read_facts(origin).spec.layout[0] == "tokens", pooling=_pooling(origin))
    own = {}
    for name, array in arrays.items():
        part, _, rest = name.partition(".")
        if part != "classifier" and not rest.startswith(f"encoder.layer.{layers}."):
            own[rest] = array
    for kind in ("weight", "bias"):
        name = f"encoder.layer.{layers - 1}.output.LayerNorm.{kind}"
        if name not in own:
            raise Damaged(f"its {WEIGHTS} is not what was written")
        own[name] = own[name] / gain
    save_file(own, target / WEIGHTS, metadata={"format": "pt"})


def gain_of(*, of_spans: bool, pooling: str) -> float:
    """By what the last of the encoder's layers is scaled in an exported network."""
    return 1.0 / GAIN if pooling == "mean" and not of_spans else GAIN


def _pooling(origin: Path) -> str:
    return str(json_of(origin / "recipe.json").get("pooling"))
