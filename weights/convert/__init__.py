"""Other people's checkpoints as checkpoints of this project."""

from .deepdeblur import convert_deepdeblur
from .layout import ConversionError
from .official import convert
from .srn_deblur import convert_srn_deblur

__all__ = ["ConversionError", "convert", "convert_deepdeblur", "convert_srn_deblur"]
