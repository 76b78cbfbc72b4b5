"""The order in which the arrays of shards are added: a binary tree.

The rounding of a sum depends on its order.  This order depends on the number of shards alone:

    shards 0 … 4        0   1   2   3   4
    level 1             0 + 1   2 + 3   4
    level 2               01 + 23       4
    level 3                 0123 + 4

A node is (level, number): (1, 1) is the sum of shards 2 and 3.
"""


def add_leaf(nodes, shard, flat):
    """Append a shard's array to a list of (node, array), and add up siblings, in place."""
    nodes.append(((0, shard), flat))
    while len(nodes) > 1:
        (level, number), left = nodes[-2]
        if number % 2 or nodes[-1][0] != (level, number + 1):
            return
        _, right = nodes.pop()
        left += right
        nodes[-1] = ((level + 1, number // 2), left)


def root(nodes):
    """Return the sum of {node: array}, in the order of the tree; the arrays may be changed.

    A node without a sibling is its own parent's sum.
    """
    level = 0
    while len(nodes) > 1:
        for node in sorted(node for node in nodes if node[0] == level):
            parent, array = (level + 1, node[1] // 2), nodes.pop(node)
            if parent in nodes:  # the left sibling came first
                nodes[parent] += array
            else:
                nodes[parent] = array
        level += 1
    return next(iter(nodes.values()))
