"""Cases and cohorts: images, gaze, words and masks in one carrier, on disk and in memory."""
