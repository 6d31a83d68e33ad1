"""One file for each data set's published layout."""
