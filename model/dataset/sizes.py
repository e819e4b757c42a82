"""How large a dataset's parts are, and what helps when they are damaged, for those who need no
Parquet to know it."""

PART_ITEMS = 8192
"""Items of a part, at most: a killed run loses the work on one part."""

ENOUGH_PARTS = 13
"""An encoder that has encoded so many parts of a dataset, some 100,000 items, can rank it: the
first items that it chooses are then of the best ten thousandth, and more would hardly be better."""

ADD_AGAIN = (
    "Take the dataset away and add it again (python -m backend pool remove, then add): tasks and "
    "labels stay"
)
"""What to do about a dataset whose files are damaged."""
