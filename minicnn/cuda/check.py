"""python -m minicnn.cuda.check: is everything right on this GPU?"""

if __name__ == "__main__":
    import sys

    from minicnn.verify.cuda_check import main

    sys.exit(main())
