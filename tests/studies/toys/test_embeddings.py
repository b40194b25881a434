import numpy as np
import pytest

from candgen.errors import SettingError
from candgen.studies.toys import embeddings as toys

NAN = np.nan
FILMS = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])


def test_with_films_fixed_the_users_who_made_the_labels_are_found():
    truth = np.array([[0.3, 0.7], [-0.5, 0.2]])
    found = toys.solve_users(FILMS, truth @ FILMS.T, penalty=1e-12)
    np.testing.assert_allclose(found, truth, atol=1e-9)


def test_films_are_solved_as_the_mirror_of_users():
    labels = np.array([[1.0, 0.0, NAN], [0.0, 1.0, 1.0]])
    people = np.array([[1.0, 0.2], [0.1, 1.0]])
    mirrored = toys.solve_users(people, labels.T, penalty=0.3)
    np.testing.assert_array_equal(toys.solve_films(people, labels, penalty=0.3), mirrored)
    assert mirrored.shape == (3, 2)


def test_no_other_vector_has_a_lower_objective():
    settings = {"penalty": 0.2, "unknown_weight": 0.3, "level": 0.4}
    labels = np.array([[1.0, 0.0, NAN], [NAN, 1.0, 1.0]])
    users = toys.solve_users(FILMS, labels, **settings)
    best = toys.objective(users, FILMS, labels, **settings)
    rng = np.random.default_rng(0)
    for _ in range(50):
        other = users + rng.normal(scale=0.05, size=users.shape)
        assert toys.objective(other, FILMS, labels, **settings) > best


def test_the_objective_is_weighted_squared_error_plus_penalty():
    users, films = np.array([[2.0]]), np.array([[1.0], [3.0], [0.5]])
    labels = np.array([[1.0, 0.0, NAN]])
    # scores 2.5, 6.5, 1.5; errors -1.5, -6.5, -1.5; squares of all vectors 4 + 1 + 9 + 0.25
    expected = 1.5**2 + 6.5**2 + 0.1 * 1.5**2 + 0.2 * 14.25
    found = toys.objective(users, films, labels, penalty=0.2, unknown_weight=0.1, level=0.5)
    assert found == pytest.approx(expected)


def test_a_film_not_yet_shown_says_nothing_unless_it_is_given_a_weight():
    one = np.array([[1.0]])
    shown, unknown = np.array([[1.0]]), np.array([[1.0, NAN]])
    two = np.array([[1.0], [1.0]])
    alone = toys.solve_users(one, shown)
    np.testing.assert_allclose(toys.solve_users(two, unknown), alone)
    # both films are alike, so a full 0 beside the 1 halves what is aimed at
    weighed = toys.solve_users(two, unknown, penalty=1e-12, unknown_weight=1.0)
    np.testing.assert_allclose(weighed, [[0.5]])


def test_learning_never_raises_the_objective_and_repeats_with_its_seed():
    labels = np.array([[1.0, 1.0, 0.0, NAN], [0.0, NAN, 1.0, 1.0], [1.0, 0.0, 1.0, 0.0]])
    first, second = (toys.learn(labels, sweeps=8, rng=np.random.default_rng(5)) for _ in range(2))
    falls = np.diff([step.objective for step in first])
    assert (falls <= 1e-12).all() and falls[0] < 0
    assert [step.sweep for step in first] == list(range(9))
    np.testing.assert_array_equal(first[-1].users, second[-1].users)


@pytest.mark.parametrize("seed", range(5))
def test_people_who_did_the_same_are_drawn_together(seed):
    alike = [1.0, 1.0, 0.0, 0.0]
    labels = np.array([alike, alike, [0.0, 0.0, 1.0, 1.0], [1.0, 0.0, 1.0, 0.0]])
    last = toys.learn(labels, level=0.5, rng=np.random.default_rng(seed))[-1]
    cosines = toys.cosines(last.users)
    assert cosines[0, 1] > 0.999
    assert cosines[0, 2] < -0.99
    assert abs(cosines[0, 3]) < 0.1


def test_explained_compares_watched_with_the_rest_and_leaves_out_the_unknown():
    scores = np.array([[0.9, 0.5, 0.5, 0.1, 99.0]])
    table = toys.explained(scores, np.array([[1.0, 1.0, 0.0, 0.0, NAN]]), ["Ada"])
    row = table.loc["Ada"]
    assert row["watched"] == pytest.approx(0.7)
    assert row["gap"] == pytest.approx(0.4)
    assert row["in order"] == pytest.approx(3.5 / 4)  # one tie


def test_the_best_number_has_the_sign_of_what_was_watched():
    axis = np.array([-1.0, -0.5, 0.5, 1.0])
    watched = np.array([[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 0, 1]])
    assert toys.best_numbers(axis, watched).tolist() == [-1, 1, 1]


def test_an_empty_vector_is_at_a_right_angle_to_all():
    found = toys.cosines(np.array([[0.0, 0.0], [3.0, 0.0], [-1.0, 0.0]]))
    np.testing.assert_array_equal(found, [[0, 0, 0], [0, 1, -1], [0, -1, 1]])


def test_agreement_counts_only_films_that_both_were_shown():
    found = toys.agreement(np.array([[1.0, 0.0, NAN, 1.0], [1.0, 1.0, 1.0, NAN]]))
    assert found.same.tolist() == [[3, 1], [1, 3]]
    assert found.both.tolist() == [[3, 2], [2, 3]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"penalty": 0.0}, "penalty must be greater than 0"),
        ({"unknown_weight": -1.0}, "unknown_weight must be 0 or greater"),
    ],
)
def test_settings_out_of_range_are_named(change, message):
    with pytest.raises(SettingError, match=message):
        toys.solve_users(FILMS, np.ones((1, 3)), **change)


def test_labels_turned_the_wrong_way_are_named():
    with pytest.raises(SettingError, match=r"got shape \(3, 2\) and 3 vectors"):
        toys.solve_users(FILMS, np.ones((3, 2)))
