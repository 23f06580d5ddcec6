"""Why a model fails, judged by several other models, and which models mend what it fails at."""
