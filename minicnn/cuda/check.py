"""python -m minicnn.cuda.check: is everything right on this GPU?"""

if __name__ == "__main__":
    import sys

    from minicnn.commands.exit_codes import exit_code
    from minicnn.console import showing_anything
    from minicnn.verify.cuda_check import main

    with showing_anything():
        sys.exit(exit_code("minicnn.cuda.check", main))
