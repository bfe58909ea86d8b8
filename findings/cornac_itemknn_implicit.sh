#!/usr/bin/env bash
# cornac 3.0.1, models.ItemKNN with similarity="cosine" on what people took, without ratings (every value is 1).
# Expected: items that many people took together are nearer than items that one person took together.
# Seen: every pair of items with a common user has similarity 1, so every item scores alike for every user. The cosine is
# taken over the common users alone, where both columns are all ones.
# Fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "cornac==3.0.1" "torch>=2.4,<2.14"
"$folder/venv/bin/python" - <<'PY'
import cornac
import numpy as np
from cornac.data import Dataset

# a and b have four users in common, a and c one
took = [(u, i, 1.0) for u in ("u1", "u2", "u3", "u4") for i in ("a", "b")] + [("u5", "a", 1.0), ("u5", "c", 1.0)]
took += [("u6", "c", 1.0), ("u6", "d", 1.0)]
data = Dataset.from_uir(took, seed=0)
model = cornac.models.ItemKNN(k=3, similarity="cosine", verbose=False).fit(data)
similarity = model.sim_mat.toarray()
a, b, c = (data.iid_map[name] for name in "abc")
scores = model.score(data.uid_map["u5"])
print("cornac", cornac.__version__, "sim(a, b)", similarity[a, b], "sim(a, c)", similarity[a, c], "scores of u5", np.round(scores, 6))
assert cornac.__version__ == "3.0.1"
assert np.isclose(similarity[a, b], 1.0) and np.isclose(similarity[a, c], 1.0), "similarities tell pairs apart now"
PY
echo "as described"
