"""Chest radiographs: findings and label policies, regions, keywords, sentences and reports."""
