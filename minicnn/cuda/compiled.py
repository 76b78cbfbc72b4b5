"""python -m minicnn.cuda.compiled: what does the compiler make of every kernel?"""

if __name__ == "__main__":
    import sys

    from minicnn.commands.exit_codes import exit_code
    from minicnn.console import showing_anything
    from minicnn.verify.cuda_compiles import main

    with showing_anything():
        sys.exit(exit_code("minicnn.cuda.compiled", main))
