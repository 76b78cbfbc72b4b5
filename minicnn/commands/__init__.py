"""What the command line can do, one command a file.

Each file has two functions: `add` describes the command's options to argparse, and `run` does it.
What several commands share is in options.py.
"""
