"""The claims of the paper, put to the test on CIFAR-10.

    python -m minicnn claims              each claim, what the paper says, what came out, a verdict
    python -m minicnn claims 4 11         do the runs of claims 4 and 11 that are not done yet
    python -m minicnn claims --list       what is done, and how long the rest takes on this machine

Read the files in this order:

    table.py        the claims: what the paper says, and which arms are compared
    arms.py         the arms: what each one trains, and how
    runs.py         one run: training, the errors at its end, and a line in the journal
    driver.py       all runs of a claim: the choice of ε first, then one run for each seed
    intervals.py    95% intervals, and the rule of a verdict
    findings.py     from the lines of the journal to the finding of each claim
    report.py       the findings as a table, as pages and as figures

An arm is one way to train: a network, its data and its options.  Arms that are compared differ in
one thing.  Each arm has its own best ε, chosen on training images that are held out, and the test
images are looked at once, at the end of a run.
"""
