"""What ``python -m deblur`` does; the part of this package that knows files."""
