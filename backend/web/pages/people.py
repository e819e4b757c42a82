"""The annotators in a review, by name."""

from collections.abc import Mapping

from backend.types import Json


def with_names(review: Json, names: Mapping[int, str]) -> Json:
    """The same review with the `name` of each annotator, where there are any; of a user whose name
    is not known, the number."""
    annotators = review.get("annotators")
    if not annotators:
        return review
    people = [
        {**row, "name": names.get(row["person"], f"user {row['person']}")}
        for row in annotators["people"]
    ]
    return {**review, "annotators": {**annotators, "people": people}}
