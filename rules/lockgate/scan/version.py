"""The version of the scanner, as its distribution and its reports name it.

Read from here because asking the installation takes a twentieth of a small scan.
"""

__version__ = "0.1.0"
