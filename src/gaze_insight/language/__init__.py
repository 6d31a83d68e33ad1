"""Why it matters: descriptions of lesions in closed words, who makes them, and their encoders."""
