"""Studies of a cohort's gaze: what seconds buy, what noise costs, and how real simulated gaze is."""
