import numpy as np
from variants import training_data

from microfacial.models.majority import MAJORITY, MajoritySettings
from microfacial.records import Samples


def test_the_checkpoint_has_the_frequencies_that_are_predicted(whole_faces: Samples) -> None:
    fitted = MAJORITY.fit(training_data(whole_faces), MajoritySettings())
    frequencies = fitted.checkpoint()["frequencies"]
    assert np.array_equal(frequencies, fitted.predict(whole_faces.inputs)[0])
    assert np.array_equal(frequencies, np.bincount(whole_faces.labels[:24]) / 24)
