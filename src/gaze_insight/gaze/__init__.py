"""Where they looked: fixations in an explicit frame, readers, heat maps, simulator, time and quality."""
