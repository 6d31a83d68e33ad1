"""The tables of suites on chest radiographs: classifiers compared by AUC, F1 and what they attend to."""
