"""The door to the models of retention: what is no answer to whether a customer left."""

import pandas as pd
import pytest

from crmvalue.errors import InputError
from crmvalue.models.fit_retention import fit_retention


def test_words_for_whether_a_customer_left_are_refused_with_what_to_write_instead(as_engine):
    frame = as_engine(pd.DataFrame({"tenure": [1, 2, 3, 3], "churned": ["Yes", "No", "Yes", "No"]}))
    with pytest.raises(InputError, match="does not hold numbers but String. Make it true or false, or 1 or 0."):
        fit_retention(frame, time_unit="month")
