"""Reading MIMIC-Eye and the two data sets in it, REFLACX and EGD, file by file."""
