"""The commands of the command line, one per file.

Each file has two functions: `add` adds the command and its options to argparse, and `run` runs it.
Options that several commands share are in options.py.
"""
