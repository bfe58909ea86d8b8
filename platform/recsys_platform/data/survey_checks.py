"""Judge what the survey of all sequences found, before anything is built from them."""

import logging
from collections.abc import Sequence

from recsys_model.errors import DataError
from recsys_platform.config.input import InputConfig
from recsys_platform.data.input.open import Tables, check_all_rows
from recsys_platform.data.survey import Survey
from recsys_platform.data.time_range import warn_of_times
from recsys_platform.data.unknown_ids import check_described, describe_unknown_items

logger = logging.getLogger(__name__)

MAX_UNKNOWN_SHARE = 0.01
"""Above this share of rows with unknown items, the ids of both tables are compared."""


def check_survey(
    survey: Survey,
    settings: InputConfig,
    tables: Tables,
    item_ids: Sequence[str],
    user_ids: Sequence[str],
    num_new_events: int = 0,
) -> None:
    """Raise if the interactions cannot be used, and warn of what is unlikely in them.

    `num_new_events` are accepted interactions that the survey lacks, since their items are held out.

    Raises:
        DataError: too many rows were rejected, or all; rows were lost; or no user has a row in the users table.
    """
    interactions = tables.interactions
    hints: list[str] = []
    if survey.rejects.counts["unknown_item"] > MAX_UNKNOWN_SHARE * interactions.num_rows:
        hints = describe_unknown_items(interactions, item_ids)
    survey.rejects.check_share("interactions", interactions.num_rows, settings.max_reject_share, hints)
    check_all_rows(interactions, survey.num_interactions + num_new_events, survey.rejects.counts)
    if survey.num_interactions == 0:
        raise DataError(f"input.interactions.path {interactions.files.path} has no accepted row")
    for hint in hints:
        logger.warning("unknown_item: %s", hint)
    if interactions.order == "time":
        warn_of_times(survey.earliest, survey.latest, settings.interactions)
    check_described(survey.num_users, survey.num_described, survey.undescribed, user_ids)
    logger.info("%d interactions of %d users accepted", survey.num_interactions, survey.num_users)
