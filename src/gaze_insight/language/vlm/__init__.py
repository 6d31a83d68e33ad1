"""Descriptions from vision-language models over HTTP: prompts, answers, the client and its engine."""
