"""Training on several machines: processes of one job, called ranks, that communicate over MPI.

tree.py       the order in which gradients are added
shards.py     a batch in shards, and which of them a rank computes
hybrid.py     and fully connected layers in slices: the hybrid of 2014
alone.py      a job of one rank, which needs no MPI
ranks.py      a job of several ranks over MPI, its start and its failures
    columns.py    two columns on two ranks: each has the weights of one
    traffic.py    predicts what crosses the network in a step
"""
