"""The server: a model folder behind the OpenAI chat API. Run it with `python -m egm_core.serve --model PATH`."""
