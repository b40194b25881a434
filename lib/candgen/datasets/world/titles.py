"""Plausible titles of invented films."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_ADJECTIVES = """
    Amber Ancient Blue Borrowed Bright Broken Burning Careless Cold Crimson Crooked Daring
    Distant  Early Electric Empty Endless Faithful Fallen Famous Final First Forgotten Fragile
    Gentle Golden  Grand Hidden Hollow Honest Hungry Idle Invisible Iron Last Late Little Lonely
    Long Lost Lucky  Marble Midnight Narrow Nameless Northern Old Open Paper Patient Perfect
    Pale Quiet Reckless Red  Restless Rising Sacred Second Secret Seventh Silent Silver Simple
    Sleeping Small Southern  Stolen Strange Stubborn Sudden Summer Sweet Tender Third True
    Twisted Unfinished Velvet Wandering  White Wild Winter Wooden Young
"""
_NAMES = """
    Ada Agnes Albin Alma Anton Astrid Bela Bruno Cato Clara Cosmo Daria Edda Elio Elsa Emil Enzo
    Esther Felix Flora Greta Hanna Hugo Ida Igor Ines Ivo Jonas Juno Kasper Klara Lena Leo Lotte
    Lucia  Magnus Marta Matteo Mila Nadia Nils Nora Olga Orla Otto Paula Petra Rafael Rosa Ruben
    Selma Silas  Sofia Stella Tilda Tomas Ursula Vera Viktor Wanda Xenia Yara Zeno
"""
_SPOTS = """
    Aldermere Ashford Bellhaven Briarwood Calderton Carrow Dunmore Eastgate Elmsworth Fairlight
    Ferngrove Glasshill Greywater Halden Harrowbay Kestrel Kingsmoor Lakeside Lindenau Lorne
    Millbrook  Moonfield Norrland Oakhurst Osterby Pinecrest Quarrybank Redcliff Rosenholm
    Saltmarsh Sandgate  Silverlake Stonebridge Summerhill Tallowfield Thornbury Underhill
    Valmora Westbrook Wickham  Winterfold Yarrow
"""
_NOUNS = {
    "Action": "Bullet Chase Fist Fuse Getaway Outpost Pursuit Siege Strike Vendetta",
    "Adventure": "Compass Expedition Island Journey Lagoon Map River Summit Treasure Voyage",
    "Animation": "Acorn Balloon Fox Hedgehog Kite Lantern Otter Puppet Robot Teapot",
    "Children": "Bicycle Birthday Duckling Marble Pony Puddle Rabbit Sandbox Snowman Treehouse",
    "Comedy": "Aunt Blunder Divorce Holiday Landlord Mishap Neighbour Roommate Umbrella Wedding",
    "Crime": "Alibi Broker Burglar Detective Heist Informer Jury Ledger Smuggler Witness",
    "Documentary": "Archive Century Factory Glacier Harvest Market Orchestra Portrait Railway Reef",
    "Drama": "Daughter Farewell Garden House Inheritance Letter Promise Season Silence Teacher",
    "Fantasy": "Crown Dragon Enchanter Kingdom Mirror Prophecy Raven Spell Throne Unicorn",
    "Film-Noir": "Alley Cigarette Dame Doorway Dusk Gambler Keyhole Saxophone Shadow Trenchcoat",
    "Horror": "Asylum Attic Cellar Crypt Curse Grave Haunting Scream Séance Whisper",
    "Musical": "Ballroom Chorus Encore Melody Overture Piano Serenade Song Stage Waltz",
    "Mystery": "Cipher Clue Enigma Guest Key Manor Manuscript Puzzle Riddle Stranger",
    "Romance": "Balcony Bouquet Embrace Heart Kiss Lover Postcard Rose Sonnet Sweetheart",
    "Sci-Fi": "Android Comet Galaxy Horizon Machine Nebula Orbit Planet Signal Starship",
    "Thriller": "Abyss Conspiracy Deadline Double Hostage Motive Passenger Suspect Trap Verdict",
    "War": "Armistice Battalion Bridge Courier Front Medal Regiment Soldier Trench Truce",
    "Western": "Canyon Cattle Deputy Frontier Gunslinger Mesa Outlaw Saddle Sheriff Stagecoach",
}


def invent_titles(
    rng: np.random.Generator,
    main_genres: NDArray[np.integer],
    years: NDArray[np.integer],
    genre_names: list[str],
) -> NDArray[np.object_]:
    """Invent one title a film, with its year as in "The Quiet Orchard (1994)".

    The noun fits the main genre. A title that repeats in the same year gets a part number, so
    titles are unique.

    Args:
        main_genres: Index in `genre_names` for each film, shape `(n_items,)`.
        years: Year of each film, shape `(n_items,)`.
    """
    n = len(years)
    nouns = np.array([_NOUNS[name].split() for name in genre_names], dtype=object)
    noun = nouns[main_genres, rng.integers(nouns.shape[1], size=n)]
    adjective, name, spot = (
        np.array(words, dtype=object)[rng.integers(len(words), size=n)]
        for words in (_ADJECTIVES.split(), _NAMES.split(), _SPOTS.split())
    )
    pattern = rng.choice(6, size=n, p=[0.30, 0.12, 0.16, 0.14, 0.14, 0.14])
    titles = np.empty(n, dtype=object)
    made = (
        lambda at: "The " + adjective[at] + " " + noun[at],
        lambda at: adjective[at] + " " + noun[at],
        lambda at: "The " + noun[at] + " of " + spot[at],
        lambda at: name[at] + " and the " + adjective[at] + " " + noun[at],
        lambda at: name[at] + "'s " + adjective[at] + " " + noun[at],
        lambda at: adjective[at] + " " + noun[at] + " in " + spot[at],
    )
    for which, make in enumerate(made):
        at = np.flatnonzero(pattern == which)
        titles[at] = make(at)
    return _numbered(titles, years)


def _numbered(titles: NDArray[np.object_], years: NDArray[np.integer]) -> NDArray[np.object_]:
    part = pd.DataFrame({"title": titles, "year": years}).groupby(["title", "year"]).cumcount()
    again = np.flatnonzero(part.to_numpy() > 0)
    titles[again] = titles[again] + np.array([f", Part {p + 1}" for p in part.iloc[again]], object)
    return titles + np.array([f" ({year})" for year in years], dtype=object)
