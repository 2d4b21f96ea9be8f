"""From a file that somebody else's program wrote to a checkpoint of this project."""

from pathlib import Path

from ..checkpoint import PICKLE_STARTS, Checkpoint, Provenance
from ..verify import file_sha256
from .deepdeblur import VALUE_RANGES, convert_deepdeblur
from .layout import ConversionError, listed
from .pickled import load_tensors
from .srn_deblur import convert_srn_deblur, model_name, steps_taken
from .tensorflow_checkpoint import FIRST_DATA_SUFFIX, find_prefix, read_variables

KNOWN = "Known are the .pt files of DeepDeblur-PyTorch and the TensorFlow checkpoints of SRN-Deblur"


def convert(
    source: Path, value_range: int | None = None, blur: str | None = None, licence: str = "", trained_on: str = ""
) -> Checkpoint:
    """Reads a checkpoint of an official code; its kind is found out.

    Args:
        source: A ``.pt`` file of DeepDeblur-PyTorch, or an SRN-Deblur checkpoint of TensorFlow: its folder, one of
            its files, or their common name.
        value_range: 255 or 1, the ``rgb_range`` of a DeepDeblur-PyTorch network; none for its default, 255.
        blur: Folder of the GOPRO data that the network was trained on, ``blur`` or ``blur_gamma``; none for the
            official code's default. It goes into the note, because a network does badly on the other one.
        licence: SPDX identifier or name of the weights' licence.
        trained_on: The training data and their terms.

    Raises:
        FileNotFoundError: There is no such file.
        ConversionError: The file is of no known kind, is damaged, holds code, or its tensors are not those of the
            network.
    """
    if prefix := find_prefix(source):
        if value_range is not None:
            raise ConversionError(f"{source}: SRN-Deblur has a single value range, so none can be given")
        variables = read_variables(prefix)
        config, state_dict = convert_srn_deblur(variables)
        step, usual_blur = steps_taken(variables), "blur"
        note = f'Tao et al. 2018, SRN-Deblur\'s model "{model_name(config)}".'
        hashed, options = prefix.with_name(prefix.name + FIRST_DATA_SUFFIX), ""
    elif source.is_dir():
        raise ConversionError(f"{source} is a folder without a TensorFlow checkpoint. {KNOWN}")
    elif source.is_file():
        value_range = value_range or VALUE_RANGES[0]
        config, state_dict = convert_deepdeblur(_generator(source), value_range)
        step, usual_blur = 0, "blur_gamma"
        note = f"Nah et al. 2017, DeepDeblur-PyTorch, trained on values from 0 to {value_range}; here they are 0 to 1."
        hashed, options = source, f" --range {value_range}"
    else:
        raise FileNotFoundError(f"no checkpoint {source}")
    trained = f"Trained on GOPRO's {blur}." if blur else f"The official code trains on GOPRO's {usual_blur}."
    provenance = Provenance(
        trained_on=trained_on,
        recipe=f"python -m weights convert {source.name}{options}; SHA-256 of {hashed.name}: {file_sha256(hashed)}",
        step=step,
        licence=licence,
        note=f"{note} {trained}",
    )
    return Checkpoint(config, state_dict, provenance)


def _generator(path: Path) -> dict[str, object]:
    with path.open("rb") as file:
        start = file.read(8)
    if not start.startswith(PICKLE_STARTS):
        what = "a safetensors file already" if path.suffix == ".safetensors" else "of no known kind"
        raise ConversionError(f"{path} is {what}. {KNOWN}")
    content = load_tensors(path)
    if not isinstance(content, dict) or not isinstance(content.get("G"), dict):
        found = listed(map(str, content)) if isinstance(content, dict) else type(content).__name__
        raise ConversionError(
            f"{path}: expected DeepDeblur-PyTorch's dictionary with the network under 'G', found {found}"
        )
    if extra := sorted(str(key) for key in content if key not in ("G", "D")):
        raise ConversionError(
            f"{path}: expected entries 'G' and perhaps 'D', the discriminator; also found {listed(extra)}"
        )
    return content["G"]
