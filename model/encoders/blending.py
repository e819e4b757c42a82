"""An encoder between the pretrained one and one that was tuned from it: a project begins with it
where an earlier one has left its encoder."""

from pathlib import Path

import torch

from model.encoders.joint import JointEncoder
from model.types import EncoderSpec

SHARE = 0.5
"""How far the weights lie from the pretrained ones towards the tuned ones. Accuracy at 0, 20 and
100 labels, three seeds, with none, half and all of an encoder that was tuned on 400 labels of
TREC-6: on other texts of TREC-6 .48, .59 and .69; .77, .92 and .95; .78, .92 and .95; on BANKING77
.66, .67 and .73; .59, .60 and .67; .27, .17 and .35."""


def blended(spec: EncoderSpec, tuned: Path, share: float = SHARE) -> JointEncoder:
    """The encoder of this spec with weights between the pretrained ones and those in `tuned`.

    Tuned networks lose what the labels at hand do not need, and half way back most of it is there
    again, while what was learnt stays (Wortsman et al. 2022, "Robust fine-tuning of zero-shot
    models", arXiv:2109.01903). share: of the tuned weights, in [0, 1]. Raises NotAnEncoder.
    """
    encoder, pretrained = JointEncoder(spec, tuned), JointEncoder(spec).network.state_dict()
    encoder.forget_windows()  # it is to be tuned, and what was learnt is of other labels
    weights = encoder.network.state_dict()
    for name, theirs in pretrained.items():
        ours = weights.get(name)
        # A network of another size under the same name has nothing between the two.
        if ours is not None and ours.shape == theirs.shape and ours.is_floating_point():
            weights[name] = torch.lerp(theirs, ours, share)
    encoder.network.load_state_dict(weights)
    encoder.forget_copy()
    return encoder
