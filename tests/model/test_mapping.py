"""A map of a pool: places by t-SNE and by components, and the words of its regions."""

from collections.abc import Sequence

import numpy as np
import pytest

from model.mapping.draft import principal
from model.mapping.layout import NEIGHBOURS, laid_out
from model.mapping.regions import MOST_TEXTS, Region, named_regions, read_rows, terms_of
from model.types import Floats, Ints

pytestmark = pytest.mark.usefixtures("one_thread")


def blobs(count: int, dimension: int = 20, spread: float = 0.3) -> tuple[Floats, Ints]:
    """Vectors (count, dimension) of three Gaussians, and which one each is of, in turn."""
    rng = np.random.default_rng(0)
    centres, group = rng.standard_normal((3, dimension)), np.arange(count) % 3
    noise = spread * rng.standard_normal((count, dimension))
    return (centres[group] + noise).astype(np.float16), group


def drawn(vectors: Floats, start: Floats | None = None, seed: int = 0) -> Floats:
    return laid_out(vectors, start, seed, lambda _: None)


def agreement(positions: Floats, group: Ints) -> float:
    """The share of points whose nearest neighbour is of the same group."""
    apart = ((positions[:, None] - positions[None]) ** 2).sum(axis=2)
    np.fill_diagonal(apart, np.inf)
    return float((group[apart.argmin(axis=1)] == group).mean())


def moved(positions: Floats, before: Floats) -> float:
    """How far the points moved, at the median, as a share of the spread of the map before."""
    distance = np.linalg.norm(positions - before, axis=1)
    return float(np.median(distance) / np.sqrt(before.var(axis=0).sum()))


def partly_known(before: Floats, count: int) -> Floats:
    """A start for so many points, of which the first are where they were before."""
    start = np.full((count, 2), np.nan, np.float32)
    start[: len(before)] = before
    return start


def test_groups_of_vectors_are_groups_of_points() -> None:
    vectors, group = blobs(150)
    shares: list[float] = []
    positions = laid_out(vectors, None, 0, shares.append)
    assert positions.dtype == np.float32 and positions.shape == (150, 2)
    assert agreement(positions, group) == 1.0
    assert agreement(principal(vectors, 0), group) == 1.0
    assert shares[0] == NEIGHBOURS and shares[-1] <= 1.0
    assert shares == sorted(set(shares)) and len(shares) == 1 + 250 // 20 + 500 // 20


def test_the_same_seed_gives_the_same_map() -> None:
    vectors, _ = blobs(60)
    np.testing.assert_array_equal(drawn(vectors), drawn(vectors))
    np.testing.assert_array_equal(principal(vectors, 0), principal(vectors, 0))
    assert not np.array_equal(drawn(vectors), drawn(vectors, seed=1))


def test_what_is_read_from_disk_in_blocks_is_placed_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, _ = blobs(150)
    whole = principal(vectors, 0)
    monkeypatch.setattr("model.mapping.draft.BLOCK", 40)
    np.testing.assert_allclose(principal(vectors, 0), whole, atol=1e-6)


def test_components_of_a_sample_lie_the_same_way_round(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, _ = blobs(300)
    whole = principal(vectors, 0)
    monkeypatch.setattr("model.mapping.draft.SAMPLE", 150)
    np.testing.assert_allclose(principal(vectors, 0), whole, atol=0.2)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 300])
def test_wide_vectors_are_placed_as_if_they_had_few_columns(count: int) -> None:
    """All eigenvectors of the 4,224 columns of lists took 20 seconds of the server's processor."""
    narrow, _ = blobs(count)
    wide = np.hstack([narrow, np.zeros((count, 1200), np.float16)])
    np.testing.assert_allclose(principal(wide, 0), principal(narrow, 0), atol=0.01)
    assert np.isfinite(drawn(wide)).all()


def test_points_keep_their_places_and_new_ones_come_to_their_neighbours() -> None:
    """Vectors of no groups, which fall another way each time: the map is one that people know."""
    vectors, _ = blobs(240, spread=3.0)
    before = drawn(vectors[:200])
    positions = drawn(vectors, partly_known(before, 240))
    assert moved(positions[:200], before) < 0.25
    assert moved(drawn(vectors)[:200], before) > 0.5


def test_new_points_land_in_their_groups() -> None:
    vectors, group = blobs(180)
    start = partly_known(drawn(vectors[:150]), 180)
    assert agreement(drawn(vectors, start), group) == 1.0


def test_a_map_of_which_most_is_new_is_drawn_anew_from_what_was_there() -> None:
    vectors, group = blobs(150)
    shares: list[float] = []
    start = partly_known(drawn(vectors[:30]), 150)
    assert agreement(laid_out(vectors, start, 0, shares.append), group) == 1.0
    assert len(shares) == 1 + 250 // 20 + 500 // 20


@pytest.mark.parametrize("start", [np.full((60, 2), np.nan), np.zeros((60, 2))])
def test_a_start_that_says_nothing_is_none(start: Floats) -> None:
    vectors, _ = blobs(60)
    found, anew = drawn(vectors, start.astype(np.float32)), drawn(vectors)
    np.testing.assert_allclose(found - found.mean(axis=0), anew - anew.mean(axis=0), atol=1e-3)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 9, 10, 11, 31])
def test_a_tiny_pool_is_placed(count: int) -> None:
    vectors, _ = blobs(count)
    for found in (drawn(vectors), principal(vectors, 0)):
        assert found.shape == (count, 2) and found.dtype == np.float32
        assert np.isfinite(found).all()
    assert len(np.unique(drawn(vectors), axis=0)) == count


@pytest.mark.parametrize("count", [4, 150])
def test_equal_vectors_lie_side_by_side(count: int) -> None:
    vectors = np.full((count, 20), 0.3, np.float16)
    found = drawn(vectors)
    assert np.isfinite(found).all() and len(np.unique(found, axis=0)) == count
    assert principal(vectors, 0).tolist() == [[0.0, 0.0]] * count


def test_repeated_vectors_and_those_of_one_number_are_placed() -> None:
    vectors, _ = blobs(60)
    vectors[:40] = vectors[0]
    for some in (vectors, vectors[:, :1]):
        found = drawn(some)
        assert np.isfinite(found).all() and found.shape == (60, 2)


NEWS = ["The match was won by the team", "The market and the company fell", "The film got 2 awards"]
SHOPPING = ["这家酒店的房间很好", "苹果很新鲜", "手机屏幕清楚"]


def described(texts: Sequence[str]) -> tuple[Region, ...]:
    """The regions of three clearly separate groups of 60, 50 and 40 points with these texts."""
    group = np.repeat([0, 1, 2], [60, 50, 40])
    noise = np.random.default_rng(0).standard_normal((150, 2))
    positions = (np.array([[0, 0], [50, 0], [0, 50]])[group] + noise).astype(np.float32)
    return named_regions(positions, [texts[one] for one in group], seed=0)


def test_regions_are_named_by_the_words_that_tell_them_apart() -> None:
    regions = described(NEWS)
    assert [(one.words, one.size) for one in regions] == [
        (("match", "team", "was"), 60),
        (("and", "company", "fell"), 50),
        (("awards", "film", "got"), 40),
    ]
    assert [(round(one.x, -1), round(one.y, -1)) for one in regions] == [(0, 0), (50, 0), (0, 50)]


def test_regions_of_chinese_texts_are_named_by_pairs_of_characters() -> None:
    words = [one.words for one in described(SHOPPING)]
    assert all(
        len(pair) == 2 and pair in SHOPPING[place] for place in range(3) for pair in words[place]
    )
    assert [len(pairs) for pairs in words] == [3, 3, 3]


def test_pictures_have_regions_without_words() -> None:
    assert [(one.words, one.size) for one in described(["", "", ""])] == [
        ((), 60),
        ((), 50),
        ((), 40),
    ]


def test_a_rare_word_names_nothing_and_a_map_of_one_region_has_no_names() -> None:
    positions = np.random.default_rng(0).standard_normal((79, 2)).astype(np.float32)
    (region,) = named_regions(positions, ["some words"] * 79, seed=0)
    assert (region.words, region.size) == ((), 79)
    middle = np.median(positions, axis=0)
    assert [region.x, region.y] == middle.tolist()

    two = np.concatenate([positions[:40], positions[:40] + 50])
    texts = ["rare"] * 2 + ["often"] * 3 + [""] * 35 + ["other"] * 40
    assert {one.words for one in named_regions(two, texts, seed=0)} == {("often",), ("other",)}


def test_points_in_one_place_are_one_region() -> None:
    regions = named_regions(np.ones((200, 2), np.float32), [""] * 200, seed=0)
    assert regions == (Region(1.0, 1.0, (), 200),)
    assert named_regions(np.zeros((0, 2), np.float32), [], seed=0) == ()


def test_words_are_letters_of_any_script() -> None:
    assert list(terms_of("Don't pay 2021 EUR, covid19!")) == ["don", "pay", "eur", "covid"]
    assert list(terms_of("हिन्दी Straße_ok")) == ["हिन्दी", "straße"]
    assert list(terms_of("iPhone手机不 é")) == ["手机", "机不", "iphone"]
    assert list(terms_of("x" * 1998 + " word")) == ["x" * 1998]


def test_of_a_large_pool_some_texts_are_read() -> None:
    assert read_rows(3, 0).tolist() == [0, 1, 2]
    rows = read_rows(2 * MOST_TEXTS, 0)
    assert len(np.unique(rows)) == MOST_TEXTS and rows.max() > 1.9 * MOST_TEXTS
    np.testing.assert_array_equal(rows, read_rows(2 * MOST_TEXTS, 0))
