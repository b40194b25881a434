"""Names of columns, and of the metrics of predicted ratings, in one place.

Inside the workbench users and items are dense integers in `USER` and `ITEM`. The ids that the
data came with live in `USER_ID` and `ITEM_ID` of the tables `users` and `items`, nowhere else.
"""

USER = "user"  # dense, 0 .. n_users - 1
ITEM = "item"  # dense, 0 .. n_items - 1
RATING = "rating"
TIMESTAMP = "timestamp"  # seconds since 1970-01-01 UTC

USER_ID = "user_id"  # as the source spells it
ITEM_ID = "item_id"  # as the source spells it
TITLE = "title"
GENRES = "genres"  # list of strings
YEAR = "year"

RANK = "rank"  # 1 is the best candidate
SCORE = "score"

POSITION = "position"  # place on the page where an item was shown, 1 is the top
PROPENSITY = "propensity"  # chance with which an item was shown at its position, above 0 to 1
ENGAGED = "engaged"  # whether what was shown was also watched to the end

RMSE, MAE = "rmse", "mae"
MEANS_RMSE, MEANS_MAE = "rmse_of_item_means", "mae_of_item_means"
RATING_METRICS = (RMSE, MAE, MEANS_RMSE, MEANS_MAE)
"""Metrics of predicted ratings, smaller is better; the last two are those of each item's mean
rating in training."""
