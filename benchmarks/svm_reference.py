"""Check the linear SVM on published flow maps with scikit-learn only. No code of this package is used.

    python benchmarks/svm_reference.py data/three_norm_u_v_os

The protocol is leave-one-subject-out over all corpora in the folder. The median of u and v is subtracted. C is chosen
by cross-validation over ten groups of the training subjects. The script prints pooled UF1 and UAR, overall and per
corpus. Compare them with the scores of `make repro` on the same maps.
"""

import sys
from pathlib import Path

import cv2
import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.metrics import f1_score, recall_score
from sklearn.model_selection import GroupKFold, LeaveOneGroupOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

C_VALUES = (3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2)


def main(root: Path) -> None:
    """Print the scores of the maps below `root`."""
    paths = sorted(root.glob("*/u_test/*/*.png"))
    maps = np.stack([np.asarray(cv2.imread(str(path)), dtype=float) for path in paths])
    maps[..., 1:] -= np.median(maps[..., 1:], axis=(1, 2), keepdims=True)  # BGR: strain, v, u
    pixels = maps.reshape(len(maps), -1)
    labels, people = (np.array([path.parts[part] for path in paths]) for part in (-2, -4))

    def predict(train: NDArray[np.int64], test: NDArray[np.int64]) -> NDArray[np.str_]:
        inputs, classes, groups = pixels[train], labels[train], people[train]
        pipelines = [
            make_pipeline(StandardScaler(), SVC(kernel="linear", C=c, class_weight="balanced")) for c in C_VALUES
        ]
        guesses = [cross_val_predict(p, inputs, classes, groups=groups, cv=GroupKFold(10)) for p in pipelines]
        best = np.argmax([f1_score(classes, guess, average="macro") for guess in guesses])
        return pipelines[best].fit(inputs, classes).predict(pixels[test])

    splits = list(LeaveOneGroupOut().split(pixels, labels, people))
    folds = Parallel(n_jobs=-1)(delayed(predict)(train, test) for train, test in splits)
    predicted = np.empty_like(labels)
    for (_, test), guess in zip(splits, folds, strict=True):
        predicted[test] = guess
    casme2 = np.char.startswith(people, "sub")
    smic = np.char.startswith(people, "s") & ~casme2
    for name, rows in (("all", people != ""), ("CASME II", casme2), ("SMIC", smic), ("SAMM", ~casme2 & ~smic)):
        if rows.any():
            scores = [f(labels[rows], predicted[rows], average="macro") for f in (f1_score, recall_score)]
            print(f"{name}: {rows.sum()} maps, UF1 {scores[0]:.3f}, UAR {scores[1]:.3f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
