"""fastdl: a download manager that never hands over a wrong byte."""

__version__ = "0.1.0"
