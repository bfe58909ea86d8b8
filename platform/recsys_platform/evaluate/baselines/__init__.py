"""What ranks the same cases beside the model: counts, our SASRec, models of cornac, and what a report says of them."""
