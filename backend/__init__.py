"""Label Studio's side: the wire contract, the mirror of its tasks, rounds and publishing."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path


def _find_our_model() -> None:
    """A folder of label-studio-ml has a file model.py, and our learning side is a package of that
    name. If theirs was imported before, ours is found below it: a module with a path is a package,
    too. If not, ours comes first: the trainer process starts in that folder and needs no theirs."""
    folder = Path(__file__).parent.parent / "model"
    named = sys.modules.get("model")
    if named is None:
        spec = spec_from_file_location("model", folder / "__init__.py")
        assert spec is not None and spec.loader is not None
        sys.modules["model"] = module_from_spec(spec)
        spec.loader.exec_module(sys.modules["model"])
    elif not hasattr(named, "__path__"):
        named.__path__ = [str(folder)]


_find_our_model()
