"""python -m minicnn.cuda.compiled: what does the compiler make of every kernel?"""

if __name__ == "__main__":
    import sys

    from minicnn.verify.cuda_compiles import main

    sys.exit(main())
