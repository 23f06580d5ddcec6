"""The server: a model folder behind the OpenAI chat API. Run it with `egm serve --model PATH`."""
